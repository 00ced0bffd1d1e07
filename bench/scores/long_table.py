"""The long table of scores on disk: column by column, so that memory does not grow with the
photographs, and one can be read alone.

A column is all values of one variant of one metric for one ask of one cell. Its rows lie together,
and the file's metadata say where they are and what they are of (`bench.scores.columns`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import LONGEST, BenchError
from bench.scores.columns import MEASURED, UNDEFINED, ScoreColumn, told
from bench.store import drafts
from bench.text import storable

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

WORDS = (
    "run",
    "cell",
    "dataset",
    "method",
    "role",
    "parameters",
    "image",
    "ask",
    "metric",
    "variant",
    "metric_version",
    "direction",
    "unit",
    "region",
    "kind",
    "status",
    "reason",
)
"""Columns of text, kept as categories: few values, many rows."""
COLUMNS = (
    "run",
    "cell",
    "dataset",
    "method",
    "role",
    "parameters",
    "seed",
    "image",
    "ask",
    "metric",
    "variant",
    "metric_version",
    "direction",
    "unit",
    "region",
    "kind",
    "k",
    "value",
    "status",
    "reason",
)
"""One fact a row: the value of one metric for one test photograph.

`ask` is what the samples are: `present` (what the method would show), `draws` (independent),
`reconstruct`. `status` is `done`; `undefined`: the photograph has no value; `refused`: the metric
was not computed for this ask, with the reason and no photograph; or the status of a whole cell that
failed, with its reason and no metric.
"""
SET_COLUMNS = (
    "run",
    "cell",
    "dataset",
    "method",
    "role",
    "seed",
    "ask",
    "kind",
    "k",
    "metric",
    "variant",
    "direction",
    "unit",
    "value",
    "low",
    "high",
    "images",
)
"""One value of a whole test set a row, with its 95 % interval over photographs."""

ROWS = 2**17
"""Rows that are written at a time."""
INDEX = "huebench.columns"
"""In the file's metadata: where every column lies."""
ROOM, PACKED = 2**23, 4
"""Rows that a file may have, beside so many for each of its bytes: values of photographs take more
than that."""


