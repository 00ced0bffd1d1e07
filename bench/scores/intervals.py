"""Means over test photographs, paired differences and values of whole sets, each with its 95 %
interval.

Intervals come from the BCa bootstrap (Efron 1987; Efron & Tibshirani 1993, section 14.3): photographs are resampled, never
pixels, draws or methods. For the same resamples they are `scipy.stats.bootstrap(method="BCa")`'s to rounding (a test says
so), without its n x n jackknife, and a resample serves every column at once: of 10,000 photographs SciPy's takes 26 s and
1.9 GiB for one mean, this 1.1 s, and 1.6 s for 40, in memory that stays flat. BCa falls short of 95 % with few photographs; so
its normal quantile z is expanded to sqrt(n / (n - 1)) t(n - 1), as R's `resample::CI.bca` does (Hesterberg 2014,
arXiv:1411.5279): 1.8 % wider at n = 100. `benchmarks/coverage.py` prints how often the intervals hold the truth: less often than
they say where a few of a hundred photographs decide (93.1 % for differences of excess kurtosis 7.5).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

RESAMPLES = 2000
LEVEL = 0.95
FEW = 6
"""With fewer paired photographs even differences of one sign are no evidence at 95 % (2 * 0.5^5 >
0.05)."""

_CELLS = 2_000_000  # resampled values at a time: memory stays flat
_KEPT = 5_000  # photographs up to which resamples are kept for the next column
_GROUPS = 1_000  # left out one after the other by the jackknife of a set's value

Statistic = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
"""`bench.contracts.Metric.combine`: columns `(..., N)` to values `(...)`."""


@dataclass(frozen=True)
class Estimate:
    """A mean over n photographs, or another value of them, and its 95 % interval. NaN bounds: no
    interval is known."""

    mean: float
    low: float
    high: float
    n: int

    def __format__(self, spec: str) -> str:
        low, high = (
            "–" if math.isnan(bound) else format(bound, spec) for bound in (self.low, self.high)
        )
        return f"{self.mean:{spec}} [{low}, {high}]"


def mean_interval(values: np.ndarray, seed: int = 0) -> Estimate:
    """The mean of per-photograph values `(n,)` and its interval over photographs. NaN in, NaN out.

    Equal values give an interval of no width; one photograph gives none, as it says nothing about
    others.

    >>> mean_interval(np.array([1.0, 1.0])).high
    1.0
    >>> f"{mean_interval(np.array([1.0])):.1f}"
    '1.0 [–, –]'
    """
    return mean_intervals(np.asarray(values, np.float64)[None], seed)[0]


def mean_intervals(values: np.ndarray, seed: int = 0) -> list[Estimate]:
    """`mean_interval` of every row of `(m, n)`, with the same resamples: as fast as one for tens of
    rows."""
    values = np.asarray(values, dtype=np.float64)
    n = values.shape[1]
    if n == 0:
        return [Estimate(math.nan, math.nan, math.nan, 0)] * len(values)
    means = values.mean(1)
    if n == 1:
        return [Estimate(float(mean), math.nan, math.nan, 1) for mean in means]
    with np.errstate(invalid="ignore"):  # infinite values: no interval
        centred = values - means[:, None]
        gaps = np.concatenate([counts @ centred.T for counts in _counts(n, seed)]).T / n
    return [_bca(float(mean), gap, parts, n) for mean, gap, parts in zip(means, gaps, centred)]


def joint_intervals(values: Sequence[np.ndarray]) -> list[Estimate]:
    """`mean_interval` of each `(n,)`, of several n; those of one n are resampled together, which is
    much faster than one by one."""
    found: dict[int, Estimate] = {}
    for size in {len(each) for each in values}:
        some = [i for i, each in enumerate(values) if len(each) == size]
        found |= zip(some, mean_intervals(np.stack([values[i] for i in some])))
    return [found[i] for i in range(len(values))]


def paired_difference(first: np.ndarray, second: np.ndarray, seed: int = 0) -> Estimate:
    """The mean of `first - second`, photograph by photograph, with its interval."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape:
        raise ValueError(
            f"paired values must have the same shape, not {first.shape} and {second.shape}"
        )
    return mean_interval(first - second, seed)


