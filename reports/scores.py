"""Scores of one or several runs as the reports read them: one entry a method and data set, one value a photograph."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from bench.results import Results
    from bench.stats import Estimate

FACT = ["dataset", "method", "seed", "image", "ask", "metric", "variant", "region", "k"]
"""Columns that name one fact; a run that is given twice says each fact twice."""


@dataclass(frozen=True)
class Measure:
    """One column of values: a metric, its variant and its region."""

    metric: str
    variant: str
    region: str = "all"


ERROR_OF_BEST = Measure("error-of-best", "sum")
ERROR_OF_BEST_GRID = Measure("error-of-best", "sum", "grid")
MEAN_ERROR = Measure("absolute-error", "sum")
VARIANCE = Measure("variance", "ab")


@dataclass(frozen=True)
class Failure:
    """A cell that gave no value, and why. `metric` is empty when the whole cell failed."""

    seed: str
    status: str
    reason: str
    metric: str = ""


@dataclass(frozen=True)
class Entry:
    """One method on one data set, with all its seeds.

    `label` is unique in the data set: the method string, and the run where two runs mean different things by it.
    `run` is the position of the first run that measured it.
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
    rows: pd.DataFrame = field(repr=False)
    _estimates: dict[Measure, Estimate] = field(default_factory=dict, repr=False)

    @property
    def suffix(self) -> str:
        """What `label` has beyond the method string."""
        return self.label[len(self.method) :]

    def values(self, measure: Measure) -> pd.Series[float]:
        """One value a photograph, by image id: the mean over seeds, NaN if any seed's value is NaN."""
        rows = self.rows
        wanted = (rows.metric == measure.metric) & (rows.variant == measure.variant) & (rows.region == measure.region)
        by_image = rows[wanted].groupby("image", sort=False, observed=True)["value"]
        means = by_image.sum() / by_image.size()
        return means.where(by_image.count() == by_image.size())

    def estimate(self, measure: Measure) -> Estimate:
        """The mean over photographs and its interval."""
        from bench.stats import mean_interval

        if measure not in self._estimates:  # two thousand resamples, and every report asks twice
            self._estimates[measure] = mean_interval(self.values(measure).to_numpy(float))
        return self._estimates[measure]

    def has(self, *metrics: str) -> bool:
        """Whether there is something to say of these metrics: values or a failure."""
        return bool(self.rows.metric.isin(metrics).any() or self.failed(*metrics))

    def failed(self, *metrics: str) -> list[Failure]:
        """Failures of the whole cell, or of one of these metrics."""
        return [f for f in self.failures if not f.metric or f.metric in metrics]


def gather(results: Sequence[Results], metrics: Sequence[str] | None, roles: Sequence[str],
           draws: bool = False) -> dict[str, list[Entry]]:  # fmt: skip
    """Data set -> entries of the given roles with something to say of the given metrics (None: of any), in the
    order of the runs. Data sets without any are left out. `draws`: of independent draws, not of what is presented.
    """
    import pandas as pd

    names = _run_names(results)
    frames = [r.scores.assign(run_position=i) for i, r in enumerate(results) if len(r.scores)]
    if not frames:
        return {}
    scores = pd.concat(frames, ignore_index=True)
    scores = scores[(scores["ask"] == "draws") == draws]
    found: dict[str, list[Entry]] = {name: [] for r in results for name in r.datasets}
    for (dataset, _), rows in scores.groupby(["dataset", "method"], sort=False, observed=True):
        found.setdefault(str(dataset), []).extend(_entries(rows, names))
    kept = {d: [e for e in es if e.role in roles and (metrics is None or e.has(*metrics))] for d, es in found.items()}
    return {d: es for d, es in kept.items() if es}


def difference(first: Entry, second: Entry, measure: Measure) -> Estimate:
    """`first - second` over the photographs that both have."""
    from bench.stats import paired_difference

    pair = paired(first, second, measure)
    return paired_difference(pair["first"].to_numpy(float), pair["second"].to_numpy(float))


def paired(first: Entry, second: Entry, measure: Measure) -> pd.DataFrame:
    """The two entries' values (columns `first`, `second`) of the photographs that both have."""
    import pandas as pd

    return pd.concat({"first": first.values(measure), "second": second.values(measure)}, axis=1, join="inner")


def _run_names(results: Sequence[Results]) -> list[str]:
    """Folder names, numbered where two runs have the same."""
    names = [r.folder.name for r in results]
    return [n if names.count(n) == 1 else f"{n} #{names[: i + 1].count(n)}" for i, n in enumerate(names)]


def _entries(rows: pd.DataFrame, names: Sequence[str]) -> list[Entry]:
    """The entry of one method and data set; one a run where the runs disagree about it."""
    distinct = rows.drop_duplicates([*FACT, "parameters", "value", "status", "kind", "k"])
    if rows.run_position.nunique() == 1:
        return [_entry(rows, "")]
    if distinct.parameters.nunique() == 1 and not distinct.duplicated(FACT).any():
        return [_entry(distinct, "")]
    parts = (rows[rows.run_position == i] for i in sorted(rows.run_position.unique()))
    return [_entry(part, f" ({names[part.run_position.iloc[0]]})") for part in parts]


def _entry(rows: pd.DataFrame, suffix: str) -> Entry:
    lost = rows.status != "done"
    measured = rows[~lost]
    first = (measured if len(measured) else rows).iloc[0]
    kinds = ", ".join(dict.fromkeys(measured.kind.astype(str)))
    return Entry(
        dataset=str(first.dataset),
        method=str(first.method),
        label=str(first.method) + suffix,
        role=str(first.role),
        run=int(first.run_position),
        parameters=_parameters(first.parameters),
        kind=kinds,
        k=int(measured.k.max()) if len(measured) else 0,
        seeds=tuple(dict.fromkeys(_text(s) for s in measured.seed)),
        failures=tuple(dict.fromkeys(_failure(row) for _, row in rows[lost].iterrows())),
        rows=measured,
    )


def _failure(row: pd.Series[Any]) -> Failure:
    return Failure(_text(row.seed), _text(row.status), _text(row.reason) or "no reason was given", _text(row.metric))


def _parameters(value: Any) -> dict[str, Any]:
    """A failed cell may have no parameters."""
    text = _text(value)
    return dict(json.loads(text)) if text else {}


def _text(value: Any) -> str:
    """Missing values become empty text; a seed that a table has turned into 0.0 becomes 0 again."""
    import pandas as pd

    if value is None or pd.isna(value):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
