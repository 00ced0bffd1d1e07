"""Where the columns of a table of scores lie, as its file says (`bench.store.records` holds files
against it)."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from msgspec import Meta

from bench.store.records import Count, Number, Whole


class ScoreIndex(TypedDict):
    """Where the columns of `scores.parquet` lie: words, and lines that name them by number."""

    words: list[str]
    columns: list[list[Any]]


class ScoreLine(TypedDict):
    """A line of it, by the names of `bench.scores.columns.ScoreColumn`; words by number. begin,
    whole: its place."""

    run: Count
    cell: Count
    dataset: Count
    method: Count
    role: Count
    parameters: Count
    seed: Whole
    ask: Count
    metric: Count
    variant: Count
    metric_version: Count
    direction: Count
    unit: Count
    region: Count
    kind: Count
    k: Count
    status: Count
    reason: Count
    rows: Annotated[int, Meta(ge=1)]
    undefined: Count
    mean: Number | None
    squares: Number | None
    begin: Count
    whole: bool
