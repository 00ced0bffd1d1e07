"""How often the gate cries wolf, and how often it catches a worse model.

    python benchmarks/gate.py [--quick]

False alarms: runs that differ in nothing but chance, in families of 1 and of 20 correlated
quantities, margin 0. "Equal laws" are scores of two runs that might change places, as in an A/A
test; "differences" have mean 0 and any shape, as at the edge of a margin. Worse: fair energy scores
of 10 draws of `law-hue`'s law against draws that spread too far from its mean, so far that the
score is 2 % higher; 1,000 photographs, margin 0. Some repeats after each other share resamples, for
speed. Half an hour of two cores.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bench.gate.noninferiority import LEVEL, RESAMPLES, difference, examine, of_mean, of_set
from bench.results.ranks import holm

if TYPE_CHECKING:
    import torch

REPEATS, TOGETHER, SHARED = {1: 4000, 20: 1000}, {1: 200, 20: 20}, 0.5
WORSE, DRAWS = 0.02, 10


@dataclass(frozen=True)
class Share:
    """How many of `repeats` gates were hits."""

    hits: int
    repeats: int

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return self.hits / self.repeats

    @property
    def error(self) -> float:
        """The standard error of `share`."""
        return math.sqrt(self.share * (1 - self.share) / self.repeats)


Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
"""Differences `(m, n)` of mean 0."""
CASES: Mapping[str, Draw] = {
    "equal laws: gamma scores": lambda rng, shape: (
        rng.gamma(0.4, size=shape) - rng.gamma(0.4, size=shape)
    ),
    "equal laws: lognormal scores": lambda rng, shape: (
        rng.lognormal(0, 1, shape) - rng.lognormal(0, 1, shape)
    ),
    "differences: normal": lambda rng, shape: rng.normal(size=shape),
    "differences: t(3), heavy tails": lambda rng, shape: rng.standard_t(3, size=shape),
    "differences: gamma(2), skewed to worse": lambda rng, shape: rng.gamma(2, size=shape) - 2,
    "differences: gamma(2), skewed to better": lambda rng, shape: 2 - rng.gamma(2, size=shape),
    "hard: gamma(1/2), skewed to better": lambda rng, shape: 0.5 - rng.gamma(0.5, size=shape),
}


def false_alarms(case: str, n: int, family: int, repeats: int = 0) -> Share:
    """How many families of quantities, none of which is worse, have one that is called regressed."""
    rng, hits, repeats = (
        np.random.default_rng([n, family, *map(ord, case)]),
        0,
        repeats or REPEATS[family],
    )
    for start in range(0, repeats, TOGETHER[family]):
        count = min(TOGETHER[family], repeats - start)
        changes = [
            of_mean(values)
            for _ in range(count)
            for values in correlated(CASES[case], rng, n, family)
        ]
        worse = np.array(
            [e.worse for e in examine(changes, [0.0] * len(changes), family, seed=start)]
        )
        hits += sum(bool((holm(some) <= LEVEL).any()) for some in worse.reshape(count, family))
    return Share(hits, repeats)


def set_false_alarms(n: int, repeats: int = 1000) -> Share:
    """How often a ratio of means, a value of the set, is called worse in a run whose columns are
    drawn as the baseline's."""
    rng, hits, statistic = np.random.default_rng(n), 0, difference(_ratio, "ratio", 1)
    places = [(run, 0, part) for run in ("before", "after") for part in ("above", "below")]
    for i in range(repeats):
        photograph = rng.gamma(1.6, size=n)
        columns = {place: photograph + rng.gamma(0.4, size=n) for place in places}
        hits += examine([of_set(statistic, columns)], [0.0], seed=i // 20)[0].worse <= LEVEL
    return Share(hits, repeats)


def correlated(draw: Draw, rng: np.random.Generator, n: int, family: int) -> np.ndarray:
    """Differences `(family, n)` that share half of their variance, as metrics of one picture do."""
    if family == 1:
        return draw(rng, (1, n))
    return math.sqrt(SHARED) * draw(rng, (1, n)) + math.sqrt(1 - SHARED) * draw(rng, (family, n))


def caught(
    before: np.ndarray, after: np.ndarray, family: int, n: int = 1000, repeats: int = 1000
) -> Share:
    """How often a gate over n photographs of a pool calls `after` regressed, margin 0, where it is
    the only worse one of a family: its p-value must be at most 5 % divided by the family."""
    rng, hits = np.random.default_rng(n), 0
    for start in range(0, repeats, TOGETHER[1]):
        some = [
            rng.choice(len(before), n, replace=False)
            for _ in range(min(TOGETHER[1], repeats - start))
        ]
        found = examine(
            [of_mean(after[rows] - before[rows]) for rows in some],
            [0.0] * len(some),
            family,
            seed=start,
        )
        hits += sum(evidence.worse <= LEVEL / family for evidence in found)
    return Share(hits, repeats)


def energy_scores(scenes: int = 2500, worse: float = WORSE) -> dict[str, np.ndarray]:
    """Fair energy scores `(scenes,)` of the law's draws, and of draws so much too wide that their
    mean is higher by the share `worse`: made of the same draws, and of others."""
    drawn = _draws(scenes)
    law, factor, step = _scores(drawn, 1), 1.0, 0.5
    for _ in range(12):  # the score grows with the factor
        factor += step if _scores(drawn, factor + step).mean() <= (1 + worse) * law.mean() else 0
        step /= 2
    return {
        "law": law,
        "same draws": _scores(drawn, factor),
        "other draws": _scores(drawn, factor, "others"),
    }


def _draws(scenes: int) -> dict[str, torch.Tensor]:
    """For each scene a truth, draws, other draws, and the mean of 32, on every fourth pixel: fields
    are of few colours."""
    import torch

    from bench import seeds
    from bench.datasets.law_hue import LawHue

    data, counts = LawHue(), {"truth": 1, "draws": DRAWS, "others": DRAWS, "mean": 32}
    parts: dict[str, list[torch.Tensor]] = {what: [] for what in counts}
    for start in range(0, scenes, 50):
        names = data.files()[start : start + 50]
        law = data.law(names)
        for what, count in counts.items():
            fields = law.sample(count, [seeds.derive(0, what, name) for name in names])[
                ..., ::4, ::4
            ]
            parts[what].append(fields.mean(1, keepdim=True) if what == "mean" else fields.clone())
    return {what: torch.cat(some) for what, some in parts.items()}


def _scores(drawn: Mapping[str, torch.Tensor], factor: float, draws: str = "draws") -> np.ndarray:
    """Scores of draws whose distance from the law's mean is multiplied by a factor."""
    from bench.metrics.energy_score import fair_energy

    ab = drawn["mean"] + factor * (drawn[draws] - drawn["mean"])
    return (fair_energy(ab, drawn["truth"][:, 0]) / 128).numpy()


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="20 photographs, 2 repeats: to see that it works"
    )
    quick = parser.parse_args().quick
    repeats, sizes, pool_of = (2, (20,), 20) if quick else (0, (20, 100, 1000), 2500)
    jobs = [
        (
            f"{case:42} n = {n:4}, family of {family:2}",
            partial(false_alarms, case, n, family, repeats),
        )
        for family in (1, 20)
        for n in sizes
        for case in CASES
    ]
    ratios = "equal laws: a ratio of means, of the set"
    jobs += [
        (f"{ratios:42} n = {n:4}, family of  1", partial(set_false_alarms, n, repeats or 1000))
        for n in sizes[:2]
    ]
    with ProcessPoolExecutor(2) as pool:
        running = [(name, pool.submit(job)) for name, job in jobs]
        print(f"false alarms, {RESAMPLES:,} resamples:")
        for name, future in running:
            _print(name, future.result())
    scores, among = energy_scores(pool_of), min(1000, pool_of)
    print(f"caught: a worse energy score, {among:,} photographs, margin 0")
    for name in ("same draws", "other draws"):
        law, other = scores["law"], scores[name]
        spread = (other - law).std() / law.mean()
        for family in (1, 20):
            _print(
                f"{name}: {other.mean() / law.mean() - 1:+.1%}, differences deviate by "
                f"{spread:.0%}, family of {family}",
                caught(law, other, family, among, repeats or 1000),
            )


def _ratio(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {"ratio": columns["above"].mean(-1) / columns["below"].mean(-1)}


def _print(name: str, got: Share) -> None:
    print(f"{name:70} {got.share:6.2%} ± {got.error:.2%} of {got.repeats:,}", flush=True)


if __name__ == "__main__":
    main()
