"""Two runs side by side: every value that both measured, paired by photograph, and what only one of
them has.

`compare` measures, `headline` chooses what a reader sees first,
`bench.results.report.write_comparison` writes it. Differences are always B - A: the second run
minus the first. It is no gate: nothing here fails because something got worse.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from bench.errors import NotComparable, NothingMeasured, unknown
from bench.plugins.loader import Registry
from bench.results import series
from bench.results.comparable import differences
from bench.results.run_folder import Results
from bench.results.series import Column, Place, Side
from bench.scores import columns
from bench.scores.intervals import FEW, Estimate, mean_intervals
from bench.scores.scoring import IID
from bench.specs import CLAIMED, Direction, MetricSpec

if TYPE_CHECKING:
    import pandas as pd

Word = Literal[
    "identical", "better", "worse", "no difference shown", "differs", "too few images", "undefined"
]

NAMES = ("A", "B")
"""What the two runs are called."""


class Fact(NamedTuple):
    """What a row is about; k: how many samples stand behind a value."""

    dataset: str
    method: str
    ask: str
    metric: str
    variant: str
    region: str
    k: int


@dataclass(frozen=True, eq=False)
class Pairs:
    """One value a photograph and run, the mean over training seeds, NaN where it is undefined; only
    photographs that both runs have. unpaired: how many only one has."""

    images: pd.Index[str]
    first: np.ndarray
    second: np.ndarray
    unpaired: int


@dataclass(frozen=True, eq=False)
class Row:
    """One fact that both runs measured. difference: the mean of B - A over photographs with its 95
    % interval, NaN where any value is undefined. direction: of the metric; `none` for parts of a
    set's value."""

    fact: Fact
    role: str
    kind: str
    unit: str
    direction: Direction
    pairs: Pairs = field(repr=False)
    difference: Estimate

    @property
    def first(self) -> float:
        """A's mean over the paired photographs; NaN where a value is undefined."""
        return _mean(self.pairs.first)

    @property
    def second(self) -> float:
        """B's mean."""
        return _mean(self.pairs.second)

    @property
    def undefined(self) -> tuple[int, int]:
        """How many of the paired photographs have no value in A, and in B."""
        return int(np.isnan(self.pairs.first).sum()), int(np.isnan(self.pairs.second).sum())

    @property
    def word(self) -> Word:
        """What the interval shows of B. `differs`: where neither less nor more is better."""
        if any(self.undefined):
            return "undefined"
        if len(self.pairs.images) and np.array_equal(self.pairs.first, self.pairs.second):
            return "identical"
        if self.difference.n < FEW:
            return "too few images"
        if not (self.difference.low > 0 or self.difference.high < 0):
            return "no difference shown"
        if self.direction not in ("up", "down"):
            return "differs"
        return "better" if (self.difference.low > 0) == (self.direction == "up") else "worse"

    def changed(self, count: int) -> list[tuple[str, float, float]]:
        """The photographs whose value changed most, the largest change first, with A's and B's
        value. Those without a value, and those that did not change, are none of them."""
        sizes = np.nan_to_num(np.abs(self.pairs.second - self.pairs.first))
        order = [int(i) for i in np.argsort(-sizes, kind="stable")[:count] if sizes[i] > 0]
        return [
            (str(self.pairs.images[i]), float(self.pairs.first[i]), float(self.pairs.second[i]))
            for i in order
        ]


@dataclass(frozen=True)
class SetRow:
    """A value of the whole test set in both runs, each the mean over seeds of the value and of its
    bounds. No verdict: the interval of their difference is unknown. The fact's region is `set`."""

    fact: Fact
    role: str
    unit: str
    direction: Direction
    first: Estimate
    second: Estimate


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


@dataclass(frozen=True, eq=False)
class Comparison:
    """What two runs have in common, in A's order; what is not compared; and what else differs
    between them."""

    first: Results
    second: Results
    rows: tuple[Row, ...]
    sets: tuple[SetRow, ...]
    omissions: tuple[Omission, ...]
    remarks: tuple[str, ...]

    @property
    def runs(self) -> tuple[Results, Results]:
        """A and B."""
        return self.first, self.second


