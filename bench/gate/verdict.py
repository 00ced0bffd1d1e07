"""The gate: is a run worse than a baseline by more than it may be? With known rates of error, and
an exit status that tells.

Every quantity (data set, method, metric) gets a verdict against its margin. *regressed*: the run is shown to be worse by more;
*ok*: it is shown not to be, or all values are identical; *inconclusive*: neither is shown. `regressed` is corrected for the
number of tests (Holm 1979): with 95 % no quantity that is worse by no more than its margin is called so. `ok` needs no
correction: a gate passes when every quantity does, and then each one that is worse has 5 % at most to be overlooked (an
intersection-union test; Berger 1982). Quantities whose values are identical are no tests, and don't count.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bench.errors import ExitCode, NothingMeasured
from bench.gate.baseline import Baseline
from bench.gate.forms import MethodOfBaseline
from bench.gate.margins import Margin, Quantity, Settings
from bench.gate.noninferiority import LEVEL, Decline, Evidence, band, examine, mirrored
from bench.gate.pairs import Pair, Problem, pairs
from bench.machine import places
from bench.plugins.loader import Registry
from bench.results.comparable import differences
from bench.results.ranks import holm
from bench.results.run_folder import Results
from bench.scores.intervals import FEW
from bench.scores.manifest import Cell
from bench.specs import Direction, MetricSpec

Verdict = Literal["regressed", "not comparable", "inconclusive", "ok"]
VERDICTS: tuple[Verdict, ...] = ("regressed", "not comparable", "inconclusive", "ok")
"""The worst first."""


_NONE = Margin(math.nan, "")


def _shown(path: Path) -> str:
    """What is said of it goes to pull requests."""
    return places.text(str(path))


@dataclass(frozen=True)
class Row:
    """A quantity and its verdict; why: in words, where there is more to say.

    before, after: its value in the baseline and in the run, over the same n photographs. evidence:
    of how much worse the run is, or how much more where neither direction is better. p: of "no
    worse than the margin", corrected. NaN and None where it was not tested.
    """

    quantity: Quantity
    verdict: Verdict
    why: str = ""
    direction: Direction = "none"
    unit: str = ""
    before: float = math.nan
    after: float = math.nan
    margin: Margin = _NONE
    evidence: Evidence | None = None
    p: float = math.nan
    n: int = 0
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Gate:
    """What the gate says of a run. refusals: why the run can't be compared at all; then there are
    no rows. warnings: what should be mended; notes: what else a reader should know. strict: an
    inconclusive quantity fails."""

    run: Path
    baseline: Path
    rows: tuple[Row, ...] = ()
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    strict: bool = False

    @property
    def code(self) -> ExitCode:
        """The exit status. A regression weighs more than what is not comparable, and this more than
        what is inconclusive."""
        found = {row.verdict for row in self.rows}
        if "regressed" in found:
            return ExitCode.REGRESSION
        if self.refusals or "not comparable" in found:
            return ExitCode.NOT_COMPARABLE
        if not self.rows:
            return ExitCode.NOTHING_MEASURED
        return ExitCode.INCONCLUSIVE if self.strict and "inconclusive" in found else ExitCode.OK

    @property
    def summary(self) -> str:
        """One line."""
        if self.refusals:
            why = "; ".join(self.refusals)
            return f"run {_shown(self.run)} is not comparable with {_shown(self.baseline)} (baseline and run): {why}"
        counts = Counter(row.verdict for row in self.rows)
        said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
        return (
            f"{said or 'nothing to gate'}: run {_shown(self.run)} against {_shown(self.baseline)}"
        )

    def of(self, *verdicts: Verdict) -> list[Row]:
        """The rows of some verdicts."""
        return [row for row in self.rows if row.verdict in verdicts]


def judge(
    run: Results,
    baseline: Baseline,
    settings: Settings,
    plugins: Registry,
    strict: bool | None = None,
) -> Gate:
    """Hold a run against a baseline. strict: whether inconclusive fails; None: as the settings say.

    NothingMeasured when the baseline is of other methods and data sets altogether, or nothing of it
    is to be gated.
    """
    strict = settings.inconclusive == "fail" if strict is None else strict
    if refusals := differences(baseline.origin, run.manifest, strict=True):
        return Gate(run.folder, baseline.path, refusals=tuple(refusals), strict=strict)
    _check_shared(run, baseline)
    rows, notes = [], []
    for quantity, found in pairs(run, baseline, plugins):
        if settings.margin(quantity, 0.0).skip:
            notes.append(f"not gated, by a rule: {quantity}")
        else:
            rows.append(_row(quantity, found, settings))
    if not rows:
        raise NothingMeasured(
            f"nothing is gated: {baseline.path} has no quantity that the rules of margins don't "
            "skip"
        )
    judged = _verdicts(rows)
    return Gate(
        run.folder,
        baseline.path,
        tuple(judged),
        (),
        tuple(_warnings(judged, baseline, settings)),
        (*notes, *_notes(run, baseline, plugins)),
        strict,
    )


@dataclass(frozen=True)
class _Test:
    """A row that waits for its verdict, and the change that decides it."""

    row: Row
    change: Decline
    kept: bytes
    """Which photographs: tests of the same ones share resamples."""


def _row(quantity: Quantity, found: Pair | Problem, settings: Settings) -> Row | _Test:
    """A verdict, or a test that will give one."""
    if isinstance(found, Problem):
        return Row(quantity, found.verdict, found.why)
    before, after, n = found.value("before"), found.value("after"), int(found.kept.sum())
    row = Row(
        quantity,
        "inconclusive",
        "",
        found.direction,
        found.unit,
        before,
        after,
        settings.margin(quantity, before),
        n=n,
        seeds=found.seeds,
    )
    if found.identical:
        return replace(
            row, verdict="ok", why="identical", evidence=Evidence(0.0, 0.0, 0.0, 1.0, 0.0)
        )
    if n < FEW:
        return replace(row, why=f"{n} photographs are too few to show anything: {FEW} at least")
    return _Test(row, found.change(), f"{quantity.dataset}\n".encode() + found.kept.tobytes())


def _verdicts(rows: Sequence[Row | _Test]) -> list[Row]:
    tests = [row for row in rows if isinstance(row, _Test)]
    evidence: dict[Quantity, Evidence] = {}
    for kept in dict.fromkeys(test.kept for test in tests):
        evidence |= _examined([test for test in tests if test.kept == kept], len(tests))
    adjusted = dict(zip(evidence, holm([found.worse for found in evidence.values()])))
    return [
        _judged(row.row, evidence[row.row.quantity], float(adjusted[row.row.quantity]))
        if isinstance(row, _Test)
        else row
        for row in rows
    ]


def _examined(tests: Sequence[_Test], family: int) -> dict[Quantity, Evidence]:
    """Evidence of tests over the same photographs; both directions count where neither is better."""
    both = [test for test in tests if not _one_sided(test.row.direction)]
    changes = [test.change for test in tests] + [mirrored(test.change) for test in both]
    found = examine(changes, [test.row.margin.value for test in (*tests, *both)], family)
    down = dict(zip((test.row.quantity for test in both), found[len(tests) :]))
    return {
        q: band(up, down[q]) if q in down else up
        for q, up in zip((t.row.quantity for t in tests), found)
    }


def _judged(row: Row, evidence: Evidence, p: float) -> Row:
    verdict: Verdict = (
        "regressed" if p <= LEVEL else "ok" if evidence.fine <= LEVEL else "inconclusive"
    )
    return replace(row, verdict=verdict, evidence=evidence, p=p)


def _one_sided(direction: Direction) -> bool:
    """A target's own value is not declared (`bench.specs.MetricSpec`), so a change away from it
    can't be told from one to it."""
    return direction in ("up", "down")


