"""A baseline as its file holds it (`bench.store.records` holds files against it)."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from bench.store.records import Count, Direction, Number, Plain, Scalar, Whole


class Ids(TypedDict):
    """A digest of a part's ids, in a baseline."""

    ids_digest: str | None
    photographs: NotRequired[Count | None]


class TestIds(Ids):
    """The test part's, with the ids."""

    ids: list[str]


class DataOfBaseline(TypedDict):
    """A data set in a baseline."""

    digest: str | None
    train: Ids
    test: TestIds


class MethodOfBaseline(TypedDict):
    """A method in a baseline."""

    dataset: str
    method: str
    seeds: list[Whole]
    name: NotRequired[str | None]
    version: NotRequired[str | None]
    distribution: NotRequired[str | None]
    parameters: NotRequired[dict[str, Plain] | None]


class Libraries(TypedDict):
    """A baseline's environment."""

    libraries: dict[str, str]


class Gated(TypedDict):
    """A quantity (`bench.gate.margins.Quantity`)."""

    dataset: str
    method: str
    metric: str
    variant: str


class ColumnOfBaseline(Gated):
    """Values of all test photographs."""

    seed: Whole
    ask: str
    kind: str
    k: Count
    version: str
    unit: str
    direction: Direction
    values: list[float | None]
    part: NotRequired[bool]


class SetOfBaseline(Gated):
    """A value of the whole set."""

    version: str
    parts: list[str]


class FloorOfBaseline(Gated):
    """The noise of training seeds."""

    floor: Number
    mean: Number
    seeds: Count


class BaselineFile(TypedDict):
    """A baseline of the gate."""

    date: str
    protocol: dict[str, Scalar]
    protocol_digest: str
    preset: str | None
    environment: Libraries
    datasets: dict[str, DataOfBaseline]
    methods: list[MethodOfBaseline]
    left_out: list[str]
    floors: list[FloorOfBaseline]
    sets: list[SetOfBaseline]
    columns: list[ColumnOfBaseline]
