"""A baseline as its file holds it (`bench.store.records` holds files against it)."""

from __future__ import annotations

from bench.store.records import Count, Direction, Form, Number, Plain, Scalar, Whole


class Ids(Form, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a data set. ids: of the test part's photographs."""

    ids_digest: str | None
    photographs: Count | None = None
    ids: tuple[str, ...] = ()


class DataOfBaseline(Form, frozen=True, kw_only=True):
    """A data set."""

    digest: str | None
    train: Ids
    test: Ids


class MethodOfBaseline(Form, frozen=True, kw_only=True):
    """A method, with all its trainings."""

    dataset: str
    method: str
    seeds: tuple[Whole, ...]
    name: str | None = None
    version: str | None = None
    distribution: str | None = None
    parameters: dict[str, Plain] | None = None


class Libraries(Form, frozen=True, kw_only=True):
    """What a baseline was made with."""

    libraries: dict[str, str]


class Origin(Form, frozen=True, kw_only=True):
    """What a reader, and a comparison, need of the manifest of the run that a baseline is of."""

    date: str
    protocol: dict[str, Scalar]
    protocol_digest: str
    preset: str | None
    environment: Libraries
    datasets: dict[str, DataOfBaseline]
    methods: tuple[MethodOfBaseline, ...]


class Gated(Form, frozen=True, kw_only=True):
    """A quantity (`bench.gate.margins.Quantity`)."""

    dataset: str
    method: str
    metric: str
    variant: str


class ColumnOfBaseline(Gated, frozen=True, kw_only=True):
    """Values of all test photographs."""

    seed: Whole
    ask: str
    kind: str
    k: Count
    version: str
    unit: str
    direction: Direction
    values: tuple[float | None, ...]
    part: bool = False


class SetOfBaseline(Gated, frozen=True, kw_only=True):
    """A value of the whole set."""

    version: str
    parts: tuple[str, ...]


class FloorOfBaseline(Gated, frozen=True, kw_only=True):
    """The noise of training seeds."""

    floor: Number
    mean: Number
    seeds: Count


class BaselineFile(Origin, frozen=True, kw_only=True):
    """A baseline of the gate."""

    left_out: tuple[str, ...]
    floors: tuple[FloorOfBaseline, ...]
    sets: tuple[SetOfBaseline, ...]
    columns: tuple[ColumnOfBaseline, ...]
