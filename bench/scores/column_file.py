"""Scores in a run's file, read one column at a time: the file says where each one lies
(`bench.scores.long_table.Writer`)."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import accumulate, groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.scores.columns import NUMBERS, ScoreColumn, Scores
from bench.scores.forms import ScoreIndex, ScoreLine
from bench.scores.long_table import INDEX, explained, opened, schema
from bench.store import records

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa


class FileScores(Scores):
    """Scores in a file of `bench.scores.long_table.writing`. ids: data set -> ids of its test
    photographs. BenchError where what it says of its columns can't be."""

    def __init__(self, path: Path, ids: Mapping[str, Sequence[str]]) -> None:
        self.path, self.ids = path, ids
        found = records.of_text(
            self._file.metadata.metadata[INDEX.encode()].decode(errors="replace"), ScoreIndex, path
        )
        names = [name for name in ScoreColumn.__dataclass_fields__ if name != "place"] + [
            "begin",
            "whole",
        ]
        lines = [dict(zip(names, line)) for line in found["columns"]]
        self.columns = [
            self._column(line, found["words"])
            for line in records.checked(lines, list[ScoreLine], path)
        ]
        self._known: dict[str, pd.Index[str]] = {}
        self._last: tuple[int, np.ndarray] | None = None

    def images(self, dataset: str) -> pd.Index[str]:
        import pandas as pd

        if dataset not in self._known:
            self._known[dataset] = pd.Index(list(self.ids[dataset]), dtype="object")
        return self._known[dataset]

    def values(self, column: ScoreColumn) -> tuple[np.ndarray, np.ndarray]:
        import numpy as np

        (start, whole), images = column.place, self.images(column.dataset)
        parts = [
            self._part(group, begin, end) for group, begin, end in self._groups(start, column.rows)
        ]
        values = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if np.isinf(values).any():
            raise BenchError(f"{self.path} is damaged: {column.metric} has an infinite value")
        if whole:
            return np.arange(len(images)), values
        found = self._read([(start, column.rows)], ["image"]).column(0).to_pylist()
        at = images.get_indexer(found) if images.is_unique else np.full(len(found), -1)
        if (at < 0).any():
            raise BenchError(
                f"{self.path} is damaged: {column.metric} is of photographs that {column.dataset} "
                "does not have"
            )
        return at, values

    def frame(self, columns: Sequence[ScoreColumn]) -> pd.DataFrame:
        with explained(self.path):
            return (
                self._read([(column.place[0], column.rows) for column in columns])
                .unify_dictionaries()
                .to_pandas()
            )

    def _column(self, line: ScoreLine, words: Sequence[str]) -> ScoreColumn:
        """What a line says."""
        values: dict[str, Any] = {**line}
        place = values.pop("begin"), values.pop("whole")
        if max(values[name] for name in _TEXTS) >= len(words):
            raise BenchError(f"{self.path} is damaged: it names words that it does not have")
        made: dict[str, Any] = {
            name: math.nan if value is None else words[value] if name in _TEXTS else value
            for name, value in values.items()
        }
        column = ScoreColumn(**made, place=place)
        ids = self.ids.get(column.dataset)
        if (
            column.undefined > column.rows
            or line["begin"] + column.rows > self._ends[-1]
            or ids is None
            or (column.measured and line["whole"] and len(ids) != column.rows)
        ):
            raise BenchError(
                f"{self.path} is damaged: it has no such rows as it says of "
                f"{column.metric or column.method}"
            )
        return column

    @cached_property
    def _file(self) -> Any:
        file, wanted = opened(self.path), schema()
        if not file.schema_arrow.equals(wanted):
            raise BenchError(
                f"{self.path} is damaged: its columns are not those of a table of scores"
            )
        return file

    @cached_property
    def _ends(self) -> list[int]:
        """Where the row groups end."""
        meta = self._file.metadata
        return list(accumulate(meta.row_group(i).num_rows for i in range(meta.num_row_groups))) or [
            0
        ]

    def _groups(self, start: int, count: int) -> list[tuple[int, int, int]]:
        """Row groups that hold some rows, and where in them these begin and end."""
        found, number = [], bisect_right(self._ends, start)
        while count > 0:
            first = self._ends[number - 1] if number else 0
            end = min(start + count, self._ends[number])
            found.append((number, start - first, end - first))
            count, start, number = count - (end - start), end, number + 1
        return found

    def _part(self, group: int, begin: int, end: int) -> np.ndarray:
        """Some values of a row group; those of the last one are at hand, since columns are mostly
        read in order."""
        if self._last is None or self._last[0] != group:
            self._last = group, self._group(group, ["value"]).column(0).to_numpy()
        return self._last[1][begin:end]

    def _read(
        self, ranges: Iterable[tuple[int, int]], columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Ranges of rows, (first, how many). A row group that several of them in turn lie in is
        held once."""
        import pyarrow as pa

        pieces = [piece for start, count in ranges for piece in self._groups(start, count)]
        parts = [
            self._file.schema_arrow.empty_table().select(columns or self._file.schema_arrow.names)
        ]
        for number, some in groupby(pieces, key=itemgetter(0)):
            group = self._group(number, columns)
            parts += [
                group.slice(begin, end - begin)
                for begin, end in _joined((begin, end) for _, begin, end in some)
            ]
        return pa.concat_tables(parts)

    def _group(self, number: int, columns: Sequence[str] | None) -> pa.Table:
        with explained(self.path):
            found = self._file.read_row_group(number, columns=columns)
            found.validate(full=columns != ["value"])
        if len(found) != self._file.metadata.row_group(number).num_rows:
            raise BenchError(f"{self.path} is damaged: it has fewer rows than it says")
        return found


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges in order, those that follow one another as one."""
    found: list[tuple[int, int]] = []
    for begin, end in ranges:
        if found and found[-1][1] == begin:
            begin, _ = found.pop()
        found.append((begin, end))
    return found


def has_index(path: Path) -> bool:
    """Whether a table says where its columns are; those of older versions, and hand-made ones,
    don't."""
    with opened(path) as file:
        return INDEX.encode() in (file.metadata.metadata or {})


_TEXTS = frozenset(ScoreColumn.__dataclass_fields__) - {
    *NUMBERS,
    "rows",
    "undefined",
    "mean",
    "squares",
    "place",
}
