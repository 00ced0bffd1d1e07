"""Values over photographs: all that runs have of one method on one data set, and the values of one
quantity, photograph by photograph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from bench.scores.columns import ScoreColumn, Scores

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from bench.results.run_folder import Results

PART = "part-"
"""Variants that begin so are what a value of the whole set is made of, and no score by themselves."""
Place = tuple[str, str]
"""Data set and method."""


class Measure(NamedTuple):
    """What is measured: a metric, its variant, its region, of how many samples, and of which ask.
    None and empty are any."""

    metric: str
    variant: str
    region: str = "all"
    k: int | None = None
    ask: str = ""


@dataclass(frozen=True, eq=False)
class Series:
    """Values `(n,)` of one quantity by the ids of n photographs; NaN is undefined.

    about: what they are of. Of several trainings they are the means, and `about` names the first
    seed, and all versions and kinds of samples.
    """

    about: ScoreColumn
    images: pd.Index[str]
    values: np.ndarray = field(repr=False)

    def at(self, images: pd.Index[str]) -> Series:
        """The values of these photographs, in this order; NaN where there is none."""
        import pandas as pd

        if images.equals(self.images):
            return self
        values = pd.Series(self.values, self.images).reindex(images).to_numpy(float)
        return replace(self, images=images, values=values)

    def shared(self, other: Series) -> tuple[Series, Series]:
        """Both, of the photographs that both have."""
        there = self.images.isin(other.images)
        return self.at(self.images[there]), other.at(self.images[there])


@dataclass(frozen=True, eq=False)
class MethodScores:
    """What one run, or several together, have of one method on one data set.

    columns: those with values, in the order of the tables, each with the position of its run; where
    runs measured the same photographs, the first one counts. Values are read from the tables each
    time: memory holds a few columns. lost: (seed, ask, metric) -> why there is no value; empty: all.
    """

    columns: tuple[tuple[int, ScoreColumn], ...]
    tables: Mapping[int, Scores]
    lost: Mapping[tuple[int, str, str], str] = field(default_factory=dict)

    @cached_property
    def measures(self) -> dict[Measure, None]:
        """All that was measured, in the order of the tables."""
        return dict.fromkeys(
            Measure(c.metric, c.variant, c.region, c.k, c.ask) for _, c in self.columns
        )

    @property
    def seeds(self) -> list[int]:
        """The training seeds."""
        return sorted({column.seed for _, column in self.columns})

    def of(self, measure: Measure) -> list[tuple[int, ScoreColumn]]:
        """A measure's columns."""
        found = self._places.get(measure[:3], [])
        return [
            (run, column)
            for run, column in found
            if measure.k in (None, column.k) and measure.ask in ("", column.ask)
        ]

    def about(self, measure: Measure) -> ScoreColumn:
        """What is known of a measure without reading it. Parts of a set's value have no direction."""
        columns = [column for _, column in self.of(measure)]
        return replace(
            columns[0],
            metric_version=" and ".join(sorted({c.metric_version for c in columns})),
            kind=" and ".join(sorted({c.kind for c in columns})),
            direction="none" if measure.variant.startswith(PART) else columns[0].direction,
        )

    def series(self, measure: Measure) -> Series:
        """The mean over trainings, by photograph; NaN where one of them is undefined."""
        found = self.values(measure)
        return Series(self.about(measure), found.index, found.to_numpy())

    def values(self, measure: Measure) -> pd.Series[float]:
        """The same by image id; empty where nothing was measured."""
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
        """Training seed -> one value a photograph."""
        import pandas as pd

        found: dict[int, list[pd.Series[float]]] = {}
        for column, at, values in self._read(measure):
            found.setdefault(column.seed, []).append(pd.Series(values, index=self._images[at]))
        return {
            str(seed): parts[0] if len(parts) == 1 else pd.concat(parts)
            for seed, parts in sorted(found.items())
        }

    @cached_property
    def photographs(self) -> int:
        """How many photographs have a value of any measure."""
        import numpy as np

        there = np.zeros(len(self._images), bool)
        for run, column in sorted(self.columns, key=lambda each: -each[1].rows):
            if not there.all():
                there[self._position(run, self.tables[run].values(column)[0])] = True
        return int(there.sum())

    def count(self, measure: Measure) -> int:
        """How many samples stand behind a value, at most; 0 where nothing was measured."""
        return max((column.k for _, column in self.of(measure)), default=0)

    def variants(self, metric: str, region: str = "all") -> list[str]:
        """The variants of a metric that were measured, in the order of the table."""
        return [
            variant for name, variant, where in self._places if (name, where) == (metric, region)
        ]

    def has(self, *metrics: str, ask: str = "", seed: int | None = None) -> bool:
        """Whether anything was measured of one of these metrics (of an ask, by a seed); empty: of
        any."""
        return any(
            (column.metric in metrics or "" in metrics)
            and ask in ("", column.ask)
            and seed in (None, column.seed)
            for _, column in self.columns
        )

    def why(self, ask: str, metric: str) -> str:
        """Why a metric has no value, as far as the run says."""
        for wanted in ((ask, metric), (ask, ""), ("", "")):
            for (_, *lost), reason in self.lost.items():
                if tuple(lost) == wanted:
                    return reason
        return ""

    def _read(self, measure: Measure) -> Iterator[tuple[ScoreColumn, np.ndarray, np.ndarray]]:
        """Each column with positions of photographs and values; without what an earlier run
        measured, too."""
        import numpy as np

        taken: dict[tuple[object, ...], np.ndarray] = {}
        for run, column in self.of(measure):
            found, values = self.tables[run].values(column)
            at = self._position(run, found)
            if len(self.tables) > 1:
                seen = taken.setdefault(identity(column), np.full(len(self._images), -1))
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
            key = column.metric, column.variant, column.region
            found.setdefault(key, []).append((run, column))
        return found

    @cached_property
    def _images(self) -> pd.Index[str]:
        """Of all runs, in the first one's order."""
        import pandas as pd

        each = [table.images(self._dataset) for table in self.tables.values() if self.columns]
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