def compare(first: Results, second: Results, metrics: Sequence[str] = ()) -> Comparison:
    """Compare two runs: B, the second, with A, the first; in all metrics, or in those that are
    named.

    NotComparable when protocols or photographs differ, with all that differs. NothingMeasured when
    the runs share no value. BenchError for a metric that neither run has.
    """
    runs = (first, second)
    if differ := differences(first, second, strict=True):
        raise NotComparable(
            f"runs {first.folder} and {second.folder} are not comparable: {'; '.join(differ)}"
        )
    _check_metrics(runs, metrics)
    sides = series.read(first, metrics), series.read(second, metrics)
    shared = [place for place in sides[0] if place in sides[1]]
    if not shared:
        raise NothingMeasured(
            f"{_both(runs)} share no method on a data set: A has {_places(sides[0])}; B has "
            f"{_places(sides[1])}"
        )
    rows = [row for place in shared for row in _rows(place, sides[0][place], sides[1][place])]
    omissions = [
        *_missing(runs, sides),
        *(o for p in shared for o in _omitted(p, sides[0][p], sides[1][p])),
    ]
    sets, lonely = _sets(runs, sides, metrics, omissions)
    omissions += lonely
    if not rows and not sets:
        reasons = (
            "; ".join(dict.fromkeys(o.reason for o in omissions if o.reason))
            or "neither has any value"
        )
        raise NothingMeasured(f"{_both(runs)} share no value that can be compared: {reasons}")
    remarks = tuple(_remarks(runs, sides, shared, rows))
    return Comparison(first, second, tuple(rows), tuple(sets), tuple(omissions), remarks)


def headline(comparison: Comparison, plugins: Registry) -> list[Row]:
    """The rows of the metrics that declare a headline, as at the end of a run: metrics that take
    independent draws only are shown for the draws, the others for what a method presents."""
    specs = {
        name: s
        for name, s in plugins.specs["metrics"].items()
        if isinstance(s, MetricSpec) and s.headline
    }

    def shown(row: Row) -> bool:
        spec = specs.get(row.fact.metric)
        return (
            spec is not None
            and (row.fact.variant, row.fact.region) == (spec.headline, "all")
            and (row.fact.ask == "draws") == (spec.accepts == IID)
        )

    return [row for row in comparison.rows if shown(row)]


def table(rows: Iterable[Row]) -> list[dict[str, str]]:
    """Rows as text for a terminal."""
    return [
        {
            "dataset": r.fact.dataset,
            "method": r.fact.method,
            "metric": r.fact.metric,
            "A": _number(r.first, ".4f"),
            "B": _number(r.second, ".4f"),
            "B - A [95 %]": _number(r.difference, "+.4f"),
            "B is": said(r),
        }
        for r in rows
    ]


def said(row: Row) -> str:
    """The row's word; with the counts where values are undefined."""
    counts = " and ".join(
        f"{count} in {name}" for name, count in zip(NAMES, row.undefined) if count
    )
    return f"{row.word}: {counts} of {len(row.pairs.images)}" if counts else row.word


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan


def _number(value: float | Estimate, spec: str) -> str:
    mean = value.mean if isinstance(value, Estimate) else value
    return "-" if math.isnan(mean) else format(value, spec)


def _both(runs: Sequence[Results]) -> str:
    return f"runs A ({runs[0].folder}) and B ({runs[1].folder})"


def _places(side: Iterable[Place]) -> str:
    return ", ".join(f"{method} on {dataset}" for dataset, method in side) or "nothing"


def _check_metrics(runs: Sequence[Results], metrics: Sequence[str]) -> None:
    known = {name for run in runs for name in series.metrics(run)}
    for name in metrics:
        if name not in known:
            raise unknown("metric of these runs", name, known)


def _rows(place: Place, first: Side, second: Side) -> list[Row]:
    common = {
        key: (first.columns[key], second.columns[key])
        for key in first.columns
        if key in second.columns
    }
    alike = {key: columns for key, columns in common.items() if not _conflict(*columns)}
    pairs = [_pair(a.values, b.values) for a, b in alike.values()]
    return [
        Row(Fact._make((*place, *key)), b.role, b.kinds, b.unit, b.direction, pair, difference)
        for (key, (_, b)), pair, difference in zip(alike.items(), pairs, _differences(pairs))
    ]


