"""One value a metric: what tables of everything, the gallery and its sorting show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .facts import Measure
from .scores import Entry

ARROWS = {"up": "↑", "down": "↓", "target": "→", "none": ""}


@dataclass(frozen=True)
class Headline:
    """A metric's main variant, and what is known of it; `direction` as in `bench.specs.MetricSpec`."""

    measure: Measure
    direction: str
    unit: str
    summary: str

    @property
    def title(self) -> str:
        """`fair-energy-score ↓`."""
        return f"{self.measure.metric} {ARROWS.get(self.direction, '')}".strip()


def meaning(metric: str) -> str:
    """One line about a metric, if it is installed."""
    from bench.plugins import registry

    spec = registry().specs["metrics"].get(metric)
    return f"{spec.summary[0].upper()}{spec.summary[1:]}." if spec else ""


def headlines(entries: Sequence[Entry]) -> list[Headline]:
    """Of every metric that any entry has values of, in alphabetical order; the score that ranks first."""
    from bench.plugins import registry

    specs = registry().specs["metrics"]
    found = []
    for metric in sorted({m for e in entries for m in e.facts.metrics}, key=lambda m: (not m.startswith("fair-energy"), m)):
        facts = next(e.facts for e in entries if metric in e.facts.metrics)
        spec, measured = specs.get(metric), facts.variants(metric)
        wanted = [getattr(spec, "headline", ""), *getattr(spec, "variants", ())]
        variant = next((v for v in wanted if v in measured), measured[0] if measured and spec is None else None)
        if variant is not None:
            measure = Measure(metric, variant, k=facts.count(Measure(metric, variant)))
            direction, unit = facts.words(measure)
            found.append(Headline(measure, direction, unit, getattr(spec, "summary", "")))
    return found
