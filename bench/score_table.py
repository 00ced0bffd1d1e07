"""The long table of scores on disk: written batch by batch, so that memory does not grow with the photographs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

WORDS = ("run", "cell", "dataset", "method", "role", "parameters", "image", "ask", "metric", "variant", "metric_version",
         "direction", "unit", "region", "kind", "status", "reason")  # fmt: skip
"""Columns of text, kept as categories: few values, many rows."""
COLUMNS = (
    "run", "cell", "dataset", "method", "role", "parameters", "seed", "image", "ask", "metric", "variant", "metric_version",
    "direction", "unit", "region", "kind", "k", "value", "status", "reason",
)  # fmt: skip
"""One fact a row: the value of one metric for one test photograph.

`ask` is what the samples are: `present` (what the method would show), `draws` (independent), `reconstruct`. `status` is
`done`; `undefined`: the photograph has no value; `refused`: the metric was not computed for this ask, with the reason
and no photograph; or the status of a whole cell that failed, with its reason and no metric.
"""
MEASURED = ("done", "undefined")
"""Statuses of the rows of a metric that was computed."""
SET_COLUMNS = ("run", "cell", "dataset", "method", "role", "seed", "ask", "kind", "k", "metric", "variant", "direction", "unit",
               "value", "low", "high", "images")  # fmt: skip
"""One value of a whole test set a row, with its 95 % interval over photographs."""


class Writer:
    """Appends rows to the table."""

    def __init__(self, file: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._file, self._schema = file, schema
        self.done = 0

    def add(self, frame: pd.DataFrame) -> None:
        """Append rows that have all columns."""
        import pyarrow as pa

        self.done += int((frame["status"] == "done").sum())
        self._file.write_table(pa.Table.from_pandas(frame[list(COLUMNS)], schema=self._schema, preserve_index=False))


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """A writer of `path`, which is whole or unchanged: a temporary file in the same folder is put in its place."""
    import pyarrow.parquet as pq

    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(handle)
    try:
        with pq.ParquetWriter(name, schema := _schema()) as file:
            yield Writer(file, schema)
        with open(name, "rb+") as stream:
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def read(path: Path, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """A table, text as categories. BenchError when it is damaged. Tables of older runs get the columns they lack."""
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} can't be read: {str(error).splitlines()[0]}") from error
    if "ask" not in frame and "kind" in frame:  # schema 1 knew nothing but what methods presented
        frame = frame.assign(ask=frame["kind"].map(lambda kind: "reconstruct" if kind == "reconstruction" else "present"))
    missing = [c for c in columns if c not in frame]
    if missing:
        raise BenchError(f"{path} is damaged: columns {', '.join(missing)} are missing")
    return frame[list(columns)].astype({c: "category" for c in columns if c in WORDS})


def frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Rows as a table with all columns."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(columns))


def _schema() -> pa.Schema:
    import pyarrow as pa

    words = pa.dictionary(pa.int32(), pa.string())
    numbers = {"seed": pa.int64(), "k": pa.int64(), "value": pa.float64()}
    return pa.schema([(c, numbers.get(c, words)) for c in COLUMNS])
