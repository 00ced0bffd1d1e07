"""One method's values on one data set, read measure by measure from the runs' tables: memory holds
a few columns at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from bench.scores.columns import ScoreColumn, Scores


@dataclass(frozen=True)
class Measure:
    """One column of values: a metric, its variant, its region, and of how many samples (0: whatever
    there are)."""

    metric: str
    variant: str
    region: str = "all"
    k: int = 0


@dataclass(frozen=True)
class Facts:
    """Columns of the runs' tables, each with the position of its run; where runs measured the same
    photographs, the first counts.

    NaN is a value that is undefined.
    """

    columns: tuple[tuple[int, ScoreColumn], ...]
    tables: Mapping[int, Scores]

    def values(self, measure: Measure) -> pd.Series[float]:
        """One value a photograph, by image id: the mean over seeds, NaN if any seed's value is NaN."""
        import numpy as np
        import pandas as pd

        sums, sizes = (np.zeros(len(self._images)) for _ in range(2))
        for _, at, values in self._read(measure):
            sums += np.bincount(at, values, len(sums))
            sizes += np.bincount(at, minlength=len(sums))
        there = sizes > 0
        return pd.Series(
            sums[there] / sizes[there], index=self._images if there.all() else self._images[there]
        )

    def by_seed(self, measure: Measure) -> dict[str, pd.Series[float]]:
        """Seed -> one value a photograph."""
        import pandas as pd

        found: dict[int, list[pd.Series[float]]] = {}
        for column, at, values in self._read(measure):
            found.setdefault(column.seed, []).append(pd.Series(values, index=self._images[at]))
        return {
            text(seed): parts[0] if len(parts) == 1 else pd.concat(parts)
            for seed, parts in sorted(found.items())
        }

    def count(self, measure: Measure) -> int:
        """How many samples stand behind a value, at most; 0 where nothing was measured."""
        return max((column.k for _, column in self._at(measure)), default=0)

    @cached_property
    def photographs(self) -> int:
        """How many photographs have a value of any measure."""
        import numpy as np

        there = np.zeros(len(self._images), bool)
        for run, column in sorted(self.columns, key=lambda each: -each[1].rows):
            if not there.all():
                there[self._position(run, self.tables[run].values(column)[0])] = True
        return int(there.sum())

    def several(self, measure: Measure) -> bool:
        """Whether a photograph has several values of a measure, of different numbers of samples."""
        return len({column.k for _, column in self._at(measure)}) > 1

    def has(self, *metrics: str) -> bool:
        """Whether anything was measured."""
        return any(key[0] in metrics for key in self._places)

    @property
    def metrics(self) -> set[str]:
        """What was measured of whole photographs."""
        return {key[0] for key in self._places if key[2] == "all"}

    def words(self, measure: Measure) -> tuple[str, str]:
        """Direction and unit, as the run has them."""
        column = self._at(measure)[0][1]
        return column.direction, column.unit

    def versions(self, measure: Measure) -> list[str]:
        """Versions of the metric behind a measure; one with parameters that are not the default has
        them in brackets."""
        return list(dict.fromkeys(column.metric_version for _, column in self._at(measure)))

    def variants(self, metric: str, region: str = "all") -> list[str]:
        """The variants of a metric that were measured, in the order of the table."""
        return [key[1] for key in self._places if (key[0], key[2]) == (metric, region)]

    def _at(self, measure: Measure) -> list[tuple[int, ScoreColumn]]:
        """A measure's columns."""
        found = self._places.get((measure.metric, measure.variant, measure.region), [])
        return [(run, column) for run, column in found if measure.k in (0, column.k)]

    def _read(self, measure: Measure) -> Iterator[tuple[ScoreColumn, np.ndarray, np.ndarray]]:
        """Each column with positions of photographs and values; without what an earlier run
        measured, too."""
        import numpy as np

        taken: dict[tuple[Any, ...], np.ndarray] = {}
        for run, column in self._at(measure):
            found, values = self.tables[run].values(column)
            at = self._position(run, found)
            if len(self.tables) > 1:
                seen = taken.setdefault(fact(column), np.full(len(self._images), -1))
                new = (seen[at] < 0) | (seen[at] == run)
                seen[at[new]] = run
                at, values = at[new], values[new]
            yield column, at, values

    def _position(self, run: int, found: np.ndarray) -> np.ndarray:
        """Positions among all photographs of positions in a run's."""
        return self._positions[run][found] if len(self.tables) > 1 else found

    @cached_property
    def _places(self) -> dict[tuple[str, str, str], list[tuple[int, ScoreColumn]]]:
        found: dict[tuple[str, str, str], list[tuple[int, ScoreColumn]]] = {}
        for run, column in self.columns:
            found.setdefault((column.metric, column.variant, column.region), []).append(
                (run, column)
            )
        return found

    @cached_property
    def _images(self) -> pd.Index[str]:
        """Of all runs, in the first one's order."""
        import pandas as pd

        each = (
            [self.tables[run].images(self._dataset) for run in self.tables] if self.columns else []
        )
        found = each[0] if each else pd.Index([], dtype=object)
        for images in each[1:]:
            found = found.append(images[~images.isin(found)])
        return found

    @cached_property
    def _positions(self) -> dict[int, np.ndarray]:
        return {
            run: self._images.get_indexer(table.images(self._dataset))
            for run, table in self.tables.items()
        }

    @property
    def _dataset(self) -> str:
        return self.columns[0][1].dataset


def fact(column: ScoreColumn) -> tuple[Any, ...]:
    """What two runs that say the same say it of, beside the photograph."""
    return column.seed, column.ask, column.metric, column.variant, column.region, column.k


def text(value: Any) -> str:
    """Missing values become empty text; a seed that a table has turned into 0.0 becomes 0 again."""
    import pandas as pd

    if value is None or pd.isna(value):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
