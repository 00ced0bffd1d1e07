"""A baseline's quantities beside the same of a run: photograph by photograph and seed by seed, or
why there is no pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from bench.errors import BenchError
from bench.gate.baseline import DIGITS, Baseline
from bench.gate.columns import SetValue, by_seed, quantity_of
from bench.gate.margins import Quantity
from bench.gate.noninferiority import Columns, Decline, difference, of_mean, of_set
from bench.plugins.loader import Registry
from bench.results.run_folder import Results
from bench.results.series import PART, Measure, MethodScores, Place, Series
from bench.scores import set_values
from bench.scores.columns import ScoreColumn
from bench.scores.intervals import Statistic
from bench.scores.manifest import Cell
from bench.specs import Direction


class Problem(NamedTuple):
    """Why a quantity can't be tested, and what that means."""

    verdict: Literal["regressed", "not comparable", "inconclusive"]
    why: str


@dataclass(frozen=True, eq=False)
class Pair:
    """A quantity in both runs. columns: values `(N,)` of its parts, by run, seed and variant; the
    run's equal the baseline's where they agree to the baseline's digits. combine: for a value of
    the whole set."""

    quantity: Quantity
    direction: Direction
    unit: str
    seeds: tuple[int, ...]
    columns: Columns = field(repr=False)
    combine: Statistic | None = None

    @cached_property
    def kept(self) -> np.ndarray:
        """Which photographs have a value in all of the baseline's columns `(N,)`."""
        return self._known("before")

    @property
    def lost(self) -> int:
        """How many of them have none in the run."""
        return int((self.kept & ~self._known("after")).sum())

    @property
    def identical(self) -> bool:
        """Whether all values agree to the baseline's digits."""
        kept = {key: column[self.kept] for key, column in self.columns.items()}
        return all(
            np.array_equal(kept["before", seed, part], kept["after", seed, part])
            for _, seed, part in kept
        )

    @property
    def alike(self) -> bool:
        """Whether they do so for all photographs, and the same ones have none."""
        return all(
            np.array_equal(
                self.columns["before", seed, part],
                self.columns["after", seed, part],
                equal_nan=True,
            )
            for _, seed, part in self.columns
        )

    def value(self, run: str) -> float:
        """The value in a run, `before` or `after`, over the photographs that are kept: the mean
        over seeds."""
        if not self.kept.any():
            return float("nan")
        if self.combine is None:
            return float(
                np.mean(
                    [
                        column[self.kept]
                        for (name, *_), column in self.columns.items()
                        if name == run
                    ]
                )
            )
        parts = {
            seed: {
                v: c[self.kept] for (r, s, v), c in self.columns.items() if (r, s) == (run, seed)
            }
            for seed in self.seeds
        }
        return float(
            np.mean([self.combine(part)[self.quantity.variant] for part in parts.values()])
        )

    def change(self) -> Decline:
        """How much worse the run is; where neither direction is better, how much more it is. An
        image's seeds are one value."""
        sign = -1 if self.direction == "up" else 1
        kept = {key: column[self.kept] for key, column in self.columns.items()}
        if self.combine is not None:
            return of_set(difference(self.combine, self.quantity.variant, sign), kept)
        before, after = (
            np.mean([c for (r, *_), c in kept.items() if r == run], axis=0)
            for run in ("before", "after")
        )
        return of_mean(sign * (after - before))

    def _known(self, run: str) -> np.ndarray:
        """Which photographs have a value in all of a run's columns."""
        columns = np.stack([column for (name, *_), column in self.columns.items() if name == run])
        return np.asarray(np.isfinite(columns).all(axis=0))


def pairs(
    run: Results, baseline: Baseline, plugins: Registry
) -> Iterator[tuple[Quantity, Pair | Problem]]:
    """Every quantity of the baseline: its pair, or why there is none."""
    search = _Search(
        run, baseline, by_seed(run, sorted({each.about.metric for each in baseline.series}))
    )
    sets = {each.quantity: each for each in baseline.sets}
    for each in baseline.quantities:
        yield each, _pair(search, each, sets.get(each), plugins)


@dataclass(frozen=True, eq=False)
class _Search:
    """Where the run's series are looked for."""

    run: Results
    baseline: Baseline
    sides: Mapping[int, Mapping[Place, MethodScores]]

    @cached_property
    def series(self) -> dict[Quantity, list[Series]]:
        """The baseline's, a list over seeds."""
        found: dict[Quantity, list[Series]] = {}
        for series in self.baseline.series:
            found.setdefault(quantity_of(series), []).append(series)
        return found

    @cached_property
    def cells(self) -> dict[tuple[str, str], dict[int, Cell]]:
        """The run's, by place and seed."""
        found: dict[tuple[str, str], dict[int, Cell]] = {}
        for cell in self.run.cells:
            found.setdefault((cell.dataset, cell.method), {})[cell.seed] = cell
        return found


