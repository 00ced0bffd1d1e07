"""Sample sets in shards of images: a kill costs one shard, and a longer run extends a shorter one.

A shard's key covers the method, the data and the ids of *its* photographs only, so whole shards are shared
between runs of different length. A shard is always computed as one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import records
from bench.contracts import SampleSet
from bench.errors import SamplesGone
from bench.files import write_bytes
from bench.forms import Drawn
from bench.store import Store

if TYPE_CHECKING:
    from pathlib import Path

SHARD = 16
"""Photographs in a shard."""


def shards(ids: Sequence[str]) -> list[tuple[str, ...]]:
    """The ids, cut into shards."""
    return [tuple(ids[i : i + SHARD]) for i in range(0, len(ids), SHARD)]


def write(folder: Path, samples: SampleSet) -> dict[str, Any]:
    """Write one shard; returns its description."""
    from safetensors.torch import save

    tensors = {"ab": samples.ab.detach().float().cpu().contiguous()}
    for name in ("weights", "log_prob"):
        if (extra := getattr(samples, name)) is not None:
            tensors[name] = extra.detach().cpu().contiguous()
    write_bytes(folder / "samples.safetensors", save(tensors))
    return {"sample_kind": samples.kind, "n_drawn": samples.n_drawn, "shape": list(samples.ab.shape)}


def read(store: Store, key: str) -> SampleSet:
    """One shard. BenchError when it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from torch import float32

    folder = store.find("samples", key)
    if folder is None:
        raise SamplesGone(store.gone("samples", key, f"samples {key[:12]}"))
    mark = records.checked(store.describe("samples", key), Drawn, f"{folder}: its mark")
    try:
        tensors = load_file(folder / "samples.safetensors")
        ab = tensors["ab"]
        if ab.dtype != float32 or not all(ab.shape):
            raise ValueError(f"ab is {ab.dtype}, of {tuple(ab.shape)}")
        return SampleSet(ab, mark["sample_kind"], tensors.get("weights"), mark["n_drawn"], tensors.get("log_prob"))
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise SamplesGone(f"{folder} holds no samples ({' '.join(str(error).split())}): remove it and repeat the run") from error


def read_rows(store: Store, keys: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """Fields `(len(rows), k, 2, h, w)` of some photographs, counted over all shards; reads only the shards needed."""
    found: dict[int, np.ndarray] = {}
    for shard, some in groupby(sorted(set(rows)), lambda row: row // SHARD):
        fields = read(store, keys[shard]).ab.numpy()  # a whole shard, of which a few rows are kept
        found.update((row, fields[row % SHARD].copy()) for row in some if row % SHARD < len(fields))
    if len({field.shape for field in found.values()}) > 1 or not set(rows) <= found.keys():
        raise SamplesGone(f"samples {keys[0][:12]}, ... are not of the photographs that they should be of: repeat the run")
    return np.stack([found[row] for row in rows])
