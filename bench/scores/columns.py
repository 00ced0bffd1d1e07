"""Scores by column: all values of one variant of one metric for one ask of one cell, which are read
one by one.

What is said of a column (counts, mean) is known without reading its values: so reports of 100,000
photographs hold a few columns at a time, and never the long table of all rows.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bench.specs import Direction

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MEASURED = ("done", "undefined")
"""Statuses of the rows of a metric that was computed."""
UNDEFINED = "it has no value for this photograph"


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
NUMBERS = ("seed", "k")


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
        numbers = {name: int(first[name] or 0) for name in NUMBERS}
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


def text(value: Any) -> str:
    """Missing values become empty text."""
    return value if isinstance(value, str) else ""
