"""Which methods can be told apart: paired permutation tests, Holm's correction, and ranks given as
sets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bench.errors import BenchError
from bench.specs import Direction

FLIPS = 10_000

_CELLS = 2_000_000  # signs, or sums, at a time: memory stays flat


@dataclass(frozen=True)
class Ranking:
    """Methods that were measured on the same photographs.

    order: names, the best mean first. ranks: name -> (lowest, highest) rank that it may have.
    p_values: of every pair (better mean, worse mean), corrected for the number of pairs.
    """

    order: tuple[str, ...]
    ranks: Mapping[str, tuple[int, int]]
    p_values: Mapping[tuple[str, str], float]

    @property
    def best(self) -> tuple[str, ...]:
        """Those that no other method is shown to beat."""
        return tuple(name for name in self.order if self.ranks[name][0] == 1)


def rank_sets(
    values: Mapping[str, np.ndarray], direction: Direction, seed: int = 0, level: float = 0.05
) -> Ranking:
    """Rank methods by name -> values `(N,)` of the same photographs, as far as the differences are
    shown.

    All pairs are tested on paired photographs; with probability 1 - level no pair that is called
    different has equal laws. A method's rank is at least 1 + how many are shown to beat it, and at
    most m - how many it is shown to beat. At 5 %, fewer than `bench.scores.intervals.FEW`
    photographs show nothing: all share all ranks. BenchError for values that are not finite or not
    of the same photographs, and for metrics of which neither less nor more is better.
    """
    names, columns = _columns(values, direction)
    means = columns.mean(0) * (1 if direction == "down" else -1)
    order = sorted(range(len(names)), key=lambda i: (means[i], names[i]))
    better, worse = np.array(list(combinations(order, 2)), dtype=np.int64).reshape(-1, 2).T
    flips = max(
        FLIPS, math.ceil(10 * len(better) / level)
    )  # the smallest p must survive the correction
    adjusted = holm(_p_values(columns, better, worse, flips, seed))
    shown = adjusted <= level
    beaten, beats = (np.bincount(side[shown], minlength=len(names)) for side in (worse, better))
    return Ranking(
        tuple(names[i] for i in order),
        {names[i]: (1 + int(beaten[i]), len(names) - int(beats[i])) for i in order},
        {(names[i], names[j]): float(p) for i, j, p in zip(better, worse, adjusted)},
    )


def permutation_test(first: np.ndarray, second: np.ndarray, seed: int = 0) -> float:
    """The two-sided p-value of equal means of paired values `(N,)`: in each photograph the two may
    change places.

    The statistic is the mean difference (Student's t would give the same p: both order the sign
    patterns alike). Exact where all sign patterns are few, else of `FLIPS` random ones and the
    observed one (Phipson & Smyth 2010). It is a test of exchangeability: exact at any N where the
    methods have equal laws, and nearly so for means when N is large. NaN in, NaN out.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape:
        raise ValueError(
            f"paired values must have the same shape, not {first.shape} and {second.shape}"
        )
    if not np.isfinite(first - second).all():
        return math.nan
    return float(
        _p_values(np.stack([first, second], 1), np.array([0]), np.array([1]), FLIPS, seed)[0]
    )


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's step-down correction (1979), in the order given: reject what is at most the level.
    ValueError for NaN.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p-values must lie between 0 and 1")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def _columns(
    values: Mapping[str, np.ndarray], direction: Direction
) -> tuple[list[str], np.ndarray]:
    """Names, and their values `(N, m)`."""
    if direction not in ("up", "down"):
        raise BenchError(
            f"methods can't be ranked by a metric whose direction is '{direction}': it must be up "
            "or down"
        )
    columns = {name: np.asarray(column, np.float64) for name, column in values.items()}
    if (
        not columns
        or len({column.shape for column in columns.values()}) > 1
        or not next(iter(columns.values())).size
    ):
        counts = ", ".join(f"{name} has {column.size}" for name, column in columns.items())
        raise BenchError(
            "methods are ranked by the same photographs, one or more: "
            f"{counts or 'there are no methods'}"
        )
    for name, column in columns.items():
        if missing := int((~np.isfinite(column)).sum()):
            raise BenchError(
                f"{name} can't be ranked: it has no finite value for {missing} of {column.size} "
                "photographs"
            )
    return list(columns), np.stack(list(columns.values()), 1)


def _p_values(
    columns: np.ndarray, first: np.ndarray, second: np.ndarray, flips: int, seed: int
) -> np.ndarray:
    """p of the pairs `first`, `second` of columns `(N, m)`; the same random signs for all."""
    n = len(columns)
    columns = columns - np.median(
        columns, 1, keepdims=True
    )  # what all share is no part of any difference
    observed = np.abs((columns[:, first] - columns[:, second]).sum(0))
    ties = 1e-9 * np.abs(columns[:, first] - columns[:, second]).sum(0)  # equal to rounding
    exact = 2**n <= flips
    hits = np.zeros(len(first))
    for swapped in (
        _patterns(n)
        if exact
        else _random_patterns(n, flips, seed, max(1, _CELLS // max(n, len(first))))
    ):
        sums = columns.sum(0) - 2 * (swapped.astype(np.float64) @ columns)
        hits += (np.abs(sums[:, first] - sums[:, second]) >= observed - ties).sum(0)
    return hits / 2**n if exact else (hits + 1) / (flips + 1)


def _patterns(n: int) -> Iterator[np.ndarray]:
    """All 2^n ways to swap n pairs or not."""
    yield np.arange(2**n)[:, None] >> np.arange(n) & 1


def _random_patterns(n: int, flips: int, seed: int, rows: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    for start in range(0, flips, rows):
        size = min(rows, flips - start)
        yield np.unpackbits(
            np.frombuffer(rng.bytes(size * -(-n // 8)), np.uint8).reshape(size, -1), axis=1, count=n
        )
