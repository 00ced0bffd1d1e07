"""Whether a run is worse than another by more than a margin: paired bootstrap tests over
photographs.

A test is a studentised bootstrap (bootstrap-t; Hall 1992, *The Bootstrap and Edgeworth Expansion*,
section 3.10; Efron & Tibshirani 1993, section 12.5): photographs are resampled in both runs alike,
and the worsening of every resample is divided by its own standard error. Its level in one tail errs
by the order of 1/n, Student's t by that of 1/√n where differences are skewed; but where a few
photographs decide it can be too sure, and Student's t is not. A permutation test, which lets the
runs change places in every photograph, is exact where their scores have equal laws, as in an A/A
test. A p-value is the largest of the three. `bench.scores.intervals` takes BCa intervals of 2,000
resamples: right for 95 %, too coarse for 5 % divided by the number of tests. `benchmarks/gate.py`
measures the levels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import stdtr, stdtrit

from bench.scores.intervals import Statistic

LEVEL = 0.05
RESAMPLES, MOST = 10_000, 100_000
LEAST_ERROR = 0.25
"""A resample's standard error, as a share of the sample's, at least: where a few photographs
changed, resamples without them have none, and nothing could ever be shown. So one of n gives the
bound 5 / n, by Clopper & Pearson it is 4.7 / n at most."""
Columns = Mapping[tuple[str, int, str], np.ndarray]
"""Values `(..., n)` by run (`before` or `after`), training seed and variant."""
Worsening = Callable[[Columns], np.ndarray]
"""From columns to how much worse `after` is, `(...)`."""
_CELLS = 2_000_000  # resampled values at a time: memory stays flat


@dataclass(frozen=True, eq=False)
class Decline:
    """How much worse a run is, `value`, and what every photograph contributes to it.

    influence: `(n,)`, of mean 0; for a mean the centred differences. resampled: positions `(rows,
    n)` of drawn photographs to values `(rows,)`; None where the value is the mean of the
    differences.
    """

    value: float
    influence: np.ndarray
    resampled: Callable[[np.ndarray], np.ndarray] | None = field(default=None, repr=False)

    @property
    def error(self) -> float:
        """The standard error of `value`, over photographs."""
        n = len(self.influence)
        return math.sqrt(float((self.influence**2).sum()) / (n * (n - 1))) if n > 1 else math.nan


@dataclass(frozen=True, eq=False)
class Evidence:
    """What n photographs show of a change: its value, a bound on either side that holds the truth
    with 95 % each (the wider one of the bootstrap's and Student's), and the p-values of "it is at
    most the margin" (`worse`) and of "it is at least the margin" (`fine`)."""

    value: float
    low: float
    high: float
    worse: float
    fine: float


def of_mean(differences: np.ndarray) -> Decline:
    """The change of a mean, from the differences `(n,)` of every photograph, positive where it is
    worse."""
    differences = np.asarray(differences, np.float64)
    mean = float(differences.mean())
    return Decline(mean, differences - mean)


def of_set(statistic: Worsening, columns: Columns) -> Decline:
    """The change of a value of the whole set, with the jackknife's influences."""
    n = len(next(iter(columns.values())))
    value = float(statistic(columns))
    left_out = np.concatenate([_taken(statistic, columns, rows) for rows in _all_but_one(n)])
    return Decline(
        value,
        (n - 1) * (left_out.mean() - left_out),
        lambda drawn: _taken(statistic, columns, drawn),
    )


def difference(combine: Statistic, variant: str, sign: int) -> Worsening:
    """sign * (after - before) of a variant that `Metric.combine` gives, each the mean over seeds."""

    def of(columns: Columns) -> np.ndarray:
        trainings: dict[tuple[str, int], dict[str, np.ndarray]] = {}
        for (run, seed, part), column in columns.items():
            trainings.setdefault((run, seed), {})[part] = column
        values = {key: np.asarray(combine(parts)[variant]) for key, parts in trainings.items()}
        means = [
            np.mean([v for (run, _), v in values.items() if run == wanted], axis=0)
            for wanted in ("after", "before")
        ]
        return sign * np.asarray(means[0] - means[1])

    return of


def examine(
    changes: Sequence[Decline], margins: Sequence[float], family: int = 0, seed: int = 0
) -> list[Evidence]:
    """What the same n photographs show of several changes, each against its margin. They share the
    resamples, which are more where the family of tests is larger: its smallest p-values must
    survive Holm's correction."""
    count = min(MOST, max(RESAMPLES, math.ceil(10 * (family or len(changes)) / LEVEL)))
    ratios, swapped = _studentised(changes, count, seed), _swapped(changes, margins, count, seed)
    return [_evidence(*each) for each in zip(changes, margins, ratios, swapped, strict=True)]