def gathered(
    columns: Sequence[tuple[int, ScoreColumn]],
    tables: Sequence[Scores],
    refused: Mapping[tuple[int, str, str], str] | None = None,
) -> MethodScores:
    """The scores of some columns, with the positions of their tables, of one method on one data
    set. refused: what it refused itself, as `lost` has it. Without what a metric measured
    before it failed: the mean of some photographs is none of the set."""
    lost: dict[tuple[int, str, str], str] = {}
    for _, c in columns:
        if not c.measured:
            why = f"{c.status}: {c.reason or 'no reason was given'}"
            lost.setdefault((c.seed, c.ask, c.metric), why)
    whole = tuple(
        (run, c)
        for run, c in columns
        if c.measured and not (c.metric and (c.seed, c.ask, c.metric) in lost)
    )
    used = {run: tables[run] for run in dict.fromkeys(run for run, _ in whole)}
    return MethodScores(whole, used, {**(refused or {}), **lost})


def method_scores(
    result: Results, metrics: Sequence[str] = (), seed: int | None = None
) -> dict[Place, MethodScores]:
    """All methods of a run, in its order; of all metrics, or of those that are named; of all
    training seeds, or of one."""
    places: dict[Place, list[tuple[int, ScoreColumn]]] = {}
    for column in result.table.columns:
        if seed in (None, column.seed) and (not metrics or column.metric in (*metrics, "")):
            places.setdefault((column.dataset, column.method), []).append((0, column))
    refused: dict[Place, dict[tuple[int, str, str], str]] = {}
    for cell in reversed(result.cells):  # the table says of fair scores only what a method refused
        found = refused.setdefault((cell.dataset, cell.method), {})
        for ask in (each for each in cell.asks if each.refused):
            found[cell.seed, ask.name, ""] = f"refused: {ask.refused}"
    return {
        place: gathered(columns, [result.table], refused.get(place))
        for place, columns in places.items()
    }


def metric_names(result: Results) -> set[str]:
    """Names of all metrics of a run, those without a value among them."""
    of_sets = {str(name) for name in result.set_scores["metric"].unique()}
    return {name for name in (of_sets | {column.metric for column in result.table.columns}) if name}


def identity(column: ScoreColumn) -> tuple[object, ...]:
    """What two runs that say the same say it of, beside the photograph."""
    return column.seed, column.ask, column.metric, column.variant, column.region, column.k