class Writer:
    """Appends columns to the table."""

    def __init__(self, file: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._file, self._schema = file, schema
        self._waiting: list[pa.Table] = []
        self._index: list[tuple[Any, ...]] = []
        self._start = self._held = 0
        self.done = 0

    def add(
        self, column: ScoreColumn, images: pa.Array, rows: np.ndarray, values: np.ndarray
    ) -> None:
        """Append a column's values `(n,)`, NaN where a photograph has none; rows `(n,)`: positions
        of the photographs among `images`, the ids of the whole test set."""
        import numpy as np

        column = told(column, values)
        whole = len(rows) == len(images) and bool((rows == np.arange(len(rows))).all())
        missing = np.isnan(values)
        given = {
            "image": (rows, images),
            "value": values,
            "status": (missing, MEASURED),
            "reason": (missing, ("", UNDEFINED)),
        }
        self._append(column, len(values), given, whole)
        self.done += len(values) - column.undefined

    def lose(self, column: ScoreColumn) -> None:
        """Append the one row of what was not computed."""
        import numpy as np

        self._append(column, 1, {"image": (np.zeros(1), ("",)), "value": np.full(1, np.nan)}, False)

    def close(self) -> None:
        """Write what waits, and where everything is."""
        self._flush()
        words = {
            word: i
            for i, word in enumerate(
                dict.fromkeys(v for line in self._index for v in line if isinstance(v, str))
            )
        }
        lines = [[words[v] if isinstance(v, str) else v for v in line] for line in self._index]
        self._file.add_key_value_metadata(
            {INDEX: json.dumps({"words": list(words), "columns": lines}, separators=(",", ":"))}
        )

    def _append(
        self, column: ScoreColumn, count: int, given: Mapping[str, Any], whole: bool
    ) -> None:
        import pyarrow as pa

        texts: dict[str, Any] = {
            name: storable(value) for name, value in vars(column).items() if isinstance(value, str)
        }
        column = replace(column, **texts)
        if self._held + count > ROWS:
            self._flush()
        made = {name: given.get(name, getattr(column, name, None)) for name in COLUMNS}
        arrays = [_array(made[field.name], count, field.type) for field in self._schema]
        self._waiting.append(pa.Table.from_arrays(arrays, schema=self._schema))
        self._index.append((*_plain(column), self._start, whole))
        self._start += count
        self._held += count

    def _flush(self) -> None:
        import pyarrow as pa

        if self._waiting:
            joined = pa.concat_tables(self._waiting).unify_dictionaries().combine_chunks()
            self._file.write_table(joined, row_group_size=ROWS)
        self._waiting, self._held = [], 0


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """A writer of `path`, which is whole or unchanged: a temporary file in the same folder is put
    in its place."""
    import pyarrow.parquet as pq

    form = schema()
    with (
        drafts.file(path) as draft,
        draft.open("wb") as stream,  # pyarrow knows no path that is not UTF-8
        pq.ParquetWriter(stream, form, use_dictionary=list(WORDS)) as file,
    ):
        writer = Writer(file, form)
        yield writer
        writer.close()


def read(path: Path, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """A whole table, text as categories. BenchError when it is damaged. Tables of older runs get
    the columns they lack."""
    with opened(path) as file, explained(path):
        there = file.schema_arrow.names
        missing = [c for c in columns if c not in there and not (c == "ask" and "kind" in there)]
        if missing or len(set(there)) < len(there):
            raise BenchError(
                f"{path} is damaged: columns {', '.join(missing)} are missing or there twice"
            )
        table = file.read(columns=[c for c in columns if c in there]).replace_schema_metadata(None)
        table.validate(full=True)
        found = {c: _converted(path, c, table.column(c)).to_pandas() for c in table.column_names}
    if "ask" in columns and "ask" not in found:  # schema 1 knew nothing but what methods presented
        asks = found["kind"].map(
            lambda kind: "reconstruct" if kind == "reconstruction" else "present"
        )
        found["ask"] = asks.astype("category")
    return frame(found, columns)


def frame(
    rows: Sequence[Mapping[str, Any]] | Mapping[str, Any], columns: Sequence[str]
) -> pd.DataFrame:
    """Rows, or columns by name, as a table with all columns."""
    import pandas as pd

    kept = (
        rows
        if isinstance(rows, Mapping)
        else [
            {
                name: storable(value) if isinstance(value, str) else value
                for name, value in row.items()
            }
            for row in rows
        ]
    )
    return pd.DataFrame(kept, columns=list(columns))


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


NUMBERS = ("seed", "k", "images")


def _converted(path: Path, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as what it should be: text as categories, whole numbers or floats. BenchError for
    anything else."""
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if not (pa.types.is_null(kind) or (text if name in WORDS else number)):
        raise BenchError(f"{path} is damaged: column {name} holds {kind}")
    if name in WORDS:
        if pa.types.is_dictionary(column.type):
            column = column.cast(kind)
        return column.cast(pa.string()).dictionary_encode()
    if name in NUMBERS:
        return column.cast(pa.int64()).fill_null(0)
    values = column.cast(pa.float64())
    if pa.compute.any(pa.compute.is_inf(values)).as_py():
        raise BenchError(f"{path} is damaged: column {name} has an infinite value")
    return values


def schema() -> pa.Schema:
    """Of the table of scores."""
    import pyarrow as pa

    words = pa.dictionary(pa.int32(), pa.string())
    numbers = {"seed": pa.int64(), "k": pa.int64(), "value": pa.float64()}
    return pa.schema([(c, numbers.get(c, words)) for c in COLUMNS])


def _array(given: Any, count: int, kind: pa.DataType) -> pa.Array:
    """An array of numbers; of one value throughout; or of (positions, words)."""
    import numpy as np
    import pyarrow as pa

    if isinstance(given, np.ndarray):
        return pa.array(given, kind)
    if not pa.types.is_dictionary(kind):
        return pa.array(np.full(count, given), kind)
    positions, words = given if isinstance(given, tuple) else (np.zeros(count), (given,))
    known = words if isinstance(words, pa.Array) else pa.array(list(words), pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(positions.astype(np.int32)), known)


def _plain(column: ScoreColumn) -> tuple[Any, ...]:
    """The column's fields but its place; numbers that are none become null."""
    return tuple(None if value != value else value for value in astuple(column)[:-1])
