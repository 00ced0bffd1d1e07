"""What of two runs can't be compared, and why: what only one of them has, and what both call by one
name and is not the same thing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.results.run_folder import Results
from bench.results.series import Measure, MethodScores, Place

NAMES = ("A", "B")
"""What the two runs are called."""


@dataclass(frozen=True)
class Omission:
    """Something that is not compared, and why. What is empty means all. only: the run that has it,
    empty where both do; part: the variants, or the seed, where it is not the whole metric."""

    dataset: str
    method: str
    ask: str
    metric: str
    part: str
    only: str
    reason: str


def conflict(first: MethodScores, second: MethodScores, measure: Measure) -> str:
    """Why what both call by one name is not the same thing, or nothing."""
    a, b = first.about(measure), second.about(measure)
    if a.metric_version != b.metric_version:
        return f"metric version {a.metric_version} in A and {b.metric_version} in B"
    return f"of {a.kind} in A and of {b.kind} in B" if a.kind != b.kind else ""


def missing(
    runs: Sequence[Results], sides: Sequence[Mapping[Place, MethodScores]]
) -> Iterator[Omission]:
    """Data sets and methods that only one run has."""
    for here, there in ((0, 1), (1, 0)):
        absent = [name for name in runs[here].datasets if name not in runs[there].datasets]
        for name in absent:
            yield Omission(
                name, "", "", "", "", NAMES[here], f"{NAMES[there]} has no such data set"
            )
        for dataset, method in sides[here]:
            if dataset not in absent and (dataset, method) not in sides[there]:
                yield Omission(
                    dataset, method, "", "", "", NAMES[here], f"{NAMES[there]} has no such method"
                )


def omitted(place: Place, first: MethodScores, second: MethodScores) -> Iterator[Omission]:
    """What is not compared of a method that both runs have."""
    yield from _lonely(place, first, second, *NAMES)
    yield from _lonely(place, second, first, *NAMES[::-1])
    reasons = {
        (measure.ask, measure.metric, why): None
        for measure in first.measures
        if measure in second.measures and (why := conflict(first, second, measure))
    }
    for ask, metric, why in reasons:
        yield Omission(*place, ask, metric, "", "", why)


def _lonely(
    place: Place, here: MethodScores, there: MethodScores, name: str, other: str
) -> Iterator[Omission]:
    """What only `here` has."""
    if here.columns and not there.columns:
        yield Omission(*place, "", "", "", name, reason(there, "", "", other))
        return
    parts: dict[tuple[str, str], list[str]] = {}
    for metric, variant, region, k, ask in here.measures:
        if (metric, variant, region, k, ask) not in there.measures:
            parts.setdefault((ask, metric), []).append(f"{variant} ({region}, k = {k})")
    for (ask, metric), names in parts.items():
        some = ", ".join(names) if there.has(metric, ask=ask) else ""
        yield Omission(*place, ask, metric, some, name, reason(there, ask, metric, other))
    for (seed, ask, metric), why in there.lost.items():
        if there.has(metric, ask=ask) and here.has(metric, ask=ask, seed=seed):
            yield Omission(*place, ask, metric, f"seed {seed}", name, f"{why} (in {other})")


def reason(side: MethodScores, ask: str, metric: str, name: str) -> str:
    found = side.why(ask, metric)
    return f"{found} (in {name})" if found else f"not measured in {name}"
