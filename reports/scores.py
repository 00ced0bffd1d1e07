"""Scores of one or several runs as the reports read them: one entry a method and data set, one
value a photograph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from bench.results.series import Measure, MethodScores, gathered, identity

if TYPE_CHECKING:
    import pandas as pd

    from bench.results.run_folder import Results
    from bench.scores.columns import ScoreColumn, Scores
    from bench.scores.intervals import Estimate
    from bench.scores.manifest import Cell

WHOLE_CELL = ""
"""The ask, and the metric, of the row of a cell that failed as a whole."""
CLAIM = " (claimed)"
"""Ends the label of draws whose independence is claimed, not checked
(`bench.results.run_folder.Results.claimed`)."""

AT_ONCE = 500_000
"""Values that are resampled together: memory does not grow with the number of photographs."""

Columns = Sequence[tuple[int, "ScoreColumn"]]
"""Columns, each with the position of its run."""
Cells = Mapping[tuple[int, str, str], Sequence["Cell"]]
"""The manifests' cells by run, data set and method: one a seed."""

ERROR_OF_BEST = Measure("error-of-best", "sum")
ERROR_OF_BEST_GRID = Measure("error-of-best", "sum", "grid")
MEAN_ERROR = Measure("absolute-error", "sum")
VARIANCE = Measure("variance", "ab")


@dataclass(frozen=True)
class Failure:
    """A cell that gave no value, and why. `metric` is empty when the whole cell, or all that was
    asked of it, failed."""

    seed: str
    status: str
    reason: str
    metric: str = ""


