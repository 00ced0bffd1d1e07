"""Whether draws are independent and alike: a permutation test."""

from __future__ import annotations

import numpy as np

SHUFFLES = 2000


def projected(fields: np.ndarray) -> np.ndarray:
    """Five numbers of colour fields `(R, n, 2, h, w)`, `(R, n, 5)`: the mean of a, of b, and three
    fixed random projections."""
    flat = fields.reshape(*fields.shape[:2], -1).astype(np.float64)
    pixels = flat.shape[-1] // 2
    means = flat.reshape(*fields.shape[:2], 2, pixels).mean(-1)
    weights = np.random.default_rng(0).normal(size=(flat.shape[-1], 3)) / np.sqrt(pixels)
    return np.concatenate([means, flat @ weights], -1)


def with_distances(numbers: np.ndarray) -> np.ndarray:
    """Numbers `(R, n, S)` and their distances from the overall mean, `(R, n, 2 S)`: draws may be
    uncorrelated, and yet depend on one another."""
    return np.concatenate([numbers, abs(numbers - numbers.mean((0, 1)))], -1)


def surprise(values: np.ndarray, seed: int = 0) -> float:
    """The share of shuffles in which values `(R, n, S)` look as dependent as they are: a p-value,
    at least 1 / 2,001.

    R repetitions of n draws. If all R n draws are independent and of one law, it makes no
    difference which draw stands where. Two spreads tell, of the means of the repetitions (large:
    the draws of one hang together; small: they avoid each other) and of the means of the places
    (large: the law changes from draw to draw), each for S statistics; their largest deviation
    decides (Westfall and Young 1993).
    """
    rng = np.random.default_rng(seed)
    flat = values.reshape(-1, values.shape[-1])
    flat = flat[:, flat.std(0) > 1e-6 * (1 + abs(flat).max(0))]
    if not flat.shape[1]:
        return 1.0
    orders = [np.arange(len(flat)), *(rng.permutation(len(flat)) for _ in range(SHUFFLES))]
    spreads = np.stack([_spreads(flat[order].reshape(*values.shape[:2], -1)) for order in orders])
    deviation = abs(spreads - spreads[1:].mean(0)) / (spreads[1:].std(0) + 1e-12)
    worst = deviation.max(1)
    return float((1 + (worst[1:] >= worst[0]).sum()) / (1 + SHUFFLES))


def _spreads(values: np.ndarray) -> np.ndarray:
    """Cube roots of the variances of row and of column means, `(2 S,)`: nearly normal, also where
    there are few columns (Wilson and Hilferty 1931)."""
    return np.cbrt(np.concatenate([values.mean(1).var(0), values.mean(0).var(0)]))
