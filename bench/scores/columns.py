"""Scores by column: all values of one variant of one metric for one ask of one cell, which are read
one by one.

What is said of a column (counts, mean) is known without reading its values: so reports of 100,000
photographs hold a few columns at a time, and never the long table of all rows.
"""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import LONGEST, BenchError
from bench.scores.forms import ScoreIndex, ScoreLine
from bench.specs import Direction
from bench.store import records

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

MEASURED = ("done", "undefined")
"""Statuses of the rows of a metric that was computed."""
UNDEFINED = "it has no value for this photograph"
INDEX = "huebench.columns"
"""In the file's metadata: where every column lies."""
ROOM, PACKED = 2**23, 4
"""Rows that a file may have, beside so many for each of its bytes: values of photographs take more
than that."""


@dataclass(frozen=True)
class ScoreColumn:
    """What is known of a column; the names are those of the table's columns
    (`bench.scores.long_table.COLUMNS`).

    status: `done` where something was measured; else there are no values, and `reason` says why.
    rows: how many photographs; undefined: those of them without a value. mean, squares: of the
    others' values, and their summed squared distances from it. place: where the rows are.
    """

    run: str
    cell: str
    dataset: str
    method: str
    role: str
    parameters: str
    seed: int
    ask: str = ""
    metric: str = ""
    variant: str = ""
    metric_version: str = ""
    direction: Direction = "none"
    unit: str = ""
    region: str = ""
    kind: str = ""
    k: int = 0
    status: str = "done"
    reason: str = ""
    rows: int = 1
    undefined: int = 0
    mean: float = math.nan
    squares: float = math.nan
    place: tuple[int, bool] = (0, False)

    @property
    def measured(self) -> bool:
        """Whether it has values, undefined ones among them."""
        return self.status in MEASURED


KEYS = tuple(ScoreColumn.__dataclass_fields__)[:16]
"""What tells columns apart."""
_NUMBERS = ("seed", "k")


class Scores(ABC):
    """A run's scores. columns: in the order of the table."""

    columns: Sequence[ScoreColumn]

    @abstractmethod
    def images(self, dataset: str) -> pd.Index[str]:
        """Ids of the photographs of a data set, to which `values` refers."""

    @abstractmethod
    def values(self, column: ScoreColumn) -> tuple[np.ndarray, np.ndarray]:
        """Positions of its photographs in `images`, and their values; NaN is undefined."""

    @abstractmethod
    def frame(self, columns: Sequence[ScoreColumn]) -> pd.DataFrame:
        """The rows of some columns, as in the long table."""


def told(column: ScoreColumn, values: np.ndarray) -> ScoreColumn:
    """The column with what its values say."""
    import numpy as np

    known = values[~np.isnan(values)]
    mean = float(known.mean()) if len(known) else math.nan
    squares = float(((known - mean) ** 2).sum()) if len(known) else math.nan
    return replace(
        column, rows=len(values), undefined=len(values) - len(known), mean=mean, squares=squares
    )


class FrameScores(Scores):
    """Scores that are in memory as the long table."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    @cached_property
    def columns(self) -> Sequence[ScoreColumn]:  # type: ignore[override]
        return [self._column(number, rows) for number, rows in enumerate(self._rows)]

    def images(self, dataset: str) -> pd.Index[str]:
        return self._images[1]

    def values(self, column: ScoreColumn) -> tuple[np.ndarray, np.ndarray]:
        rows = self._rows[column.place[0]]
        return self._images[0][rows], self._values[rows]

    def frame(self, columns: Sequence[ScoreColumn]) -> pd.DataFrame:
        import numpy as np

        rows = [self._rows[column.place[0]] for column in columns]
        return self.table.iloc[np.concatenate(rows)] if rows else self.table.iloc[:0]

    @cached_property
    def _rows(self) -> list[np.ndarray]:
        """Positions of each column's rows, in the order of first rows."""
        import numpy as np

        if not len(self.table):
            return []
        known = self.table["status"].isin(MEASURED)
        why = {
            name: self.table[name].astype(object).where(~known, "done")
            for name in ("status", "reason")
        }
        groups = (
            self.table[list(KEYS)]
            .assign(**why)
            .groupby([*KEYS, *why], sort=False, observed=True, dropna=False)
        )
        codes = groups.ngroup().to_numpy()
        order = np.argsort(codes, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
        return sorted(parts, key=lambda part: int(part[0]))

    def _column(self, number: int, rows: np.ndarray) -> ScoreColumn:
        first = self.table.iloc[rows[0]]
        words: dict[str, Any] = {name: text(first[name]) for name in KEYS}
        numbers = {name: int(first[name] or 0) for name in _NUMBERS}
        made = ScoreColumn(**(words | numbers), place=(number, False))
        if text(first["status"]) in MEASURED:
            return told(made, self._values[rows])
        return replace(
            made, status=text(first["status"]), reason=text(first["reason"]), rows=len(rows)
        )

    @cached_property
    def _images(self) -> tuple[np.ndarray, pd.Index[str]]:
        import pandas as pd

        codes, images = pd.factorize(self.table["image"])
        return codes, pd.Index(images.astype(object))

    @cached_property
    def _values(self) -> np.ndarray:
        return self.table["value"].where(self.table["status"] == "done").to_numpy(float)


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
        from bench.scores.long_table import schema

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


def opened(path: Path) -> Any:
    """A parquet file. BenchError when it is damaged, or holds more rows than its bytes can: they
    would fill the memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with explained(path):
        file = pq.ParquetFile(
            pa.OSFile(os.fsencode(path))
        )  # which takes text for UTF-8, whatever the names of the system are
        if file.metadata.num_rows > ROOM + PACKED * path.stat().st_size:
            raise BenchError(
                f"{path} can't be read: {file.metadata.num_rows:,} rows in {path.stat().st_size:,} "
                "bytes"
            )
    return file


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """A block that reads a parquet file: whatever its reader raises is one line."""
    import pyarrow as pa

    try:
        yield
    except BenchError:
        raise
    except (
        OSError,
        ValueError,
        TypeError,
        LookupError,
        MemoryError,
        NotImplementedError,
        pa.ArrowException,
    ) as error:
        raise BenchError(
            f"{path} can't be read: "
            f"{' '.join(str(error).split())[:LONGEST] or type(error).__name__}"
        ) from error


def has_index(path: Path) -> bool:
    """Whether a table says where its columns are; those of older versions, and hand-made ones,
    don't."""
    with opened(path) as file:
        return INDEX.encode() in (file.metadata.metadata or {})


def text(value: Any) -> str:
    """Missing values become empty text."""
    return value if isinstance(value, str) else ""


_TEXTS = frozenset(ScoreColumn.__dataclass_fields__) - {
    *_NUMBERS,
    "rows",
    "undefined",
    "mean",
    "squares",
    "place",
}