def _pair(first: pd.Series[float], second: pd.Series[float]) -> Pairs:
    images = (
        first.index
        if first.index.equals(second.index)
        else first.index[first.index.isin(second.index)]
    )
    a, b = (side.reindex(images).to_numpy(float) for side in (first, second))
    return Pairs(images, a, b, len(first) + len(second) - 2 * len(images))


def _differences(pairs: Sequence[Pairs]) -> list[Estimate]:
    """B - A of many columns; those of as many photographs are resampled together, which is much
    faster."""
    gaps = [pair.second - pair.first for pair in pairs]
    found = [Estimate(math.nan, math.nan, math.nan, len(gap)) for gap in gaps]
    whole = [i for i, gap in enumerate(gaps) if np.isfinite(gap).all()]
    for size in {len(gaps[i]) for i in whole}:
        some = [i for i in whole if len(gaps[i]) == size]
        for i, estimate in zip(some, mean_intervals(np.stack([gaps[i] for i in some]))):
            found[i] = estimate
    return found


def _conflict(first: Column, second: Column) -> str:
    """Why two columns of one name are not the same thing, or nothing."""
    if first.versions != second.versions:
        return f"metric version {first.versions} in A and {second.versions} in B"
    return (
        f"of {first.kinds} in A and of {second.kinds} in B" if first.kinds != second.kinds else ""
    )


def _missing(runs: Sequence[Results], sides: Sequence[Mapping[Place, Side]]) -> Iterator[Omission]:
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


def _omitted(place: Place, first: Side, second: Side) -> Iterator[Omission]:
    """What is not compared of a method that both runs have."""
    yield from _lonely(place, first, second, *NAMES)
    yield from _lonely(place, second, first, *NAMES[::-1])
    reasons = {
        (key[0], key[1], reason): None
        for key, column in first.columns.items()
        if key in second.columns and (reason := _conflict(column, second.columns[key]))
    }
    for ask, metric, reason in reasons:
        yield Omission(*place, ask, metric, "", "", reason)


def _lonely(place: Place, here: Side, there: Side, name: str, other: str) -> Iterator[Omission]:
    """What only `here` has."""
    if here.columns and not there.columns:
        yield Omission(*place, "", "", "", name, _reason(there, "", "", other))
        return
    parts: dict[tuple[str, str], list[str]] = {}
    for ask, metric, variant, region, k in (
        key for key in here.columns if key not in there.columns
    ):
        parts.setdefault((ask, metric), []).append(f"{variant} ({region}, k = {k})")
    for (ask, metric), names in parts.items():
        some = ", ".join(names) if there.has(ask, metric) else ""
        yield Omission(*place, ask, metric, some, name, _reason(there, ask, metric, other))
    for (seed, ask, metric), reason in there.lost.items():
        if there.has(ask, metric) and here.has(ask, metric, seed):
            yield Omission(*place, ask, metric, f"seed {seed}", name, f"{reason} (in {other})")


def _reason(side: Side, ask: str, metric: str, name: str) -> str:
    found = side.why(ask, metric)
    return f"{found} (in {name})" if found else f"not measured in {name}"


def _sets(
    runs: Sequence[Results],
    sides: Sequence[Mapping[Place, Side]],
    metrics: Sequence[str],
    known: Sequence[Omission],
) -> tuple[list[SetRow], list[Omission]]:
    """Values of whole sets that both runs have, and those that only one has where `known` does not
    say so already."""
    values = [_set_values(run, metrics) for run in runs]
    known_to_lack = {(o.dataset, o.method, o.ask, o.metric) for o in known if not o.part}
    rows, omissions = [], []
    for here, there in ((0, 1), (1, 0)):
        for fact, (kind, role, unit, direction, mine) in values[here].items():
            place, other = (fact.dataset, fact.method), values[there].get(fact)
            if place not in sides[0] or place not in sides[1]:
                continue
            if not known_to_lack.isdisjoint({(*place, fact.ask, fact.metric), (*place, "", "")}):
                continue
            part = f"{fact.variant} (set, k = {fact.k})"
            if other is None:
                reason = _reason(sides[there][place], fact.ask, fact.metric, NAMES[there])
                omissions.append(Omission(*place, fact.ask, fact.metric, part, NAMES[here], reason))
            elif here == 0 and kind != other[0]:
                omissions.append(
                    Omission(
                        *place,
                        fact.ask,
                        fact.metric,
                        part,
                        "",
                        f"of {kind} in A and of {other[0]} in B",
                    )
                )
            elif here == 0:
                rows.append(SetRow(fact, role, unit, direction, mine, other[4]))
    return rows, omissions


