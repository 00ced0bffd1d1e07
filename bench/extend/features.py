"""What one method may ask of another's fitted part, and features kept in the store."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from bench import keys
from bench.contracts import FitContext
from bench.data.prepare import PreparedSet, give_back
from bench.errors import BenchError
from bench.store import stored
from bench.store.files import allocate


@runtime_checkable
class FeatureExtractor(Protocol):
    """A method that offers features of grey photographs."""

    feature_shape: tuple[int, int, int]

    def features(self, grey: Tensor) -> Tensor:
        """Features `(B, *feature_shape)` of L `(B, 1, 256, 256)`."""


@runtime_checkable
class Codec(Protocol):
    """A method that embeds colour fields."""

    d: int

    def encode(self, ab: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and standard deviation `(B, d)` of fields `(B, 2, 64, 64)` in CIELAB
        units."""

    def decode(self, code: Tensor) -> Tensor:
        """Fields `(B, 2, 64, 64)` in CIELAB units of codes `(B, d)`."""


def extractor(context: FitContext, name: str) -> FeatureExtractor:
    """The part `name`, which must offer features."""
    part = context.parts[name]
    if not isinstance(part, FeatureExtractor):
        raise BenchError(f"parameter {name}: {type(part).__name__} offers no features; take zhang")
    return part


def codec(context: FitContext, name: str) -> Codec:
    """The part `name`, which must embed colour fields."""
    part = context.parts[name]
    if not isinstance(part, Codec):
        raise BenchError(
            f"parameter {name}: {type(part).__name__} does not encode and decode; take vae"
        )
    return part


class Features(Protocol):
    """Features of all training photographs: of some of them by `[rows]`, float16 `(len(rows),
    *shape)`."""

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        """Those of some photographs."""


def stored_features(context: FitContext, name: str, train: PreparedSet) -> Features:
    """Features of all training photographs by the part `name`, computed once and kept in the store;
    or, where they and all that are there would be more than `context.cache_budget` bytes, computed
    again whenever they are asked for."""
    part = extractor(context, name)
    shape = (len(train), *part.feature_shape)
    key = keys.key("features", part=context.part_keys[name], photographs=train.key)
    if context.store.find("features", key) is None:
        needed, held = (
            _bytes(shape),
            sum(_bytes(mark["shape"]) for mark in context.store.all("features")),
        )
        if needed + held > context.cache_budget:
            context.progress.say(_beyond(needed, held, len(train), context.cache_budget))
            return Computed(part, train)

    def build(folder: Path) -> dict[str, Any]:
        out = allocate(folder / "features.npy", np.float16, shape)
        map_batches(train, context, "features", lambda i: part.features(train.grey(i)), out)
        out.flush()
        return {"shape": list(shape)}

    return Stored(
        stored.array(context.store.get("features", key, build) / "features.npy", np.float16, shape)
    )


@dataclass(frozen=True)
class Stored:
    """Features in a memory map `(N, *shape)`."""

    array: np.ndarray

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        found = np.array(self.array[rows])
        give_back(self.array)
        return found


@dataclass(frozen=True)
class Computed:
    """Features that a part computes when they are asked for. They differ from stored ones by
    rounding: other photographs are computed beside them."""

    part: FeatureExtractor
    train: PreparedSet

    @torch.inference_mode()
    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        return self.part.features(self.train.grey(rows)).cpu().numpy().astype(np.float16)


def _bytes(shape: Sequence[int]) -> int:
    return np.dtype(np.float16).itemsize * math.prod(shape)


def _beyond(needed: int, held: int, count: int, budget: int) -> str:
    enough = math.ceil((needed + held) / 2**30 * 10) / 10
    return (
        f"features of {count} photographs take {needed / 2**30:.1f} GiB beside {held / 2**30:.1f} "
        "in the store, more "
        f"than --cache-budget {budget / 2**30:g}: computed again for every batch ({enough:g} would "
        "keep them)"
    )


def map_batches(
    train: PreparedSet,
    context: FitContext,
    what: str,
    function: Callable[[slice], Tensor],
    out: np.ndarray,
    batch: int = 32,
) -> None:
    """Fill `out` with a function of batches of photographs, showing progress."""
    with (
        context.progress.task(f"{what} of {train.dataset}", len(train)) as bar,
        torch.inference_mode(),
    ):
        for start in range(0, len(train), batch):
            rows = slice(start, min(start + batch, len(train)))
            out[rows] = function(rows).cpu().numpy()
            give_back(out)
            bar.advance(rows.stop - rows.start)


def codes(part: Codec, train: PreparedSet, context: FitContext) -> tuple[Tensor, Tensor]:
    """Posterior means and standard deviations `(N, d)` of all training photographs."""
    out = np.empty((len(train), 2, part.d), dtype=np.float32)
    map_batches(
        train, context, "codes", lambda i: torch.stack(part.encode(train.truth(i)), dim=1), out, 64
    )
    both = torch.from_numpy(out)
    return both[:, 0], both[:, 1]
