"""Colour-rarity weights: how much an error at a true colour counts (section 3.1 of the paper).

`channel64` (default) takes the paper literally: a and b each have a histogram of 64 bins over
[-128, 128) of the train split, and a channel's weight is 1/p of its own bin. `joint64` is one 64x64
histogram, and `zhang313` Zhang's 313 bins (nearest centre); both give one weight to both channels.
p sums to 1 and is floored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, reduce
from typing import TYPE_CHECKING

import numpy as np

from bench.errors import BenchError

if TYPE_CHECKING:
    import torch

BINS, LOW, WIDTH = 64, -128.0, 4.0
SHAPES = {"channel64": (2, BINS), "joint64": (BINS, BINS), "zhang313": (313,)}
WIDTHS = {name: math.prod(shape) for name, shape in SHAPES.items()}

_BATCH = 256  # photographs that are counted at a time: memory stays flat


@dataclass(frozen=True)
class ColourWeights:
    """Weights by colour: `prior` is the floored histogram, `(2, 64)`, `(64, 64)` or `(313,)`.

    mean: the mean weight over the pixels that the histogram was made of (NaN where it is not
    known).
    """

    name: str
    prior: np.ndarray
    mean: float = float("nan")

    def __call__(self, ab: torch.Tensor) -> torch.Tensor:
        """Weights `(..., 2, h, w)` of true colours of the same shape: raw 1/p, not rescaled."""
        import torch

        table = torch.as_tensor(1 / self.prior, dtype=ab.dtype, device=ab.device)
        a, b = ab.unbind(-3)
        if self.name == "channel64":
            return torch.stack([table[0][_bin(a)], table[1][_bin(b)]], dim=-3)
        one = table[_bin(a), _bin(b)] if self.name == "joint64" else table[nearest_bin(ab)]
        return torch.stack([one, one], dim=-3)


def fit(name: str, ab: np.ndarray, floor: float) -> ColourWeights:
    """The weights of a train split's colour fields `(N, 2, h, w)`."""
    if name not in WIDTHS:
        raise BenchError(f"unknown colour weights '{name}' (known: {', '.join(WIDTHS)})")
    parts = (
        _counts(name, np.asarray(ab[start : start + _BATCH])) for start in range(0, len(ab), _BATCH)
    )
    counts: np.ndarray = reduce(np.add, parts)
    prior = counts / counts.sum(-1 if name == "channel64" else None, keepdims=True)
    floored = np.maximum(prior, floor)
    seen = prior > 0
    mean = float((prior[seen] / floored[seen]).sum()) / (2 if name == "channel64" else 1)
    return ColourWeights(name, floored, mean)


def bin_centres() -> np.ndarray:
    """Zhang et al.'s 313 ab bin centres `(313, 2)`, grid step 10, sorted by a then b.

    Recomputed: the convex hull of the sRGB cube's ab values, widened by a square of +-10.

    >>> bin_centres().shape
    (313, 2)
    """
    return _centres().copy()


@cache
def _centres() -> np.ndarray:
    from scipy.spatial import ConvexHull, Delaunay

    from bench.colour import rgb_to_lab

    steps = np.arange(0, 256, 17) / 255
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    ab = rgb_to_lab(cube)[:, 1:].astype(np.float64)
    hull = ab[ConvexHull(ab).vertices]
    square = np.array([(-10, -10), (-10, 10), (10, -10), (10, 10)])
    widened = (hull[:, None] + square).reshape(-1, 2)
    axis = np.arange(-110, 111, 10)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    inside = Delaunay(widened[ConvexHull(widened).vertices]).find_simplex(grid) >= 0
    return grid[inside].astype(np.float32)


def nearest_bin(ab: torch.Tensor) -> torch.Tensor:
    """Index of the nearest of the 313 centres, `(..., h, w)` from `(..., 2, h, w)`."""
    import torch

    table = torch.as_tensor(_lookup(), device=ab.device)
    a, b = ((c + 128).floor().clamp(0, 255).long() for c in ab.unbind(-3))
    return table[a, b]


def _nearest_numpy(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    rows, columns = (np.clip(np.floor(c + 128), 0, 255).astype(np.intp) for c in (a, b))
    nearest: np.ndarray = _lookup()[rows, columns]
    return nearest


_TABLE: list[np.ndarray] = []


def _lookup() -> np.ndarray:
    """Nearest bin of every unit cell of ab, by its middle, `(256, 256)`; made once. The borders
    between bins lie on integers, so that no middle is on one."""
    if not _TABLE:
        from scipy.spatial import cKDTree

        axis = np.arange(-128, 128) + 0.5
        points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
        _TABLE.append(cKDTree(bin_centres()).query(points)[1].reshape(256, 256))
    return _TABLE[0]


def _bin(values: torch.Tensor) -> torch.Tensor:
    return ((values - LOW) / WIDTH).floor().long().clamp(0, BINS - 1)


def _bin_numpy(values: np.ndarray) -> np.ndarray:
    return np.clip(np.floor((values - LOW) / WIDTH), 0, BINS - 1).astype(np.intp)


def _counts(name: str, ab: np.ndarray) -> np.ndarray:
    """How many pixels of fields `(n, 2, h, w)` are in each bin, in the prior's shape."""
    a, b = ab[:, 0].reshape(-1), ab[:, 1].reshape(-1)
    if name == "channel64":
        return np.stack([np.bincount(_bin_numpy(c), minlength=BINS) for c in (a, b)])
    if name == "joint64":
        return np.bincount(_bin_numpy(a) * BINS + _bin_numpy(b), minlength=BINS * BINS).reshape(
            BINS, BINS
        )
    return np.bincount(_nearest_numpy(a, b), minlength=313)