def set_interval(
    statistic: Statistic, columns: Mapping[str, np.ndarray], seed: int = 0
) -> dict[str, Estimate]:
    """Values of a whole set and their intervals over its photographs, resampled jointly in all
    `columns` `(N,)`.

    NaN bounds where the value or a resampled one is NaN, with one photograph, and where the value
    lies outside of all resampled ones: the bootstrap can't tell then. No photographs, no values. At
    a bound it fails: the interval of a distance whose true value is 0 lies above 0.
    """
    columns = {name: np.asarray(column, dtype=np.float64) for name, column in columns.items()}
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise ValueError(
            "columns of one set must have one length, not "
            f"{' and '.join(map(str, sorted(lengths)))}"
        )
    n = max(lengths, default=0)
    if n == 0:
        return {}
    values = {name: float(value) for name, value in statistic(columns).items()}
    if n == 1:
        return {name: Estimate(value, math.nan, math.nan, 1) for name, value in values.items()}
    rows = max(1, _CELLS // (n * len(columns)))
    resampled = _over(statistic, columns, _drawn(n, seed, rows))
    left_out = _over(statistic, columns, _jackknife(n, rows))
    with np.errstate(invalid="ignore"):  # infinite values: no interval
        parts = {name: some.mean() - some for name, some in left_out.items()}
        return {
            name: _bca(value, resampled[name] - value, parts[name], n)
            for name, value in values.items()
        }


@dataclass(frozen=True)
class SeedSplit:
    """The mean of S trainings by N photographs, and where its uncertainty comes from.

    mean: with an interval over both. The variances: of a training's effect, of a photograph's, and
    of what is left (their interaction, and noise). The errors: standard errors of the mean from the
    trainings, and from the photographs with the rest. NaN where it is unknown: of one training, all
    but `image_error`.
    """

    mean: Estimate
    seed_variance: float
    image_variance: float
    rest_variance: float
    seed_error: float
    image_error: float
    seeds: int

    @property
    def error(self) -> float:
        """The standard error of the mean from both."""
        return math.hypot(self.seed_error, self.image_error)


def seed_split(values: np.ndarray) -> SeedSplit:
    """The uncertainty of the mean of `(S seeds, N photographs)`, in parts: two crossed random
    effects, method of moments.

    Negative variances are set to 0. The interval's half width is the root of the summed squares of
    both standard errors times their own t quantiles, of S - 1 and N - 1 degrees of freedom (as
    Banerjee 1960, Sankhya 22:357, for sums of means): with two or three seeds it is wide where
    seeds matter. One seed: an interval over photographs alone.
    """
    values = np.asarray(values, dtype=np.float64)
    seeds, n = values.shape
    if seeds < 2 or n < 2 or not np.isfinite(values).all():
        return _unsplit(values)
    mean, by_seed, by_image = values.mean(), values.mean(1), values.mean(0)
    left = values - by_seed[:, None] - by_image + mean
    rest = float((left**2).sum() / ((seeds - 1) * (n - 1)))
    seed = max(0.0, float(by_seed.var(ddof=1)) - rest / n)
    image_error = float(by_image.std(ddof=1)) / math.sqrt(
        n
    )  # its square estimates (image + rest / seeds) / n
    image = max(0.0, n * image_error**2 - rest / seeds)
    seed_error = math.sqrt(seed / seeds)
    half = math.hypot(seed_error * _student(seeds), image_error * _student(n))
    estimate = Estimate(float(mean), float(mean - half), float(mean + half), n)
    return SeedSplit(estimate, seed, image, rest, seed_error, image_error, seeds)


@dataclass(frozen=True)
class Flatness:
    """Pearson's χ² of a rank histogram against equal counts. `p` is NaN, with a `reason`, where it
    can't be tested."""

    counts: tuple[int, ...]
    statistic: float
    p: float
    reason: str = ""


def flatness(ranks: np.ndarray, bins: int) -> Flatness:
    """Whether ranks `(N,)` in 0..bins-1, one of each of N independent photographs, are equally
    frequent.

    Ranks of neighbouring pixels are not independent, and would make any method fail. ValueError for
    other values.
    """
    from scipy.stats import chisquare

    ranks = np.asarray(ranks)
    if not np.isin(ranks, np.arange(bins)).all():
        raise ValueError(f"ranks must be whole numbers from 0 to {bins - 1}")
    counts = np.bincount(ranks.astype(np.int64), minlength=bins)
    kept = tuple(counts.tolist())
    if len(ranks) < 5 * bins:
        return Flatness(
            kept, math.nan, math.nan, f"{len(ranks)} ranks in {bins} bins: fewer than 5 a bin"
        )
    found = chisquare(counts)
    return Flatness(kept, float(found.statistic), float(found.pvalue))


def _bca(value: float, gaps: np.ndarray, parts: np.ndarray, n: int) -> Estimate:
    """gaps: resampled values minus `value`; parts: what a photograph (or a group) adds to it, in
    any unit."""
    largest = np.abs(gaps).max()
    if not math.isfinite(value) or not np.isfinite(largest):
        return Estimate(value, math.nan, math.nan, n)
    if largest <= 1e-12 * abs(value):
        return Estimate(value, value, value, n)
    tie = (
        1e-9 * largest
    )  # a resample that equals the value, to rounding, counts half on either side
    bias = ndtri((np.mean(gaps < -tie) + np.mean(gaps <= tie)) / 2)
    with np.errstate(invalid="ignore", divide="ignore"):  # what becomes of it is NaN: no interval
        parts = parts / np.abs(parts).max()
        acceleration = (parts**3).sum() / (6 * (parts**2).sum() ** 1.5)
        shifted = bias + np.array([-1, 1]) * _student(n) * math.sqrt(n / (n - 1))
        scale = 1 - acceleration * shifted
    if not (np.isfinite(shifted).all() and (scale > 0).all()):
        return Estimate(value, math.nan, math.nan, n)
    low, high = value + np.quantile(gaps, ndtr(bias + shifted / scale))
    return Estimate(value, float(low), float(high), n)


def _student(n: int) -> float:
    return float(stdtrit(n - 1, (1 + LEVEL) / 2))


def _drawn(n: int, seed: int, rows: int) -> Iterator[np.ndarray]:
    """Positions of drawn photographs `(up to rows, n)`, `RESAMPLES` in all."""
    rng = np.random.default_rng(seed)
    for start in range(0, RESAMPLES, rows):
        yield rng.integers(0, n, (min(rows, RESAMPLES - start), n))


def _counts(n: int, seed: int) -> Iterator[np.ndarray]:
    """How often each of n photographs was drawn, `(rows, n)`: a resampled mean is a product with
    them."""
    blocks = _kept_counts(n, seed) if n <= _KEPT else _count(n, seed)
    return (block.astype(np.float64) for block in blocks)


@lru_cache(maxsize=4)
def _kept_counts(n: int, seed: int) -> Sequence[np.ndarray]:
    return tuple(_count(n, seed))


def _count(n: int, seed: int) -> Iterator[np.ndarray]:
    for drawn in _drawn(n, seed, max(1, _CELLS // n)):
        yield np.stack([np.bincount(row, minlength=n).astype(np.uint16) for row in drawn])


def _jackknife(n: int, rows: int) -> Iterator[np.ndarray]:
    """All photographs but one, `(rows, n - 1)`; but a small random group, of equal size, where
    there are many."""
    size = -(-n // _GROUPS)
    order = np.arange(n) if size == 1 else np.random.default_rng(0).permutation(n)
    for groups in np.array_split(np.arange(n // size), -(-(n // size) // rows)):
        keep = np.arange(n) // size != groups[:, None]
        yield np.broadcast_to(order, keep.shape)[keep].reshape(len(groups), n - size)


def _over(
    statistic: Statistic, columns: Mapping[str, np.ndarray], rows: Iterator[np.ndarray]
) -> dict[str, np.ndarray]:
    found = [statistic({name: column[some] for name, column in columns.items()}) for some in rows]
    return {name: np.concatenate([values[name] for values in found]) for name in found[0]}


def _unsplit(values: np.ndarray) -> SeedSplit:
    """One training, one photograph or a NaN: an interval over the photographs at most, and no
    parts."""
    seeds, nan = len(values), math.nan
    average = float(values.mean()) if values.size else nan
    mean = mean_interval(values[0]) if seeds == 1 else Estimate(average, nan, nan, values.shape[1])
    error = float(values[0].std(ddof=1)) / math.sqrt(mean.n) if seeds == 1 and mean.n > 1 else nan
    return SeedSplit(mean, nan, nan, nan, nan, error, seeds)
