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
from bench.gate.columns import Column, SetValue, by_seed
from bench.gate.margins import Quantity
from bench.gate.noninferiority import Change, Columns, difference, of_mean, of_set
from bench.plugins.loader import Registry
from bench.results import series
from bench.results.run_folder import Results
from bench.results.series import PART, Key, Place, Side
from bench.scores import set_values
from bench.scores.intervals import Statistic
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

    def change(self) -> Change:
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
        run, baseline, by_seed(run, sorted({c.quantity.metric for c in baseline.columns}))
    )
    sets = {each.quantity: each for each in baseline.sets}
    for quantity in baseline.quantities:
        yield quantity, _pair(search, quantity, sets.get(quantity), plugins)


@dataclass(frozen=True, eq=False)
class _Search:
    """Where the run's columns are looked for."""

    run: Results
    baseline: Baseline
    sides: Mapping[int, Mapping[Place, Side]]

    @cached_property
    def columns(self) -> dict[Quantity, list[Column]]:
        """The baseline's, a list over seeds."""
        found: dict[Quantity, list[Column]] = {}
        for column in self.baseline.columns:
            found.setdefault(column.quantity, []).append(column)
        return found

    @cached_property
    def cells(self) -> dict[tuple[str, str], dict[int, Mapping[str, str]]]:
        """The run's, by place and seed."""
        found: dict[tuple[str, str], dict[int, Mapping[str, str]]] = {}
        for cell in self.run.cells:
            found.setdefault((cell["dataset"], cell["method"]), {})[int(cell.get("seed") or 0)] = (
                cell
            )
        return found


def _pair(
    search: _Search, quantity: Quantity, of_set: SetValue | None, plugins: Registry
) -> Pair | Problem:
    combine = None
    if of_set is not None:
        try:
            combine = set_values.load(quantity.metric, of_set.version, plugins).combine
        except BenchError as error:
            return Problem("not comparable", str(error))
    variants = of_set.parts if of_set else (quantity.variant,)
    before = [
        column
        for variant in variants
        for column in search.columns[quantity._replace(variant=variant)]
    ]
    after = [_found(search, column) for column in before]
    if problems := [each for each in after if isinstance(each, Problem)]:
        return min(problems, key=lambda problem: problem.verdict != "regressed")
    columns = {
        (run, c.seed, c.quantity.variant): v
        for c, found in zip(before, after)
        if not isinstance(found, Problem)
        for run, v in (("before", c.values), ("after", _snapped(c.values, found)))
    }
    pair = Pair(
        quantity,
        before[0].direction,
        before[0].unit,
        tuple(dict.fromkeys(c.seed for c in before)),
        columns,
        combine,
    )
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


def _found(search: _Search, column: Column) -> np.ndarray | Problem:
    """The run's values of a column of the baseline, in the baseline's order."""
    place = column.quantity.dataset, column.quantity.method
    cells, side = search.cells.get(place, {}), search.sides.get(column.seed, {}).get(place)
    cell = cells.get(column.seed)
    if cell is None:
        return _without_cell(search, column, cells)
    if cell["status"] != "done":
        return Problem(
            "regressed", f"{cell['status']}: {cell.get('reason') or 'no reason was given'}"
        )
    if side is None:
        return Problem("regressed", "missing: not measured in the run")
    key = (column.ask, column.quantity.metric, column.quantity.variant, "all", column.k)
    if key not in side.columns:
        return _without_column(side, key)
    found = side.columns[key]
    if differ := [
        f"{what} {a} in the baseline, {b} in the run"
        for what, a, b in _facts(column, found)
        if a != b
    ]:
        return Problem("not comparable", "; ".join(differ))
    ids = search.baseline.manifest["datasets"][place[0]]["test"]["ids"]
    return found.values.reindex(ids).to_numpy(float)


def _facts(before: Column, after: series.Column) -> Iterator[tuple[str, str, str]]:
    yield "metric version", before.version, after.versions
    yield "kind", before.kind, after.kinds
    if not before.quantity.variant.startswith(PART):  # of which the table says no direction
        yield "direction", before.direction, after.direction


def _without_cell(search: _Search, column: Column, cells: Mapping[int, object]) -> Problem:
    dataset, method = column.quantity[:2]
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


def _without_column(side: Side, key: Key) -> Problem:
    ask, metric, variant, region, k = key
    if reason := side.why(ask, metric):
        return Problem("regressed", reason)
    for other_ask, *other, other_k in side.columns:
        if other == [metric, variant, region]:
            return Problem(
                "not comparable",
                f"of {ask}, k = {k} in the baseline, of {other_ask}, k = {other_k} in the run",
            )
    return Problem("regressed", "missing: not measured in the run")


def _snapped(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """`after`, but the baseline's values where they differ by at most one and a half units of its
    last digit: that is rounding, of the file's numbers and of float32."""
    size = np.fmax(np.abs(before), np.abs(after))
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = 10.0 ** (np.floor(np.log10(size)) + 1 - DIGITS)
        return np.where(np.abs(after - before) <= 1.5 * unit, before, after)
