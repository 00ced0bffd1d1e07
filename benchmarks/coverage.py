"""How often 95 % intervals hold the truth, and how often equal methods are called different.

    python benchmarks/coverage.py [--quick]

Every repeat draws new photographs. 20 repeats after each other share the seed of their resamples,
for speed. Repeats are many enough for a standard error of at most 0.6 % (intervals) and 0.25 %
(tests). Some eight minutes on two busy cores.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from bench.results.ranks import permutation_test, rank_sets
from bench.scores.intervals import (
    Estimate,
    mean_interval,
    paired_difference,
    seed_split,
    set_interval,
)

REPEATS, TESTS = 2000, 10_000


@dataclass(frozen=True)
class Share:
    """How many of `repeats` simulated test sets of n photographs were hits, and for intervals their
    mean width."""

    n: int
    hits: int
    repeats: int
    width: float = math.nan
    lost: int = 0
    """Intervals with NaN bounds; they are no hits."""

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return self.hits / self.repeats

    @property
    def error(self) -> float:
        """The standard error of `share`."""
        return math.sqrt(self.share * (1 - self.share) / self.repeats)


def normal(rng: np.random.Generator, n: int, seed: int) -> tuple[Estimate, float]:
    """A mean of normal values."""
    return mean_interval(rng.normal(3, 1, n), seed), 3


def gamma(rng: np.random.Generator, n: int, seed: int) -> tuple[Estimate, float]:
    """A mean of values as skewed as errors of photographs are."""
    return mean_interval(rng.gamma(2, size=n), seed), 2


def lognormal(rng: np.random.Generator, n: int, seed: int) -> tuple[Estimate, float]:
    """A hard case: skewness 6.2, so that a hundred photographs often hold none of the few that
    raise the mean."""
    return mean_interval(rng.lognormal(0, 1, n), seed), math.exp(0.5)


def paired(rng: np.random.Generator, n: int, seed: int) -> tuple[Estimate, float]:
    """A difference of 0.1 between methods whose errors correlate by 0.8; differences of excess
    kurtosis 1.5."""
    first, second = two_methods(rng, n, 8, 2)
    return paired_difference(first + 0.1, second, seed), 0.1


def heavy(rng: np.random.Generator, n: int, seed: int) -> tuple[Estimate, float]:
    """A hard case: the same with differences of excess kurtosis 7.5, where BCa's acceleration
    follows single photographs."""
    first, second = two_methods(rng, n)
    return paired_difference(first + 0.1, second, seed), 0.1


def ratio(rng: np.random.Generator, n: int, seed: int) -> tuple[Estimate, float]:
    """A ratio of means, 2, of columns that correlate."""
    shared, above, below = rng.gamma(2, size=(3, n))
    return set_interval(_ratio, {"above": 2 * (shared + above), "below": shared + below}, seed)[
        "ratio"
    ], 2


def three_seeds(rng: np.random.Generator, n: int, seed: int) -> tuple[Estimate, float]:
    """A mean over three trainings whose means differ as much as a mean over 100 photographs errs,
    and over photographs."""
    values = 0.1 * rng.normal(size=(3, 1)) + rng.normal(size=n) + 0.5 * rng.normal(size=(3, n))
    return seed_split(values).mean, 0


INTERVALS: Mapping[str, Callable[[np.random.Generator, int, int], tuple[Estimate, float]]] = {
    "ratio of means": ratio,
    "normal": normal,
    "gamma(2)": gamma,
    "paired": paired,
    "three trainings": three_seeds,
    "hard: paired, heavy tails": heavy,
    "hard: lognormal(1)": lognormal,
}


def coverage(case: str, n: int, repeats: int = REPEATS) -> Share:
    """How many intervals hold the true value."""
    rng = np.random.default_rng([n, sum(map(ord, case))])
    found = [INTERVALS[case](rng, n, i // 20) for i in range(repeats)]
    hits = sum(estimate.low <= truth <= estimate.high for estimate, truth in found)
    widths = np.array([estimate.high - estimate.low for estimate, _ in found])
    return Share(n, hits, repeats, float(np.nanmean(widths)), int(np.isnan(widths).sum()))


def false_alarms(n: int, repeats: int = TESTS) -> Share:
    """How many tests of two methods of equal laws, with correlated errors, give p <= 5 %."""
    rng = np.random.default_rng(n)
    hits = sum(permutation_test(*two_methods(rng, n), seed=i) <= 0.05 for i in range(repeats))
    return Share(n, hits, repeats)


def false_rankings(n: int, repeats: int = REPEATS) -> Share:
    """How many rankings of five methods of equal laws tell any two apart at 5 %."""
    rng = np.random.default_rng(n)
    hits = 0
    for i in range(repeats):
        photograph = rng.gamma(1.6, size=n)
        found = rank_sets(
            {name: photograph + rng.gamma(0.4, size=n) for name in "abcde"}, "down", seed=i
        )
        hits += any(p <= 0.05 for p in found.p_values.values())
    return Share(n, hits, repeats)


def two_methods(
    rng: np.random.Generator, n: int, shared: float = 1.6, own: float = 0.4
) -> tuple[np.ndarray, np.ndarray]:
    """Errors `(n,)` of two methods on the same photographs: gamma(shared + own), correlation shared
    / (shared + own)."""
    photograph = rng.gamma(shared, size=n)
    return photograph + rng.gamma(own, size=n), photograph + rng.gamma(own, size=n)


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2 repeats: to see that it works")
    repeats, tests = (2, 2) if parser.parse_args().quick else (REPEATS, TESTS)
    jobs = [
        (f"{case}: intervals that hold it", partial(coverage, case, n, repeats))
        for n in (1000, 100)
        for case in INTERVALS
    ]
    jobs += [
        ("equal methods: permutation tests with p <= 5 %", partial(false_alarms, n, tests))
        for n in (100, 12)
    ]
    jobs += [
        ("five equal methods: rankings that tell any apart", partial(false_rankings, 100, repeats))
    ]
    with ProcessPoolExecutor(2) as pool:
        running = [(name, pool.submit(job)) for name, job in jobs]
        for name, future in running:
            got = future.result()
            width = (
                ""
                if math.isnan(got.width)
                else f"   mean width {got.width:.4f}, {got.lost} without bounds"
            )
            print(
                f"{name:50} n = {got.n:4}  {got.share:6.2%} ± {got.error:.2%} of "
                f"{got.repeats:6,}{width}",
                flush=True,
            )


def _ratio(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {"ratio": columns["above"].mean(-1) / columns["below"].mean(-1)}


if __name__ == "__main__":
    main()
