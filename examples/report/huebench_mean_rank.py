"""Report `mean-rank`: each method's rank by every metric, averaged, as many benchmarks show it.

It is easy to read and easy to game: metrics that say the same thing count twice, and none of the
differences is tested. The built-in report `ranking` does neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.extend import table
from bench.scores.columns import MEASURED

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from bench.results.run_folder import Results


def mean_rank_bars(axes: Axes, rows: pd.DataFrame) -> None:
    """Mean rank of each method; 1 is best."""
    axes.barh(rows["dataset"] + ": " + rows["method"], rows["rank"])
    axes.set_xlabel("mean rank")
    axes.invert_yaxis()


@table(
    title="Mean ranks",
    columns={"dataset": "Data set", "rank": "Mean rank"},
    figures=[mean_rank_bars],
    order=40,
    licence="Apache-2.0",
    citation="an example",
)
def mean_rank(results: Sequence[Results]) -> pd.DataFrame:
    """Mean ranks over metrics.

    Rank of each method by the mean over photographs, averaged over metrics that have a direction,
    of independent draws. Controls, methods that can't draw and metrics that a method has no value
    of are left out. Nothing is tested for chance.
    """
    import pandas as pd

    return mean_ranks(pd.concat([result.scores for result in results]))


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
