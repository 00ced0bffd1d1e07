"""What a run measured, by data set and method: one value a photograph of every fact, and why what is missing is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.results import Results
from bench.score_table import MEASURED
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
    """What one run measured of one fact: one value a photograph, and what the table says of them."""

    values: pd.Series[float]
    seeds: frozenset[int]
    versions: str
    kinds: str
    role: str
    unit: str
    direction: Direction


@dataclass(frozen=True, eq=False)
class Side:
    """What one run has of one method on one data set. lost: (seed, ask, metric) -> why there is no value; empty: all."""

    columns: Mapping[Key, Column]
    lost: Mapping[tuple[int, str, str], str]

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for column in self.columns.values() for seed in column.seeds})

    def has(self, ask: str, metric: str, seed: int | None = None) -> bool:
        """Whether anything was measured of a metric (by a seed); empty: of any."""
        return any(
            ask in ("", key[0]) and metric in ("", key[1]) and (seed is None or seed in column.seeds)
            for key, column in self.columns.items()
        )

    def why(self, ask: str, metric: str) -> str:
        """Why a metric has no value, as far as the run says."""
        wanted = ((ask, metric), (ask, ""), ("", ""))
        found = [reason for place in wanted for (_, *lost), reason in self.lost.items() if tuple(lost) == place]
        return found[0] if found else ""


def read(result: Results, metrics: Sequence[str] = ()) -> dict[Place, Side]:
    """All methods of a run, in its order; of all metrics, or of those that are named."""
    scores = result.scores
    if metrics:
        scores = scores[scores["metric"].isin([*metrics, ""]) | scores["metric"].isna()]
    groups = scores.groupby(["dataset", "method"], sort=False, observed=True)
    found = {(str(d), str(m)): _side(rows) for (d, m), rows in groups}
    for cell in result.cells:  # what a method itself refused: the table says so of fair scores only
        if side := found.get((cell["dataset"], cell["method"])):
            asks = [a for a in cell.get("asks", ()) if a.get("refused")]
            refused = {(int(cell.get("seed") or 0), a["ask"], ""): f"refused: {a['refused']}" for a in asks}
            found[cell["dataset"], cell["method"]] = Side(side.columns, {**refused, **side.lost})
    return found


def _side(rows: pd.DataFrame) -> Side:
    known = rows["status"].isin(MEASURED)
    lost = rows[~known].drop_duplicates(["seed", "ask", "metric"])
    reasons: dict[tuple[int, str, str], str] = {}
    for row in lost[["seed", "ask", "metric", "status", "reason"]].to_dict("records"):
        place = int(row["seed"]), text(row["ask"]), text(row["metric"])
        reasons[place] = f"{row['status']}: {text(row['reason']) or 'no reason was given'}"
    measured = rows[known]
    for seed, ask, metric in reasons:  # the mean of the photographs before a metric failed is none of the set
        if metric:
            measured = measured[(measured["seed"] != seed) | (measured["ask"] != ask) | (measured["metric"] != metric)]
    return Side(_columns(measured), reasons)


def _columns(measured: pd.DataFrame) -> dict[Key, Column]:
    import pandas as pd

    codes, names = pd.factorize(measured["image"])
    images = pd.Index(names.astype(object))
    values = measured["value"].where(measured["status"] == "done").to_numpy(float)
    places: Any = measured.groupby(["ask", "metric", "variant", "region", "k"], sort=False, observed=True).indices
    found: dict[Key, Column] = {}
    for (ask, metric, variant, region, k), some in sorted(places.items(), key=lambda item: int(item[1][0])):
        sums, sizes = (np.bincount(codes[some], weights, len(images)) for weights in (values[some], None))
        there = sizes > 0
        series = pd.Series(sums[there] / sizes[there], images if there.all() else images[there])
        found[str(ask), str(metric), str(variant), str(region), int(k)] = _column(series, measured.iloc[some])
    return found


def _column(values: pd.Series[float], rows: pd.DataFrame) -> Column:
    first = rows.iloc[0]
    versions, kinds = (" and ".join(sorted(map(str, rows[c].unique()))) for c in ("metric_version", "kind"))
    part = str(first["variant"]).startswith(PART)
    return Column(values, frozenset(map(int, rows["seed"].unique())), versions, kinds, str(first["role"]), text(first["unit"]),
                   "none" if part else first["direction"])  # fmt: skip


def text(value: Any) -> str:
    """Missing values become empty text."""
    return value if isinstance(value, str) else ""