def _pair(
    search: _Search, wanted: Quantity, of_set: SetValue | None, plugins: Registry
) -> Pair | Problem:
    combine = None
    if of_set is not None:
        try:
            combine = set_values.load(wanted.metric, of_set.version, plugins).combine
        except BenchError as error:
            return Problem("not comparable", str(error))
    variants = of_set.parts if of_set else (wanted.variant,)
    before = [s for variant in variants for s in search.series[wanted._replace(variant=variant)]]
    after = [_found(search, series) for series in before]
    if problems := [each for each in after if isinstance(each, Problem)]:
        return min(problems, key=lambda problem: problem.verdict != "regressed")
    columns = {
        (run, s.about.seed, s.about.variant): values
        for s, found in zip(before, after)
        if not isinstance(found, Problem)
        for run, values in (("before", s.values), ("after", _snapped(s.values, found)))
    }
    about, seeds = before[0].about, tuple(dict.fromkeys(s.about.seed for s in before))
    pair = Pair(wanted, about.direction, about.unit, seeds, columns, combine)
    return _undefined(pair) or pair


def _undefined(pair: Pair) -> Problem | None:
    kept = int(pair.kept.sum())
    if pair.lost:
        return Problem(
            "regressed",
            f"undefined for {pair.lost} of {kept} photographs that have a value in the baseline",
        )
    try:
        before = pair.value("before")
    except KeyError as error:
        return Problem(
            "not comparable",
            f"the installed metric does not make {error} of the baseline's columns",
        )
    if np.isnan(before):
        return None if pair.alike else Problem("inconclusive", "undefined in the baseline")
    return Problem("regressed", "undefined in the run") if np.isnan(pair.value("after")) else None


def _found(search: _Search, series: Series) -> np.ndarray | Problem:
    """The run's values of what the baseline has, in the baseline's order."""
    about = series.about
    place = about.dataset, about.method
    cells, side = search.cells.get(place, {}), search.sides.get(about.seed, {}).get(place)
    cell = cells.get(about.seed)
    if cell is None:
        return _without_cell(search, place, cells)
    if cell.status != "done":
        return Problem("regressed", f"{cell.status}: {cell.reason or 'no reason was given'}")
    if side is None:
        return Problem("regressed", "missing: not measured in the run")
    measure = Measure(about.metric, about.variant, "all", about.k, about.ask)
    if measure not in side.measures:
        return _without_series(side, measure)
    if differ := [
        f"{what} {a} in the baseline, {b} in the run"
        for what, a, b in _facts(about, side.about(measure))
        if a != b
    ]:
        return Problem("not comparable", "; ".join(differ))
    return side.series(measure).at(series.images).values


def _facts(before: ScoreColumn, after: ScoreColumn) -> Iterator[tuple[str, str, str]]:
    yield "metric version", before.metric_version, after.metric_version
    yield "kind", before.kind, after.kind
    if not before.variant.startswith(PART):  # of which the table says no direction
        yield "direction", before.direction, after.direction


def _without_cell(search: _Search, place: Place, cells: Mapping[int, object]) -> Problem:
    dataset, method = place
    if cells:
        wanted, had = (
            ", ".join(map(str, sorted(some)))
            for some in (search.baseline.seeds(dataset, method), cells)
        )
        return Problem(
            "not comparable", f"training seeds {wanted} in the baseline, {had} in the run"
        )
    missing = "method" if dataset in search.run.datasets else "data set"
    return Problem("regressed", f"missing: the run has no such {missing}")


def _without_series(side: MethodScores, measure: Measure) -> Problem:
    if reason := side.why(measure.ask, measure.metric):
        return Problem("regressed", reason)
    for other in side.measures:
        if other[:3] == measure[:3]:
            return Problem(
                "not comparable",
                f"of {measure.ask}, k = {measure.k} in the baseline, of {other.ask}, k = {other.k} "
                "in the run",
            )
    return Problem("regressed", "missing: not measured in the run")


def _snapped(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """`after`, but the baseline's values where they differ by at most one and a half units of its
    last digit: that is rounding, of the file's numbers and of float32."""
    size = np.fmax(np.abs(before), np.abs(after))
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = 10.0 ** (np.floor(np.log10(size)) + 1 - DIGITS)
        return np.where(np.abs(after - before) <= 1.5 * unit, before, after)