def mirrored(change: Decline) -> Decline:
    """The same change with the other sign."""
    resampled = change.resampled
    return Decline(
        -change.value,
        -change.influence,
        None if resampled is None else lambda drawn: -resampled(drawn),
    )


def band(up: Evidence, down: Evidence) -> Evidence:
    """Evidence of a change by more than the margin in either direction, from that of each: `worse`
    is twice the smaller of both tails, `fine` the larger one (two one-sided tests; Schuirmann
    1987). The bounds are those of the first."""
    return Evidence(
        up.value, up.low, up.high, min(1.0, 2 * min(up.worse, down.worse)), max(up.fine, down.fine)
    )


def _studentised(changes: Sequence[Decline], count: int, seed: int) -> np.ndarray:
    """(resampled value - value) / its standard error, `(changes, count)`."""
    influence = np.stack([change.influence for change in changes], 1)
    n, least = len(influence), np.array([LEAST_ERROR * change.error for change in changes])
    rng, found, rows = np.random.default_rng(seed), [], max(1, _CELLS // n)
    for start in range(0, count, rows):
        drawn = rng.integers(0, n, (min(rows, count - start), n))
        counts = _counts(drawn)
        mean = counts @ influence / n
        error = np.sqrt(np.maximum(0, counts @ influence**2 / n - mean**2) / max(1, n - 1))
        for i, change in enumerate(changes):
            if change.resampled is not None:
                mean[:, i] = change.resampled(drawn) - change.value
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append(mean / np.maximum(error, least))
    return np.ascontiguousarray(np.concatenate(found).T)


def _swapped(
    changes: Sequence[Decline], margins: Sequence[float], count: int, seed: int
) -> np.ndarray:
    """p-values `(changes, 2)`, worse and fine, of the permutation tests (Phipson & Smyth 2010). Of
    a value of the set, what photographs contribute to it changes its sign."""
    parts = np.stack(
        [change.value - margin + change.influence for change, margin in zip(changes, margins)], 1
    )
    n, tie = len(parts), 1e-9 * np.abs(parts).sum(0)
    rng, hits, rows = np.random.default_rng(seed), np.zeros((2, len(changes))), max(1, _CELLS // n)
    for start in range(0, count, rows):
        size = min(rows, count - start)
        bits = np.frombuffer(rng.bytes(size * -(-n // 8)), np.uint8).reshape(size, -1)
        lost = 2 * (
            np.unpackbits(bits, axis=1, count=n).astype(np.float64) @ parts
        )  # what swapping takes from the sum
        hits += [(lost <= tie).sum(0), (lost >= -tie).sum(0)]
    return ((hits + 1) / (count + 1)).T


def _evidence(change: Decline, margin: float, ratios: np.ndarray, swapped: np.ndarray) -> Evidence:
    n, error, gap = len(change.influence), change.error, change.value - margin
    if n < 2 or not math.isfinite(change.value) or np.isnan(error):
        return Evidence(change.value, -math.inf, math.inf, 1.0, 1.0)
    if error <= 1e-12 * abs(change.value):  # every photograph changed alike
        return Evidence(change.value, change.value, change.value, *map(float, swapped))
    observed = gap / error
    unknown = np.isnan(ratios)  # counted against either claim
    worse, fine = (
        ((hits | unknown).sum() + 1) / (len(ratios) + 1)
        for hits in (ratios >= observed, ratios <= observed)
    )
    student = float(stdtr(n - 1, observed))
    low, high = _bounds(change, ratios[~unknown])
    return Evidence(
        change.value,
        low,
        high,
        float(max(worse, 1 - student, swapped[0])),
        float(max(fine, student, swapped[1])),
    )


def _bounds(change: Decline, ratios: np.ndarray) -> tuple[float, float]:
    """The wider of both methods' bounds."""
    t = float(stdtrit(len(change.influence) - 1, 1 - LEVEL))
    most = float(np.quantile(ratios, 1 - LEVEL, method="higher")) if len(ratios) else math.inf
    least = float(np.quantile(ratios, LEVEL, method="lower")) if len(ratios) else -math.inf
    return change.value - change.error * max(most, t), change.value - change.error * min(least, -t)


def _counts(drawn: np.ndarray) -> np.ndarray:
    """How often each photograph was drawn, `(rows, n)`."""
    rows, n = drawn.shape
    return (
        np.bincount((drawn + n * np.arange(rows)[:, None]).ravel(), minlength=rows * n)
        .reshape(rows, n)
        .astype(np.float64)
    )


def _all_but_one(n: int) -> Iterator[np.ndarray]:
    rows = max(1, _CELLS // n)
    for start in range(0, n, rows):
        out = np.arange(start, min(n, start + rows))[:, None]
        kept = np.arange(n - 1)[None]
        yield kept + (kept >= out)


def _taken(statistic: Worsening, columns: Columns, rows: np.ndarray) -> np.ndarray:
    return np.asarray(statistic({name: column[rows] for name, column in columns.items()}))