@dataclass(frozen=True)
class Entry:
    """One method on one data set, with all its seeds.

    `label` is unique in the data set: the method string, the run where two runs mean different
    things by it, and `CLAIM`. `run` is the position of the first run that measured it. `density`
    names the space of its likelihoods. `scores` are its values, `sets` those of the whole test set.
    """

    dataset: str
    method: str
    label: str
    role: str
    run: int
    parameters: dict[str, Any]
    kind: str
    k: int
    seeds: tuple[str, ...]
    failures: tuple[Failure, ...]
    density: str
    scores: MethodScores = field(repr=False)
    sets: pd.DataFrame = field(repr=False)
    _estimates: dict[Measure, Estimate] = field(default_factory=dict, repr=False)

    @property
    def suffix(self) -> str:
        """What `label` has beyond the method string."""
        return self.label[len(self.method) :]

    @property
    def measured(self) -> bool:
        """Whether it has any value."""
        return len(self.scores.columns) > 0

    @property
    def control(self) -> bool:
        """Whether it stands apart from the colourizers."""
        return self.role == "control"

    def values(self, measure: Measure) -> pd.Series[float]:
        """One value a photograph, by image id: the mean over seeds, NaN if any seed's value is NaN."""
        return self.scores.values(measure)

    def estimate(self, measure: Measure) -> Estimate:
        """The mean over photographs and its interval."""
        return self.estimates([measure])[measure]

    def estimates(self, measures: Iterable[Measure]) -> dict[Measure, Estimate]:
        """The same of several measures, resampled together: much faster than one by one."""
        from bench.scores.intervals import joint_intervals

        wanted = list(dict.fromkeys(measures))
        missing = [m for m in wanted if m not in self._estimates]
        step = max(1, AT_ONCE // max(1, self.scores.photographs))
        for start in range(0, len(missing), step):
            some = missing[start : start + step]
            values = [self.values(measure).to_numpy(float) for measure in some]
            self._estimates.update(zip(some, joint_intervals(values)))
        return {m: self._estimates[m] for m in wanted}

    def of_set(self, metric: str, variant: str) -> Estimate:
        """A value of the whole test set: the mean over seeds of the value and of its bounds.

        Seeds share their photographs, so the mean bounds are not too narrow: a mean's deviation is
        at most the mean one.
        """
        from bench.scores.intervals import Estimate

        found = self.sets[(self.sets["metric"] == metric) & (self.sets["variant"] == variant)]
        value, low, high = (float(found[c].mean(skipna=False)) for c in ("value", "low", "high"))
        return Estimate(value, low, high, int(found["images"].max()) if len(found) else 0)

    def has_set(self, metric: str, variant: str) -> bool:
        """Whether a value of the whole test set is there."""
        return bool(((self.sets["metric"] == metric) & (self.sets["variant"] == variant)).any())

    def has(self, *metrics: str) -> bool:
        """Whether there is something to say of these metrics: values or a failure."""
        return bool(
            self.scores.has(*metrics)
            or self.sets["metric"].isin(metrics).any()
            or self.failed(*metrics)
        )

    def failed(self, *metrics: str) -> list[Failure]:
        """Failures of the whole cell, or of one of these metrics."""
        return [f for f in self.failures if not f.metric or f.metric in metrics]


def gather(
    results: Sequence[Results],
    metrics: Sequence[str] | None,
    roles: Sequence[str],
    draws: bool = False,
) -> dict[str, list[Entry]]:
    """Data set -> entries of the given roles with something to say of the given metrics (None: all
    entries), in the order of the runs. Data sets without any are left out. `draws`: of independent
    draws, not of what is presented.
    """
    sets = joined([r.set_scores.assign(run_position=i) for i, r in enumerate(results)])
    asks = ["draws"] if draws else ["present", "reconstruct"]
    reader = _Reader(asks, _run_names(results), _cells(results), sets, [r.table for r in results])
    places: dict[tuple[str, str], list[tuple[int, ScoreColumn]]] = {}
    for i, result in enumerate(results):
        for column in (c for c in result.table.columns if c.role in roles):
            places.setdefault((column.dataset, column.method), []).append((i, column))
    found: dict[str, list[Entry]] = {name: [] for r in results for name in r.datasets}
    for (dataset, _), columns in places.items():
        found.setdefault(dataset, []).extend(reader.entries(columns))
    kept = {d: [e for e in es if metrics is None or e.has(*metrics)] for d, es in found.items()}
    return {d: es for d, es in kept.items() if es}


def shared_images(results: Sequence[Results], runs: Iterable[int], dataset: str) -> list[str]:
    """Test photographs of a data set that all these runs have, by their positions, in the first
    one's order."""
    tests = [results[run].test_images(dataset) for run in runs]
    shared = set(tests[0]).intersection(*tests) if tests else set()
    return [name for name in (tests[0] if tests else []) if name in shared]


def difference(first: Entry, second: Entry, measure: Measure) -> Estimate:
    """`first - second` over the photographs that both have."""
    from bench.scores.intervals import paired_difference

    pair = paired(first, second, measure)
    return paired_difference(pair["first"].to_numpy(float), pair["second"].to_numpy(float))


def paired(first: Entry, second: Entry, measure: Measure) -> pd.DataFrame:
    """The two entries' values (columns `first`, `second`) of the photographs that both have."""
    import pandas as pd

    return pd.concat(
        {"first": first.values(measure), "second": second.values(measure)}, axis=1, join="inner"
    )


def joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables below one another; text that is kept as categories stays so, which pandas alone would
    undo."""
    import pandas as pd
    from pandas.api.types import union_categoricals

    if len(frames) == 1:
        return frames[0]
    for name in frames[0].columns:
        if all(isinstance(frame[name].dtype, pd.CategoricalDtype) for frame in frames):
            words = union_categoricals(
                [frame[name] for frame in frames], ignore_order=True
            ).categories
            frames = [
                frame.assign(**{name: frame[name].cat.set_categories(words)}) for frame in frames
            ]
    return pd.concat(frames, ignore_index=True)


@dataclass(frozen=True)
class _Reader:
    """Makes entries of rows: of some asks, with the runs' names, the manifests' cells and the
    values of whole sets."""

    asks: Sequence[str]
    names: Sequence[str]
    cells: Cells
    sets: pd.DataFrame
    tables: Sequence[Scores]

    def entries(self, columns: Columns) -> list[Entry]:
        """The entry of one method and data set; one a run where the runs disagree about it."""
        runs = sorted({run for run, _ in columns})
        if len(runs) == 1 or (
            len({c.parameters for _, c in columns}) == 1 and not self._disagree(columns)
        ):
            return [self._entry(columns, "")]
        parts = ([each for each in columns if each[0] == run] for run in runs)
        return [self._entry(part, f" ({self.names[part[0][0]]})") for part in parts]

    def _disagree(self, columns: Columns) -> bool:
        """Whether two runs say different things of one fact; a run that is given twice says the
        same twice."""
        known: dict[tuple[Any, ...], list[tuple[int, ScoreColumn]]] = {}
        for run, column in columns:
            known.setdefault(identity(column), []).append((run, column))
        pairs = (
            pair
            for some in known.values()
            for pair in combinations(some, 2)
            if pair[0][0] != pair[1][0]
        )
        return any(self._differ(first, second) for first, second in pairs)

    def _differ(self, first: tuple[int, ScoreColumn], second: tuple[int, ScoreColumn]) -> bool:
        (a, mine), (b, other) = first, second
        if not (mine.measured and other.measured):
            return mine.status != other.status
        values = [self._series(run, column) for run, column in ((a, mine), (b, other))]
        shared = values[0].index.intersection(values[1].index)
        return bool(len(shared)) and (
            mine.kind != other.kind or not values[0][shared].equals(values[1][shared])
        )

    def _series(self, run: int, column: ScoreColumn) -> pd.Series[float]:
        import pandas as pd

        at, values = self.tables[run].values(column)
        return pd.Series(values, self.tables[run].images(column.dataset)[at])

    def _entry(self, columns: Columns, suffix: str) -> Entry:
        first, runs = columns[0][1], list(dict.fromkeys(run for run, _ in columns))
        dataset, method = first.dataset, first.method
        asked = [each for each in columns if each[1].ask in (*self.asks, WHOLE_CELL)]
        scores = gathered(asked, self.tables)
        measured = scores.columns
        cells = [cell for run in runs for cell in self.cells.get((run, dataset, method), ())]
        claimed = "draws" in self.asks and any(cell.claims_draws for cell in cells)
        failures = [_failure(column) for _, column in asked if not column.measured] + [
            f for c in cells for f in self._refused(c)
        ]
        return Entry(
            dataset=dataset,
            method=method,
            label=method + suffix + (CLAIM if claimed else ""),
            role=first.role,
            run=(measured or columns)[0][0],
            parameters=_parameters(first),
            kind=", ".join(dict.fromkeys(column.kind for _, column in measured)),
            k=max((column.k for _, column in measured), default=0),
            seeds=tuple(dict.fromkeys(str(column.seed) for _, column in measured)),
            failures=tuple(dict.fromkeys(failures)),
            density=next((c.density for c in cells if c.density), ""),
            scores=scores,
            sets=self._sets(dataset, method, runs),
        )

    def _refused(self, cell: Cell) -> list[Failure]:
        """What the method itself refused: the table says so of fair scores only."""
        refused = [a.refused for a in cell.asks if a.name in self.asks and a.refused]
        return [Failure(str(cell.seed), "refused", reason) for reason in refused]

    def _sets(self, dataset: str, method: str, runs: Iterable[int]) -> pd.DataFrame:
        """Where two runs measured the same, the value over more photographs counts."""
        mine = (self.sets["dataset"] == dataset) & (self.sets["method"] == method)
        found = self.sets[
            mine & self.sets["ask"].isin(self.asks) & self.sets["run_position"].isin(list(runs))
        ]
        largest = found.sort_values("images", ascending=False, kind="stable")
        return largest.drop_duplicates(["seed", "metric", "variant"])


def _cells(results: Sequence[Results]) -> Cells:
    found: dict[tuple[int, str, str], list[Cell]] = {}
    for i, result in enumerate(results):
        for cell in result.cells:
            found.setdefault((i, cell.dataset, cell.method), []).append(cell)
    return found


def _run_names(results: Sequence[Results]) -> list[str]:
    """Folder names, numbered where two runs have the same."""
    names = [r.folder.name for r in results]
    return [
        n if names.count(n) == 1 else f"{n} #{names[: i + 1].count(n)}" for i, n in enumerate(names)
    ]


def _parameters(column: ScoreColumn) -> dict[str, Any]:
    """Of the method; a failed cell may have none."""
    from bench.store import records

    where = f"the table of scores: parameters of {column.method}"
    return records.of_text(column.parameters, dict[str, Any], where) if column.parameters else {}


def _failure(column: ScoreColumn) -> Failure:
    return Failure(
        str(column.seed), column.status, column.reason or "no reason was given", column.metric
    )
