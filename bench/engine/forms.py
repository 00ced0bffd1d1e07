"""A run's request as its file holds it (`bench.store.records` holds files against it)."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from bench.store.records import Count, Number, Positive, Small, Whole


class Asked(TypedDict):
    """`request.json`: a `bench.contracts.request.Request` as text. checked: how prepared photographs
    looked (`bench.store.local.Store.looks`)."""

    methods: list[str]
    datasets: list[str]
    protocol: str
    preset: str | None
    k: Small | None
    draws: Small | None
    seeds: list[Whole]
    limit_train: Positive | None
    limit_test: Positive | None
    data_home: str | None
    splits: list[str]
    store: str | None
    device: str
    strict: bool
    metrics: list[str]
    executor: str
    timeout: Number | None
    memory: Number | None
    scheduler: str
    threads: Small | None
    precision: str
    devices: Small
    nodes: Small
    strategy: str
    cache_budget: Number
    duplicates: Literal["drop", "keep", "fail"]
    near_duplicates: Count
    checked: list[Annotated[str, Meta(pattern=r"^([0-9a-f]{2})*\Z")]]