def _check_shared(run: Results, baseline: Baseline) -> None:
    mine = list(dict.fromkeys(q[:2] for q in baseline.quantities))
    theirs = {(cell.dataset, cell.method) for cell in run.cells}
    if not theirs.intersection(mine):
        had, wanted = (
            ", ".join(f"{m} on {d}" for d, m in some) or "nothing"
            for some in (sorted(theirs), mine)
        )
        raise NothingMeasured(
            f"run {run.folder} has nothing of {baseline.path}: the baseline is of {wanted}; the "
            f"run has {had}"
        )


def _warnings(rows: Sequence[Row], baseline: Baseline, settings: Settings) -> Iterator[str]:
    below = [
        r
        for r in rows
        if (f := baseline.floors.get(r.quantity))
        and r.margin.value < f.value
        and not math.isnan(r.before)
    ]
    if below:
        first = below[0]
        yield (
            f"{len(below)} of {len(rows)} margins lie below the noise floor of training seeds, so "
            "another seed alone may break "
            f"them ({first.quantity}: {first.margin.text}, floor "
            f"{baseline.floors[first.quantity].value:.3g}); "
            "`bench gate --suggest RUN` prints margins that don't"
        )
    for rule in settings.unused(baseline.quantities):
        yield f"a margin is for nothing in the baseline, or for what an earlier rule matches: {rule}"


def _notes(run: Results, baseline: Baseline, plugins: Registry) -> Iterator[str]:
    yield from (f"not gated: {text}" for text in baseline.left_out)
    known = {q[:2] for q in baseline.quantities}
    new = [f"{c.method} on {c.dataset}" for c in run.cells if (c.dataset, c.method) not in known]
    if new:
        yield f"new in the run, and not gated: {', '.join(dict.fromkeys(new))}"
    gated = {q.metric for q in baseline.quantities} | {
        text.partition(":")[0] for text in baseline.left_out
    }
    quiet = {
        n
        for n, s in plugins.specs["metrics"].items()
        if isinstance(s, MetricSpec) and not (s.headline or s.main)
    }
    measured = {
        column.metric
        for column in run.table.columns
        if column.measured and column.rows > column.undefined
    }
    if others := sorted(measured - (quiet - set(run.asked)) - gated):
        yield f"metrics that the baseline does not have: {', '.join(others)}"
    yield from _remarks(run, baseline)


def _remarks(run: Results, baseline: Baseline) -> Iterator[str]:
    """What differs and is no reason not to compare."""
    before, after = baseline.origin, run.manifest
    if before.preset != after.preset:
        yield f"preset {before.preset} in the baseline, {after.preset} in the run"
    libraries = [made.environment.libraries for made in (before, after)]
    for name in sorted(libraries[0].keys() & libraries[1].keys()):
        if libraries[0][name] != libraries[1][name]:
            yield f"{name} {libraries[0][name]} in the baseline, {libraries[1][name]} in the run"
    cells = {(cell.dataset, cell.method): cell for cell in run.cells}
    for method in before.methods:
        if cell := cells.get((method.dataset, method.method)):
            yield from (
                f"{text}: {method.method} on {method.dataset}" for text in _differ(method, cell)
            )


def _differ(before: MethodOfBaseline, after: Cell) -> Iterator[str]:
    for key in ("version", "distribution"):
        mine, other = getattr(before, key), getattr(after, key)
        if mine != other:
            yield f"method {key} {mine} in the baseline, {other} in the run"
    given, theirs = before.parameters or {}, after.parameters
    for key in sorted({*given, *theirs}):
        if given.get(key) != theirs.get(key):
            yield (
                f"parameter {key} = {given.get(key)} in the baseline, {theirs.get(key)} in the run"
            )
