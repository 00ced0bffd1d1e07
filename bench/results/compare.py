"""Two runs side by side: every value that both measured, paired by photograph, and what only one of
them has.

`compare` measures, `headline` chooses what a reader sees first,
`bench.results.report.write_comparison` writes it. Differences are always B - A: the second run
minus the first. It is no gate: nothing here fails because something got worse.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from bench.errors import NotComparable, NothingMeasured, unknown
from bench.plugins.loader import Registry
from bench.results.comparable import differences
from bench.results.omissions import NAMES, Omission, conflict, missing, omitted, reason
from bench.results.run_folder import Results
from bench.results.series import MethodScores, Place, Series, method_scores, metric_names
from bench.scores import columns
from bench.scores.columns import ScoreColumn
from bench.scores.intervals import FEW, Estimate, joint_intervals
from bench.scores.manifest import Cell
from bench.specs import CLAIMED, IID, MetricSpec

Word = Literal[
    "identical", "better", "worse", "no difference shown", "differs", "too few images", "undefined"
]


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
class SeriesPair:
    """One quantity that both runs measured: the values of A and of B, of the photographs that both
    have. unpaired: how many photographs only one has. difference: the mean of B - A over
    photographs with its 95 % interval, NaN where any value is undefined."""

    first: Series
    second: Series
    unpaired: int
    difference: Estimate

    @property
    def about(self) -> ScoreColumn:
        """What they are of, as B has it."""
        return self.second.about

    @property
    def fact(self) -> Fact:
        """The same in short."""
        return _fact(self.about)

    @property
    def means(self) -> tuple[float, float]:
        """A's and B's mean over the paired photographs; NaN where a value is undefined."""
        return _mean(self.first.values), _mean(self.second.values)

    @property
    def undefined(self) -> tuple[int, int]:
        """How many of the paired photographs have no value in A, and in B."""
        return int(np.isnan(self.first.values).sum()), int(np.isnan(self.second.values).sum())

    @property
    def word(self) -> Word:
        """What the interval shows of B. `differs`: where neither less nor more is better."""
        if any(self.undefined):
            return "undefined"
        if self.difference.n and np.array_equal(self.first.values, self.second.values):
            return "identical"
        if self.difference.n < FEW:
            return "too few images"
        if not (self.difference.low > 0 or self.difference.high < 0):
            return "no difference shown"
        direction = self.about.direction
        if direction not in ("up", "down"):
            return "differs"
        return "better" if (self.difference.low > 0) == (direction == "up") else "worse"

    def changed(self, count: int) -> list[tuple[str, float, float]]:
        """The photographs whose value changed most, the largest change first, with A's and B's
        value. Those without a value, and those that did not change, are none of them."""
        first, second = self.first.values, self.second.values
        sizes = np.nan_to_num(np.abs(second - first))
        order = [int(i) for i in np.argsort(-sizes, kind="stable")[:count] if sizes[i] > 0]
        return [(str(self.first.images[i]), float(first[i]), float(second[i])) for i in order]


@dataclass(frozen=True)
class SetPair:
    """A value of the whole test set in both runs, each the mean over seeds of the value and of its
    bounds. No verdict: the interval of their difference is unknown. Its region is `set`."""

    about: ScoreColumn
    first: Estimate
    second: Estimate

    @property
    def fact(self) -> Fact:
        """What they are of, in short."""
        return _fact(self.about)


@dataclass(frozen=True, eq=False)
class Comparison:
    """What two runs have in common, in A's order; what is not compared; and what else differs
    between them."""

    first: Results
    second: Results
    rows: tuple[SeriesPair, ...]
    sets: tuple[SetPair, ...]
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
    if differ := differences(first.manifest, second.manifest, strict=True):
        raise NotComparable(
            f"runs {first.folder} and {second.folder} are not comparable: {'; '.join(differ)}"
        )
    _check_metrics(runs, metrics)
    sides = method_scores(first, metrics), method_scores(second, metrics)
    shared = [place for place in sides[0] if place in sides[1]]
    if not shared:
        raise NothingMeasured(
            f"{_both(runs)} share no method on a data set: A has {_places(sides[0])}; B has "
            f"{_places(sides[1])}"
        )
    rows = [row for place in shared for row in _pairs(sides[0][place], sides[1][place])]
    omissions = [
        *missing(runs, sides),
        *(o for p in shared for o in omitted(p, sides[0][p], sides[1][p])),
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


def headline(comparison: Comparison, plugins: Registry) -> list[SeriesPair]:
    """The rows of the metrics that declare a headline, as at the end of a run: metrics that take
    independent draws only are shown for the draws, the others for what a method presents."""
    specs = {
        name: s
        for name, s in plugins.specs["metrics"].items()
        if isinstance(s, MetricSpec) and s.headline
    }

    def shown(row: SeriesPair) -> bool:
        spec = specs.get(row.fact.metric)
        return (
            spec is not None
            and (row.fact.variant, row.fact.region) == (spec.headline, "all")
            and (row.fact.ask == "draws") == (spec.accepts == IID)
        )

    return [row for row in comparison.rows if shown(row)]


def table(rows: Iterable[SeriesPair]) -> list[dict[str, str]]:
    """Rows as text for a terminal."""
    return [
        {
            "dataset": r.fact.dataset,
            "method": r.fact.method,
            "metric": r.fact.metric,
            "A": _number(r.means[0], ".4f"),
            "B": _number(r.means[1], ".4f"),
            "B - A [95 %]": _number(r.difference, "+.4f"),
            "B is": said(r),
        }
        for r in rows
    ]


def said(row: SeriesPair) -> str:
    """The row's word; with the counts where values are undefined."""
    counts = " and ".join(
        f"{count} in {name}" for name, count in zip(NAMES, row.undefined) if count
    )
    return f"{row.word}: {counts} of {row.difference.n}" if counts else row.word


