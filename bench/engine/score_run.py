"""Scoring a run: all its cells into one table, and what a reader sees of it first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from bench.contracts import Progress, Step
from bench.contracts.execution import unheard
from bench.data import prepare
from bench.errors import NothingMeasured
from bench.output import Output
from bench.plugins.loader import Registry, registry
from bench.results import report, run_folder
from bench.results.run_folder import Results
from bench.scores import long_table, scoring
from bench.scores import manifest as manifests
from bench.scores.cells import CellScores, failed
from bench.scores.columns import UNDEFINED, ScoreColumn, Scores
from bench.scores.long_table import Writer
from bench.scores.manifest import Cell, Manifest
from bench.scores.metrics import LoadedMetric, load_metrics
from bench.scores.scoring import HeldOut
from bench.specs import IID, MetricSpec
from bench.store.files import write_bytes, write_text
from bench.store.local import Store
from bench.text import csv, storable

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class Scoring:
    """A run whose samples are there, and what is to be scored. left_out: metrics that are not
    asked, and why."""

    folder: Path
    manifest: Manifest
    metrics: Sequence[LoadedMetric]
    store: Store
    plugins: Registry
    progress: Progress
    left_out: Mapping[str, str] = field(default_factory=dict)
    step: Step = unheard


def rescore(
    folder: Path, metrics: Sequence[str], progress: Progress, store: Path | str | None = None
) -> Results:
    """Score a run's stored samples again, and write its scores and report anew. Nothing is sampled.

    With metrics, those alone: the scores of the others are kept as they are, and the manifest says
    that these were asked for. store: as `bench.results.run_folder.read` takes it.
    """
    plugins = registry()
    loaded = load_metrics(metrics, plugins)
    manifest = manifests.read(folder)
    others = run_folder.read(folder) if metrics else None
    opened, left_out = run_folder.open_store_of(folder, manifest, store), scoring.unusable(loaded)
    measured = score(Scoring(folder, manifest, loaded, opened, plugins, progress, left_out), others)
    if others is not None:
        asked = list(dict.fromkeys([*others.asked, *(metric.spec.name for metric in loaded)]))
        manifests.write(folder, replace(manifest, metrics=tuple(asked)))
        measured = run_folder.read(folder, opened.place)
    measured.troubles = [f"{name}: {why}" for name, why in measured.failed_metrics.items()]
    report.write([measured], Output(folder), plugins, progress)
    return measured


def score(work: Scoring, before: Results | None = None) -> Results:
    """Score all cells, and write the run's tables; only a few columns are in memory at a time.
    before: a run whose scores by other metrics are kept. NothingMeasured where there is no
    value."""
    folder, manifest = work.folder, work.manifest
    sets: list[dict[str, Any]] = []
    with (
        work.progress.task("scoring", len(manifest.cells)) as bar,
        long_table.writing(folder / "scores.parquet") as table,
    ):
        for cell, test, images in _cells(work):
            if cell.status == "done":
                sets += CellScores(
                    cell, work.metrics, test, work.store, folder, work.left_out, work.step
                ).write(table, images)
            else:
                table.lose(failed(cell, folder.name))
            bar.advance(1, cell.method)
        names = {metric.spec.name for metric in work.metrics}
        if before is not None:
            _keep(before.table, names, table)
    of_sets = _sets(sets, before, names)
    write_bytes(folder / "set_scores.parquet", of_sets.to_parquet(index=False))
    scored = run_folder.read(folder, work.store.place)
    write_text(folder / "summary.csv", csv(summarise(scored.table.columns)))
    if not table.done:
        lost = {f"{c.method} on {c.dataset}: {c.reason}" for c in manifest.cells if c.reason}
        lost |= {f"{name} {why}" for name, why in scored.failed_metrics.items()}
        reasons = "; ".join(sorted(lost))
        raise NothingMeasured(f"nothing was measured: {reasons}")
    return scored


def test_set(dataset: str, manifest: Manifest, store: Store, plugins: Registry) -> HeldOut:
    """What scores need of a data set, as a manifest names it."""
    described = manifest.datasets[dataset]
    test, train = (
        prepare.reopen(store, dataset, getattr(described, part).key) for part in ("test", "train")
    )
    spec = plugins.get("datasets", described.plugin) if described.plugin else None
    return scoring.held_out(
        test, train, manifest.choices, spec.load()(home=None) if spec and spec.known_law else None
    )


def summarise(columns: Iterable[ScoreColumn]) -> pd.DataFrame:
    """Means over photographs: one row a data set, method, ask, metric, variant and region."""
    import pandas as pd

    found: dict[tuple[Any, ...], list[ScoreColumn]] = {}
    for column in columns:
        about = [getattr(column, name) for name in _ABOUT]
        if column.rows > column.undefined or not column.measured:
            found.setdefault((*about, column.status, column.reason), []).append(column)
        if column.undefined:
            found.setdefault((*about, "undefined", UNDEFINED), [])
    rows = [(*key, *_spread([c for c in some if c.measured])) for key, some in found.items()]
    return pd.DataFrame(rows, columns=[*_ABOUT, "status", "reason", "mean", "std", "images"])


def headline(result: Results) -> list[dict[str, str]]:
    """The table that is shown at the end of a run: means over test photographs of the metrics that
    declare a headline, and of those that were asked for by name.

    Metrics that take independent draws only are shown for the draws, the others for what a method
    presents.
    """
    known = (spec for spec in registry().specs["metrics"].values() if isinstance(spec, MetricSpec))
    specs = sorted(
        (spec for spec in known if spec.headline or spec.name in result.asked),
        key=lambda spec: spec.name,
    )
    variants = {spec.name: storable(spec.headline or _variant(result, spec)) for spec in specs}
    places: dict[tuple[str, str], list[ScoreColumn]] = {}
    for column in result.table.columns:
        places.setdefault((column.dataset, column.method), []).append(column)
    rows = [
        {
            "dataset": place[0],
            "method": place[1],
            **{
                spec.name: _headline(columns, spec, variants[spec.name], result.set_scores, place)
                for spec in specs
            },
            "presents": _presents(columns),
        }
        for place, columns in places.items()
    ]
    empty = {
        spec.name
        for spec in specs
        if spec.name not in result.asked and all(row[spec.name] == "-" for row in rows)
    }
    return [{name: text for name, text in row.items() if name not in empty} for row in rows]


_ABOUT = (
    "dataset",
    "method",
    "role",
    "ask",
    "kind",
    "k",
    "metric",
    "variant",
    "region",
    "unit",
    "direction",
)


def _cells(work: Scoring) -> Iterator[tuple[Cell, HeldOut, pa.Array]]:
    """Data set by data set, with its test photographs and their ids."""
    import pyarrow as pa

    for dataset in work.manifest.datasets:
        test = test_set(dataset, work.manifest, work.store, work.plugins)
        images = pa.array(test.prepared.ids, pa.string())
        yield from ((cell, test, images) for cell in work.manifest.cells if cell.dataset == dataset)


def _keep(before: Scores, without: Iterable[str], table: Writer) -> None:
    """Copy the columns of a run's other metrics."""
    import pyarrow as pa

    columns = [c for c in before.columns if c.metric and c.metric not in without]
    for dataset, some in groupby(columns, lambda column: column.dataset):
        images = pa.array(before.images(dataset), pa.string())
        for column in some:
            if column.measured:
                table.add(column, images, *before.values(column))
            else:
                table.lose(column)


