"""Means and paired differences over test photographs, with bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over n photographs and its percentile bootstrap interval (95 %)."""

    mean: float
    low: float
    high: float
    n: int

    def __format__(self, spec: str) -> str:
        return f"{self.mean:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def mean_interval(values: np.ndarray, seed: int = 0) -> Estimate:
    """The mean of per-photograph values `(n,)` and its interval over photographs. NaN in, NaN out.

    >>> mean_interval(np.array([1.0, 1.0])).high
    1.0
    """
    values = np.asarray(values, dtype=np.float64)
    n = len(values)
    if n == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    rng = np.random.default_rng(seed)
    block = max(1, 2_000_000 // n)  # resamples at a time: memory stays flat
    sizes = [min(block, RESAMPLES - start) for start in range(0, RESAMPLES, block)]
    means = np.concatenate([values[rng.integers(0, n, (size, n))].mean(1) for size in sizes])
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(values.mean()), float(low), float(high), n)


def paired_difference(first: np.ndarray, second: np.ndarray, seed: int = 0) -> Estimate:
    """The mean of `first - second`, photograph by photograph, with its interval."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape:
        raise ValueError(f"paired values must have the same shape, not {first.shape} and {second.shape}")
    return mean_interval(first - second, seed)