def _fact(about: ScoreColumn) -> Fact:
    return Fact(*(getattr(about, name) for name in Fact._fields))


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
    known = {name for run in runs for name in metric_names(run)}
    for name in metrics:
        if name not in known:
            raise unknown("metric of these runs", name, known)


def _pairs(first: MethodScores, second: MethodScores) -> list[SeriesPair]:
    alike = [m for m in first.measures if m in second.measures and not conflict(first, second, m)]
    both = [(first.series(measure), second.series(measure)) for measure in alike]
    shared = [a.shared(b) for a, b in both]
    unpaired = [
        len(a.images) + len(b.images) - 2 * len(some.images)
        for (a, b), (some, _) in zip(both, shared)
    ]
    return [
        SeriesPair(*pair, count, gap)
        for pair, count, gap in zip(shared, unpaired, _differences(shared))
    ]


def _differences(pairs: Sequence[tuple[Series, Series]]) -> list[Estimate]:
    """B - A of many quantities."""
    gaps = [second.values - first.values for first, second in pairs]
    whole = [i for i, gap in enumerate(gaps) if np.isfinite(gap).all()]
    known = dict(zip(whole, joint_intervals([gaps[i] for i in whole])))
    none = partial(Estimate, math.nan, math.nan, math.nan)
    return [known.get(i, none(len(gap))) for i, gap in enumerate(gaps)]


def _sets(
    runs: Sequence[Results],
    sides: Sequence[Mapping[Place, MethodScores]],
    metrics: Sequence[str],
    known: Sequence[Omission],
) -> tuple[list[SetPair], list[Omission]]:
    """Values of whole sets that both runs have, and those that only one has where `known` does not
    say so already."""
    values = [_set_values(run, metrics) for run in runs]
    known_to_lack = {(o.dataset, o.method, o.ask, o.metric) for o in known if not o.part}
    rows, omissions = [], []
    for here, there in ((0, 1), (1, 0)):
        for fact, (about, mine) in values[here].items():
            place, other = (fact.dataset, fact.method), values[there].get(fact)
            if place not in sides[0] or place not in sides[1]:
                continue
            if not known_to_lack.isdisjoint({(*place, fact.ask, fact.metric), (*place, "", "")}):
                continue
            part = f"{fact.variant} (set, k = {fact.k})"
            lacking = partial(Omission, *place, fact.ask, fact.metric, part)
            if other is None:
                why = reason(sides[there][place], fact.ask, fact.metric, NAMES[there])
                omissions.append(lacking(NAMES[here], why))
            elif here == 0 and about.kind != other[0].kind:
                omissions.append(lacking("", f"of {about.kind} in A and of {other[0].kind} in B"))
            elif here == 0:
                rows.append(SetPair(about, mine, other[1]))
    return rows, omissions


def _set_values(run: Results, metrics: Sequence[str]) -> dict[Fact, tuple[ScoreColumn, Estimate]]:
    """Values of whole sets: the mean over seeds of each and of its bounds."""
    sets = run.set_scores[run.set_scores["metric"].isin(metrics)] if metrics else run.set_scores
    found = {}
    for _, rows in sets.groupby(
        ["dataset", "method", "ask", "metric", "variant", "k"], sort=False, observed=True
    ):
        row = rows.iloc[0]
        words: dict[str, Any] = {name: columns.text(row[name]) for name in _WORDS}
        about = replace(_OF_SET, **words, k=int(row["k"]), direction=row["direction"])
        value, low, high = (float(rows[c].mean(skipna=False)) for c in ("value", "low", "high"))
        found[_fact(about)] = about, Estimate(value, low, high, int(rows["images"].max()))
    return found


_WORDS = ("dataset", "method", "ask", "metric", "variant", "kind", "role", "unit")
_OF_SET = ScoreColumn("", "", "", "", "", "", 0, region="set")


def _remarks(
    runs: Sequence[Results],
    sides: Sequence[Mapping[Place, MethodScores]],
    shared: Sequence[Place],
    rows: Sequence[SeriesPair],
) -> Iterator[str]:
    """What differs between the runs and is no reason not to compare them."""
    if runs[0].folder.resolve() == runs[1].folder.resolve():
        yield "A and B are the same run"
    first, second = (run.manifest for run in runs)
    if first.preset != second.preset:
        yield f"preset {first.preset} in A, {second.preset} in B"
    libraries = [made.environment.libraries for made in (first, second)]
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
    if unpaired := max((row.unpaired for row in rows), default=0):
        yield f"up to {unpaired} photographs that only one run has a value of are left out of a row (compare.csv counts them)"


def _cells_differ(
    cells: Sequence[Sequence[Cell]], sides: Sequence[MethodScores], place: Place
) -> Iterator[str]:
    """How a method of one name differs between the runs."""
    seeds = [", ".join(map(str, side.seeds)) for side in sides]
    if all(seeds) and seeds[0] != seeds[1]:
        yield f"training seeds {seeds[0]} in A, {seeds[1]} in B"
    mine = [
        cell
        for some in cells
        if (cell := next((c for c in some if (c.dataset, c.method) == place), None))
    ]
    if len(mine) < len(cells):
        return
    for key in ("version", "distribution"):
        values = [getattr(cell, key) for cell in mine]
        if all(values) and values[0] != values[1]:
            yield f"method {key} {values[0]} in A, {values[1]} in B"
    parameters = [cell.parameters for cell in mine]
    for key in sorted(parameters[0].keys() & parameters[1].keys()):
        if parameters[0][key] != parameters[1][key]:
            yield f"parameter {key} = {parameters[0][key]} in A, {parameters[1][key]} in B"