def _sets(
    found: Sequence[dict[str, Any]], before: Results | None, names: Iterable[str]
) -> pd.DataFrame:
    import pandas as pd

    new = long_table.frame(found, long_table.SET_COLUMNS)
    if before is None:
        return new
    kept = before.set_scores[~before.set_scores["metric"].isin(list(names))]
    return pd.concat([part for part in (new, kept) if len(part)] or [new], ignore_index=True)


def _spread(columns: Sequence[ScoreColumn]) -> tuple[float, float, int]:
    """Mean, standard deviation and number of the values of several columns together."""
    known = [(c.rows - c.undefined, c.mean, c.squares) for c in columns if c.rows > c.undefined]
    count = sum(n for n, _, _ in known)
    if not count:
        return math.nan, math.nan, 0
    mean = known[0][1] if len(known) == 1 else math.fsum(n * m for n, m, _ in known) / count
    squares = math.fsum(s + n * (m - mean) ** 2 for n, m, s in known)
    return mean, math.sqrt(squares / (count - 1)) if count > 1 else math.nan, count


def _variant(result: Results, spec: MetricSpec) -> str:
    """What is shown of a metric that declares no headline: the main variant, else the first one
    that was measured."""
    columns = [
        c.variant
        for c in result.table.columns
        if c.metric == spec.name and _is_shown(c, c.variant, spec)
    ]
    of_sets = [
        str(v)
        for v in result.set_scores.loc[result.set_scores["metric"] == spec.name, "variant"].unique()
    ]
    measured = [*columns, *of_sets]
    return next((v for v in (spec.main, *spec.variants, *measured) if v in measured), "")


def _headline(
    columns: Sequence[ScoreColumn],
    spec: MetricSpec,
    variant: str,
    of_sets: pd.DataFrame,
    place: tuple[str, str],
) -> str:
    """A mean over all photographs, or none: over those that have a value it would flatter. Or the
    value of the whole set."""
    mine = [c for c in columns if c.metric == spec.name]
    if any(c.status == "failed" for c in mine):
        return "failed"
    shown = [c for c in mine if _is_shown(c, variant, spec)]
    if any(c.undefined or not c.measured for c in shown):
        return "undefined"
    if shown:
        most = max(c.k for c in shown)
        return f"{_spread([c for c in shown if c.k == most])[0]:.4f}"
    about = of_sets[["dataset", "method", "metric", "variant"]] == [*place, spec.name, variant]
    values = of_sets.loc[
        about.all(axis=1) & ((of_sets["ask"] == "draws") == (spec.accepts == IID)), "value"
    ]
    return "-" if values.empty else "undefined" if values.isna().any() else f"{values.mean():.4f}"


def _is_shown(column: ScoreColumn, variant: str, spec: MetricSpec) -> bool:
    return (column.variant, column.region) == (variant, "all") and (column.ask == "draws") == (
        spec.accepts == IID
    )


def _presents(columns: Sequence[ScoreColumn]) -> str:
    """The kind of what a method presents, or why there is none."""
    kinds = [c.kind for c in columns if c.ask != "draws" and c.measured and c.rows > c.undefined]
    return kinds[0] if kinds else columns[0].status
