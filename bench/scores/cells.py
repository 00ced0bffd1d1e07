"""All scores of one cell, assembled from its shards: columns of the long table, and values of the
whole set."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.contracts import Metric, SampleSet, Step
from bench.contracts.execution import unheard
from bench.errors import reason
from bench.machine import places
from bench.scores import samples
from bench.scores.columns import ScoreColumn
from bench.scores.long_table import Writer
from bench.scores.manifest import Ask, Cell
from bench.scores.metrics import LoadedMetric, by_plugin
from bench.scores.scoring import HeldOut, Scorer, begin, in_threads
from bench.scores.shards import ShardScores
from bench.specs import IID
from bench.store.local import Store

if TYPE_CHECKING:
    import pyarrow as pa

WIDTH = np.dtype(np.float64).itemsize


@dataclass(frozen=True)
class CellScores:
    """Scores one finished cell of a run, which has a folder; `write` appends them to its table.
    left_out: metrics that are not asked, and why."""

    cell: Cell
    metrics: Sequence[LoadedMetric]
    test: HeldOut
    store: Store
    folder: Path
    left_out: Mapping[str, str] = field(default_factory=dict)
    step: Step = unheard

    def write(self, table: Writer, images: pa.Array) -> list[dict[str, Any]]:
        """The columns of every metric for every ask; a metric that is refused is one row that says
        why. images: ids of the test photographs. Returns the values of the whole set
        (`bench.scores.long_table.SET_COLUMNS`)."""
        sets: list[dict[str, Any]] = []
        for ask in self.cell.asks:
            if ask.refused:
                self._lose(
                    table,
                    ask,
                    {m.spec.name: ask.refused for m in self.metrics if m.spec.accepts == IID},
                )
            else:
                sets += self._ask(ask, table, images)
        return sets

    def _ask(self, ask: Ask, table: Writer, images: pa.Array) -> list[dict[str, Any]]:
        first = samples.read(self.store, ask.shards[0])
        with tempfile.TemporaryFile(dir=self.folder) as file:
            found = _Found(
                _Columns(len(self.test.prepared), file.fileno()), failed=dict(self.left_out)
            )
            for group in by_plugin([m for m in self.metrics if m.spec.name not in self.left_out]):
                self._gather(group, ask, found)
            for metric in self.metrics:
                self._columns(metric, ask, found.columns, table, images)
            self._lose(table, ask, found.refused)
            self._lose(table, ask, found.failed, "failed")
            return [
                self._set_row(metric, first, ask, *values)
                for metric in self.metrics
                for values in found.sets.get(metric.spec.name, ())
            ]

    def _gather(self, group: Sequence[LoadedMetric], ask: Ask, found: _Found) -> None:
        """What the metrics of one plugin say of all shards, and of the whole set."""
        what = f"{self.cell.method} on {self.cell.dataset}"
        begin(self.step, what, group)
        scorer = Scorer(self.test, group, self.store)
        found.failed.update(scorer.unmade)
        for number, scores in enumerate(
            in_threads(lambda i: scorer.scores(ask, i), len(ask.shards))
        ):
            if number % samples.TASK == 0:
                begin(self.step, what, group)
            found.add(number * samples.SHARD, scores)
            if scorer.gathering:
                found.add(number * samples.SHARD, scorer.gathered(ask, number))
        for name, made in scorer.made.items():
            if name not in found.refused and name not in found.failed:
                begin(self.step, what, [m for m in group if m.spec.name == name])
                try:
                    found.sets[name] = list(_set_values(made, name, found.columns))
                except (Exception, SystemExit) as error:  # noqa: BLE001 - a row with its reason; the others' values are not lost
                    found.failed[name] = reason(error)

    def _columns(
        self, metric: LoadedMetric, ask: Ask, columns: _Columns, table: Writer, images: pa.Array
    ) -> None:
        spec = metric.spec
        for name, variant, region, k, kind in columns.of(spec.name):
            rows, values = columns.read((name, variant, region, k, kind))
            column = replace(
                self._about(ask, metric), variant=variant, region=region, k=k, kind=kind
            )
            table.add(column, images, rows, values)

    def _lose(
        self, table: Writer, ask: Ask, reasons: Mapping[str, str], status: str = "refused"
    ) -> None:
        for metric in (m for m in self.metrics if m.spec.name in reasons):
            table.lose(
                replace(
                    self._about(ask, metric),
                    status=status,
                    reason=places.text(reasons[metric.spec.name]),
                )
            )

    def _about(self, ask: Ask, metric: LoadedMetric) -> ScoreColumn:
        spec = metric.spec
        return replace(
            identity(self.cell, self.folder.name),
            ask=ask.name,
            metric=spec.name,
            metric_version=metric.version,
            direction=spec.direction,
            unit=spec.unit,
        )

    def _set_row(
        self,
        metric: LoadedMetric,
        first: SampleSet,
        ask: Ask,
        variant: str,
        value: float,
        low: float,
        high: float,
    ) -> dict[str, Any]:
        spec, cell = metric.spec, self.cell
        same = {name: getattr(cell, name) for name in ("dataset", "method", "role", "seed")}
        return {
            "run": self.folder.name,
            "cell": cell.key,
            **same,
            "ask": ask.name,
            "kind": first.kind,
            "k": first.ab.shape[1],
            "metric": spec.name,
            "variant": variant,
            "direction": spec.direction,
            "unit": spec.unit,
            "value": value,
            "low": low,
            "high": high,
            "images": len(self.test.prepared),
        }


def identity(cell: Cell, run: str) -> ScoreColumn:
    """What all columns of a cell have in common."""
    return ScoreColumn(
        run,
        cell.key,
        cell.dataset,
        cell.method,
        cell.role,
        json.dumps(cell.parameters, sort_keys=True),
        cell.seed,
    )


def failed(cell: Cell, run: str) -> ScoreColumn:
    """A cell without samples is one row that says why."""
    return replace(identity(cell, run), status=cell.status, reason=cell.reason)


@dataclass(frozen=True)
class _Found:
    """What was found of a cell's shards; refused, failed: metric -> the first shard's reason. sets:
    metric -> values of the whole set, with intervals."""

    columns: _Columns
    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    sets: dict[str, list[tuple[str, float, float, float]]] = field(default_factory=dict)

    def add(self, start: int, scores: ShardScores) -> None:
        """A shard whose first photograph has a position."""
        for name, values in scores.columns.items():
            self.columns.put((*name, scores.kind), start, values)
        self.refused.update({m: why for m, why in scores.refused.items() if m not in self.refused})
        self.failed.update({m: why for m, why in scores.failed.items() if m not in self.failed})


Place = tuple[str, str, str, int, str]
"""A column's name and the kind of its samples."""