def _set_values(
    run: Results, metrics: Sequence[str]
) -> dict[Fact, tuple[str, str, str, Direction, Estimate]]:
    """Kind, role, unit, direction, and the mean over seeds of the value and of its bounds."""
    sets = run.set_scores[run.set_scores["metric"].isin(metrics)] if metrics else run.set_scores
    found = {}
    for _, rows in sets.groupby(
        ["dataset", "method", "ask", "metric", "variant", "k"], sort=False, observed=True
    ):
        row = rows.iloc[0]
        fact = Fact._make(
            (
                *(str(row[c]) for c in ("dataset", "method", "ask", "metric", "variant")),
                "set",
                int(row["k"]),
            )
        )
        value, low, high = (float(rows[c].mean(skipna=False)) for c in ("value", "low", "high"))
        estimate = Estimate(value, low, high, int(rows["images"].max()))
        found[fact] = (
            str(row["kind"]),
            str(row["role"]),
            columns.text(row["unit"]),
            row["direction"],
            estimate,
        )
    return found


def _remarks(
    runs: Sequence[Results],
    sides: Sequence[Mapping[Place, Side]],
    shared: Sequence[Place],
    rows: Sequence[Row],
) -> Iterator[str]:
    """What differs between the runs and is no reason not to compare them."""
    if runs[0].folder.resolve() == runs[1].folder.resolve():
        yield "A and B are the same run"
    first, second = (run.manifest for run in runs)
    if first.get("preset") != second.get("preset"):
        yield f"preset {first.get('preset')} in A, {second.get('preset')} in B"
    libraries = [m.get("environment", {}).get("libraries", {}) for m in (first, second)]
    for name in sorted(libraries[0].keys() & libraries[1].keys()):
        if libraries[0][name] != libraries[1][name]:
            yield f"{name} {libraries[0][name]} in A, {libraries[1][name]} in B"
    for name, run in zip(NAMES, runs):
        if run.claimed:
            yield f"{', '.join(run.claimed)} in {name}: {CLAIMED}"
    found: dict[str, list[Place]] = {}
    for place in shared:
        for text in _cells_differ(
            [run.cells for run in runs], [side[place] for side in sides], place
        ):
            found.setdefault(text, []).append(place)
    for text, places in found.items():
        yield f"{text}: {'every method that both have' if len(places) == len(shared) > 1 else _places(places)}"
    if unpaired := max((row.pairs.unpaired for row in rows), default=0):
        yield f"up to {unpaired} photographs that only one run has a value of are left out of a row (compare.csv counts them)"


def _cells_differ(
    cells: Sequence[Sequence[Mapping[str, Any]]], sides: Sequence[Side], place: Place
) -> Iterator[str]:
    """How a method of one name differs between the runs."""
    seeds = [", ".join(map(str, side.seeds)) for side in sides]
    if all(seeds) and seeds[0] != seeds[1]:
        yield f"training seeds {seeds[0]} in A, {seeds[1]} in B"
    mine = [next((c for c in some if (c["dataset"], c["method"]) == place), {}) for some in cells]
    for key in ("version", "distribution"):
        values = [cell.get(key) for cell in mine]
        if all(values) and values[0] != values[1]:
            yield f"method {key} {values[0]} in A, {values[1]} in B"
    parameters = [cell.get("parameters", {}) for cell in mine]
    for key in sorted(parameters[0].keys() & parameters[1].keys()):
        if parameters[0][key] != parameters[1][key]:
            yield f"parameter {key} = {parameters[0][key]} in A, {parameters[1][key]} in B"
