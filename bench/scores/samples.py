"""Sample sets in shards of images: a kill costs one shard, and a longer run extends a shorter one.

A shard's key covers the method, the data and the ids of *its* photographs only, so whole shards are
shared between runs of different length. A shard is always computed as one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.contracts import SampleSet
from bench.errors import BenchError, SamplesGone
from bench.store import stored
from bench.store.files import write_bytes
from bench.store.local import Store
from bench.store.marks import SampleMark

if TYPE_CHECKING:
    from pathlib import Path

FILE = "samples.safetensors"
SHARD = 16
"""Photographs in a shard."""
TASK = 16
"""Shards of one task: 256 photographs."""


def shards(ids: Sequence[str]) -> list[tuple[str, ...]]:
    """The ids, cut into shards."""
    return [tuple(ids[i : i + SHARD]) for i in range(0, len(ids), SHARD)]


def rows(number: int, photographs: int) -> range:
    """The photographs of a shard, of so many in all."""
    return range(number * SHARD, min((number + 1) * SHARD, photographs))


def write(folder: Path, samples: SampleSet) -> dict[str, Any]:
    """Write one shard; returns its description."""
    from safetensors.torch import save

    tensors = {"ab": samples.ab.detach().float().cpu().contiguous()}
    for name in ("weights", "log_prob"):
        if (extra := getattr(samples, name)) is not None:
            tensors[name] = extra.detach().cpu().contiguous()
    write_bytes(folder / FILE, save(tensors))
    return {
        "sample_kind": samples.kind,
        "n_drawn": samples.n_drawn,
        "shape": list(samples.ab.shape),
    }


def read(store: Store, key: str) -> SampleSet:
    """One shard. BenchError when it is missing or damaged."""
    found = store.read("samples", key)
    if found is None:
        raise SamplesGone(store.gone("samples", key, f"samples {key[:12]}"))
    folder, mark = found
    assert isinstance(mark, SampleMark)
    tensors = stored.tensors(folder / FILE)
    given = {
        name: (tensor.dtype.is_floating_point, list(tensor.shape))
        for name, tensor in tensors.items()
    }
    shape = list(mark.shape)
    known = {"ab": (True, shape), "weights": (True, shape[:2]), "log_prob": (True, shape[:1])}
    if (
        len(shape) != 5
        or shape[2] != 2
        or "ab" not in given
        or any(known.get(name) != form for name, form in given.items())
    ):
        raise BenchError(
            f"{folder / FILE} does not hold the samples that its mark tells of: {stored.AGAIN}"
        )
    return SampleSet(
        tensors["ab"],
        mark.sample_kind,
        tensors.get("weights"),
        mark.n_drawn,
        tensors.get("log_prob"),
    )


def read_rows(store: Store, keys: Sequence[str], rows: Sequence[int]) -> np.ndarray:
    """Fields `(len(rows), k, 2, h, w)` of some photographs, counted over all shards; reads only the
    shards needed."""
    found: dict[int, np.ndarray] = {}
    for shard, some in groupby(sorted(set(rows)), lambda row: row // SHARD):
        fields = read(store, keys[shard]).ab.numpy()  # a whole shard, of which a few rows are kept
        found.update((row, fields[row % SHARD].copy()) for row in some if row % SHARD < len(fields))
    if len({field.shape for field in found.values()}) > 1 or not set(rows) <= found.keys():
        raise SamplesGone(
            f"samples {keys[0][:12]}, ... are not of the photographs that they should be of: "
            "repeat the run"
        )
    return np.stack([found[row] for row in rows])