class _Columns:
    """Columns that are filled from above, a few rows at a time, in an open file: memory does not
    grow with their length."""

    def __init__(self, length: int, file: int) -> None:
        self._length, self._file = length, file
        self._filled: dict[Place, list[tuple[int, int]]] = {}
        self._numbers: dict[Place, int] = {}

    def put(self, place: Place, start: int, values: np.ndarray) -> None:
        """Fill some rows of a column."""
        number = self._numbers.setdefault(place, len(self._numbers))
        left, place_in_file = (
            memoryview(values.astype(np.float64).tobytes()),
            WIDTH * (number * self._length + start),
        )
        while left:  # a disk that becomes full takes a part, and refuses the rest
            done = os.pwrite(self._file, left, place_in_file)
            left, place_in_file = left[done:], place_in_file + done
        filled, end = self._filled.setdefault(place, []), start + len(values)
        if filled and filled[-1][1] == start:
            start = filled.pop()[0]
        filled.append((start, end))

    def of(self, metric: str) -> list[Place]:
        """A metric's columns, in the order in which they appeared."""
        return [place for place in self._numbers if place[0] == metric]

    def read(self, place: Place) -> tuple[np.ndarray, np.ndarray]:
        """The rows that are filled, and their values."""
        filled, first = self._filled[place], self._numbers[place] * self._length
        parts = [
            os.pread(self._file, WIDTH * (end - start), WIDTH * (first + start))
            for start, end in filled
        ]
        return np.concatenate([np.arange(*ends) for ends in filled]), np.frombuffer(
            b"".join(parts), np.float64
        )


def _set_values(
    made: Metric, name: str, columns: _Columns
) -> Iterator[tuple[str, float, float, float]]:
    """Variant, value and interval."""
    if type(made).combine is not Metric.combine:
        from bench.scores.intervals import set_interval

        whole = {
            place[1]: columns.read(place)[1] for place in columns.of(name) if place[2] == "all"
        }
        for variant, found in set_interval(made.combine, whole).items():
            yield variant, found.mean, found.low, found.high
    for value in made.finish():
        value.variant.encode()  # ValueError for a name that can't be written
        yield value.variant, float(value.value), float(value.low), float(value.high)
