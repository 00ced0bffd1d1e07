"""What one method may ask of another's fitted part, and features kept in the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from bench import keys
from bench.contracts import FitContext
from bench.errors import BenchError
from bench.prepare import PreparedSet

BUDGET = 24 * 2**30
"""Features of a train split larger than this are refused for now: the disk would fill."""


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
        """Posterior mean and standard deviation `(B, d)` of fields `(B, 2, 64, 64)` in CIELAB units."""

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
        raise BenchError(f"parameter {name}: {type(part).__name__} does not encode and decode; take vae")
    return part


def stored_features(part: FeatureExtractor, train: PreparedSet, context: FitContext) -> np.ndarray:
    """Features of all training photographs, float16 `(N, *shape)`, computed once and memory-mapped from the store."""
    shape = (len(train), *part.feature_shape)
    if 2 * int(np.prod(shape, dtype=np.int64)) > BUDGET:
        raise BenchError(f"features of {len(train)} photographs need {2 * np.prod(shape) / 2**30:.0f} GiB on disk, "
                         f"more than {BUDGET >> 30}: use --limit-train or a smaller preset")  # fmt: skip
    key = keys.key("features", part=getattr(part, "key", ""), photographs=train.key)

    def build(folder: Path) -> dict[str, Any]:
        out = np.lib.format.open_memmap(folder / "features.npy", "w+", np.float16, shape)
        map_batches(train, context, "features", lambda i: part.features(train.grey(i)), out)
        out.flush()
        return {"shape": list(shape)}

    return np.load(context.store.get("features", key, build) / "features.npy", mmap_mode="r")


def map_batches(train: PreparedSet, context: FitContext, what: str, function: Callable[[slice], Tensor],
                out: np.ndarray, batch: int = 32) -> None:  # fmt: skip
    """Fill `out` with a function of batches of photographs, showing progress."""
    with context.progress.task(f"{what} of {train.dataset}", len(train)) as bar, torch.inference_mode():
        for start in range(0, len(train), batch):
            rows = slice(start, min(start + batch, len(train)))
            out[rows] = function(rows).cpu().numpy()
            bar.advance(rows.stop - rows.start)


def codes(part: Codec, train: PreparedSet, context: FitContext) -> tuple[Tensor, Tensor]:
    """Posterior means and standard deviations `(N, d)` of all training photographs."""
    out = np.empty((len(train), 2, part.d), dtype=np.float32)
    map_batches(train, context, "codes", lambda i: torch.stack(part.encode(train.truth(i)), dim=1), out, 64)
    both = torch.from_numpy(out)
    return both[:, 0], both[:, 1]
