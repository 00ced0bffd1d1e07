"""Report `mean-rank`: each method's rank by every metric, averaged, as many benchmarks show it.

It is easy to read and easy to game: metrics that say the same thing count twice, and none of the
differences is tested. The built-in report `ranking` does neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.hookspecs import hookimpl
from bench.output import Output
from bench.scores.long_table import MEASURED
from bench.specs import ReportSpec

if TYPE_CHECKING:
    import pandas as pd

    from bench.results.run_folder import Results

TEXT = (
    "Rank of each method by the mean over photographs, averaged over metrics that have a "
    "direction, of independent draws. "
    "Controls, methods that can't draw and metrics that a method has no value of are left out. "
    "Nothing is tested for chance."
)


@hookimpl
def bench_register_reports() -> Iterable[ReportSpec]:
    """One report."""
    yield ReportSpec(
        name="mean-rank",
        summary="mean ranks over metrics",
        factory=f"{__name__}:write",
        order=40,
        licence="Apache-2.0",
        citation="an example",
    )


def write(results: Sequence[Results], out: Output) -> list[Path]:
    """`tables/mean-rank.*`, in the formats that are wanted, or nothing where nothing is ranked."""
    import pandas as pd

    from bench.reports.markup import Table
    from bench.reports.tables import write_csv, write_tables
    from bench.text import markdown

    ranks = mean_ranks(pd.concat([result.scores for result in results]))
    if ranks.empty:
        return []
    records = [dict(zip(map(str, ranks.columns), row)) for row in ranks.itertuples(index=False)]
    table = Table(["Data set", "Method", "Mean rank", "Metrics"], words=2)
    table.rows = [
        [markdown(r["dataset"]), markdown(r["method"]), f"{r['rank']:.2f}", f"{r['metrics']}"]
        for r in records
    ]
    return [
        *write_tables(out, "mean-rank", ["### Mean ranks", TEXT, table]),
        *write_csv(out, "mean-rank", records),
    ]


def mean_ranks(scores: pd.DataFrame) -> pd.DataFrame:
    """Columns dataset, method, rank (1 is best), metrics (how many), of the long table of scores
    (`bench.scores.long_table`)."""
    import pandas as pd

    rows = scores[
        (scores["role"] == "colourizer") & (scores["ask"] == "draws") & (scores["region"] == "all")
    ]
    rows = rows[rows["direction"].isin(["up", "down"]) & rows["status"].isin(MEASURED)]
    rows = rows.astype(dict.fromkeys(["dataset", "metric", "variant", "direction", "method"], str))
    rows = rows[rows["variant"] == rows.groupby("metric")["variant"].transform("first")]
    parts = [_of_one_set(str(name), some) for name, some in rows.groupby("dataset", sort=False)]
    return (
        pd.concat(parts, ignore_index=True)
        if parts
        else pd.DataFrame(columns=["dataset", "method", "rank", "metrics"])
    )


def _of_one_set(dataset: str, rows: pd.DataFrame) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    # one photograph without a value makes the mean NaN: a mean over the rest would flatter the
    # method
    each = rows.groupby(["metric", "direction", "method"])["value"].agg(
        lambda values: values.mean(skipna=False)
    )
    means = each.unstack("method").dropna()
    sign = np.where(means.index.get_level_values("direction") == "down", 1, -1)
    ranks = (
        means.mul(sign, axis="index")
        .rank(axis="columns")
        .mean()
        .dropna()
        .sort_values(kind="stable")
    )
    return pd.DataFrame(
        {"dataset": dataset, "method": ranks.index, "rank": ranks.to_numpy(), "metrics": len(means)}
    )
