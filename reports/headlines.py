"""One value a metric: what tables of everything, the gallery and its sorting show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.results.series import Measure

from .scores import Entry

if TYPE_CHECKING:
    from bench.scores.intervals import Estimate

ARROWS = {"up": "↑", "down": "↓", "target": "→", "none": ""}


@dataclass(frozen=True)
class Headline:
    """A metric's main variant, and what is known of it; `direction` as in `bench.specs.MetricSpec`."""

    measure: Measure
    direction: str
    unit: str
    summary: str
    of_set: bool = False
    """Whether it is one value of the whole test set, not one a photograph."""
    of_density: bool = False
    """Whether it is computed from a method's density: values of methods with densities over other
    spaces don't compare."""
    several: bool = False
    """Whether the metric has more variants."""

    @property
    def title(self) -> str:
        """`fair-energy-score ↓`, or `coverage, a-82 →` where there are other variants."""
        variant = f", {self.measure.variant}" if self.several else ""
        return f"{self.measure.metric}{variant} {ARROWS.get(self.direction, '')}".strip()

    def estimate(self, entry: Entry) -> Estimate:
        """The entry's value with its interval."""
        measure = self.measure
        return (
            entry.of_set(measure.metric, measure.variant)
            if self.of_set
            else entry.estimate(measure)
        )


def meaning(metric: str) -> str:
    """One line about a metric, if it is installed."""
    from bench.plugins.loader import registry

    spec = registry().specs["metrics"].get(metric)
    return f"{spec.summary[0].upper()}{spec.summary[1:]}." if spec else ""


def headlines(entries: Sequence[Entry], sets: bool = True) -> list[Headline]:
    """Of every metric that any entry has values of, in alphabetical order, the score that ranks
    first; `sets`: values of the whole set for the metrics whose main variant is one, else one that
    photographs have.
    """
    names = {m.metric for e in entries for m in e.scores.measures if m.region == "all"}
    found = [
        _headline(metric, entries, sets)
        for metric in sorted(names, key=lambda m: (not m.startswith("fair-energy"), m))
    ]
    return [line for line in found if line]


def _headline(metric: str, entries: Sequence[Entry], sets: bool) -> Headline | None:
    from bench.plugins.loader import registry

    spec = registry().specs["metrics"].get(metric)
    main = getattr(spec, "main", "")
    scores = next(e.scores for e in entries if e.scores.variants(metric))
    measured = scores.variants(metric)
    wanted = [getattr(spec, "headline", ""), *getattr(spec, "variants", ()), *measured]
    of_sets = sets and any(e.has_set(metric, main) for e in entries)
    variant = main if of_sets else next((v for v in wanted if v in measured), "")
    if not variant:
        return None
    first = scores.of(Measure(metric, measured[0]))[0][1]
    # only of some metrics a photograph has several values, by the number of samples: the last one
    # is of all of them
    counts = {column.k for _, column in scores.of(Measure(metric, variant))}
    measure = Measure(metric, variant, k=max(counts) if len(counts) > 1 else None)
    return Headline(
        measure,
        first.direction,
        first.unit,
        getattr(spec, "summary", ""),
        of_sets,
        "log_prob" in getattr(spec, "needs", ()),
        several=len({*measured, variant}) > 1,
    )
