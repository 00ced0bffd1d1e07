"""What a run measured, by data set and method: one value a photograph of every fact, and why what
is missing is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.results.run_folder import Results
from bench.scores.columns import ScoreColumn, Scores
from bench.specs import Direction

if TYPE_CHECKING:
    import pandas as pd

PART = "part-"
"""Variants that begin so are what a value of the whole set is made of, and no score by themselves."""
Place = tuple[str, str]
"""Data set and method."""
Key = tuple[str, str, str, str, int]
"""A fact without its place."""


@dataclass(frozen=True, eq=False)
class Column:
    """What one run measured of one fact: one value a photograph, and what the table says of them.
    parts: a column of the table a training."""

    table: Scores
    parts: tuple[ScoreColumn, ...]

    @property
    def values(self) -> pd.Series[float]:
        """The mean over trainings, by photograph; read from the run's table each time."""
        import pandas as pd

        images = self.table.images(self.parts[0].dataset)
        read = [self.table.values(part) for part in self.parts]
        sums, sizes = np.zeros(len(images)), np.zeros(len(images))
        for at, values in read:
            sums += np.bincount(at, values, len(images))
            sizes += np.bincount(at, minlength=len(images))
        there = sizes > 0
        return pd.Series(sums[there] / sizes[there], index=images[there])

    @property
    def seeds(self) -> frozenset[int]:
        """The training seeds."""
        return frozenset(part.seed for part in self.parts)

    @property
    def versions(self) -> str:
        """Versions of the metric, in one line."""
        return " and ".join(sorted({part.metric_version for part in self.parts}))

    @property
    def kinds(self) -> str:
        """Kinds of samples, in one line."""
        return " and ".join(sorted({part.kind for part in self.parts}))

    @property
    def role(self) -> str:
        """Of the method."""
        return self.parts[0].role

    @property
    def unit(self) -> str:
        """Of the values."""
        return self.parts[0].unit

    @property
    def direction(self) -> Direction:
        """Of the metric; parts of a set's value have none."""
        return "none" if self.parts[0].variant.startswith(PART) else self.parts[0].direction


@dataclass(frozen=True, eq=False)
class Side:
    """What one run has of one method on one data set. lost: (seed, ask, metric) -> why there is no
    value; empty: all."""

    columns: Mapping[Key, Column]
    lost: Mapping[tuple[int, str, str], str]

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for column in self.columns.values() for seed in column.seeds})

    def has(self, ask: str, metric: str, seed: int | None = None) -> bool:
        """Whether anything was measured of a metric (by a seed); empty: of any."""
        return any(
            ask in ("", key[0])
            and metric in ("", key[1])
            and (seed is None or seed in column.seeds)
            for key, column in self.columns.items()
        )

    def why(self, ask: str, metric: str) -> str:
        """Why a metric has no value, as far as the run says."""
        wanted = ((ask, metric), (ask, ""), ("", ""))
        found = [
            reason
            for place in wanted
            for (_, *lost), reason in self.lost.items()
            if tuple(lost) == place
        ]
        return found[0] if found else ""


def read(
    result: Results, metrics: Sequence[str] = (), seed: int | None = None
) -> dict[Place, Side]:
    """All methods of a run, in its order; of all metrics, or of those that are named; of all
    training seeds, or of one."""
    places: dict[Place, list[ScoreColumn]] = {}
    for column in result.table.columns:
        if seed in (None, column.seed) and (not metrics or column.metric in (*metrics, "")):
            places.setdefault((column.dataset, column.method), []).append(column)
    found = {place: _side(result.table, columns) for place, columns in places.items()}
    for cell in result.cells:  # what a method itself refused: the table says so of fair scores only
        if side := found.get((cell["dataset"], cell["method"])):
            asks = [a for a in cell.get("asks", ()) if a.get("refused")]
            refused = {
                (int(cell.get("seed") or 0), a["ask"], ""): f"refused: {a['refused']}" for a in asks
            }
            found[cell["dataset"], cell["method"]] = Side(side.columns, {**refused, **side.lost})
    return found


def metrics(result: Results) -> set[str]:
    """Names of all metrics of a run, those without a value among them."""
    of_sets = {str(name) for name in result.set_scores["metric"].unique()}
    return {name for name in (of_sets | {column.metric for column in result.table.columns}) if name}


def _side(table: Scores, columns: Sequence[ScoreColumn]) -> Side:
    lost: dict[tuple[int, str, str], str] = {}
    for c in columns:
        if not c.measured:
            lost.setdefault(
                (c.seed, c.ask, c.metric), f"{c.status}: {c.reason or 'no reason was given'}"
            )
    return Side(dict(_columns(table, [c for c in columns if c.measured], set(lost))), lost)


def _columns(
    table: Scores, measured: Sequence[ScoreColumn], lost: set[tuple[int, str, str]]
) -> Iterator[tuple[Key, Column]]:
    """Without what a metric measured before it failed: the mean of some photographs is none of the
    set."""
    found: dict[Key, list[ScoreColumn]] = {}
    for c in measured:
        if not (c.metric and (c.seed, c.ask, c.metric) in lost):
            found.setdefault((c.ask, c.metric, c.variant, c.region, c.k), []).append(c)
    return ((key, Column(table, tuple(parts))) for key, parts in found.items())
