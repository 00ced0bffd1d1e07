"""The forms of files that come from outside: what a reader relies on, field by field
(`bench.store.records` holds files against them).

A field that no form has is dropped when a file is read. A key, of which a path in a store is made,
is 64 hexadecimal digits. Names of data sets and methods are any text, and no path is made of them
but by `bench.extend.tables.safe_name`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict

from msgspec import Meta

from bench.store.records import Count, Key

Whole = Annotated[int, Meta(ge=-(2**62), le=2**62)]
Positive = Annotated[int, Meta(ge=1, lt=2**53)]
Small = Annotated[int, Meta(ge=1, le=2**20)]
Number = Annotated[float, Meta(ge=-1e100, le=1e100)]
"""A finite one, with whose square one can still calculate."""
Scalar = str | int | float | bool | None
Flat = Scalar | list[Scalar] | dict[str, Scalar]
Deeper = Scalar | list[Flat] | dict[str, Flat]
Plain = Scalar | list[Deeper] | dict[str, Deeper]
"""What a plugin may say in notes and parameters: as deep as anybody will look at it."""
Place = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]*\Z", max_length=4096)]
"""A folder or URL."""
Direction = Literal["up", "down", "target", "none"]


class Choices(TypedDict, total=False):
    """Of a protocol (`bench.protocol.Protocol`); all of them say how results compare, and these are
    used."""

    name: Required[str]
    crop: Literal["authors", "square"]
    antialias: bool
    k: Required[Small]
    draws: Small
    test_size: Positive
    test_share: Annotated[float, Meta(gt=0, le=1)]
    small_set: Count
    split_seed: Count
    weights: Required[str]
    weight_floor: Required[Annotated[float, Meta(gt=0, le=1)]]
    ab_size: Annotated[int, Meta(ge=1, le=4096)]
    grey_size: Annotated[int, Meta(ge=1, le=4096)]
    scale: Required[Annotated[float, Meta(gt=0, le=1e9)]]
    version: str


class Part(TypedDict):
    """The train or test part of a data set, in a manifest."""

    key: Key
    photographs: Count
    ids_digest: str
    excluded: dict[str, str]
    grey_only_kept: list[str]
    ids: NotRequired[list[str]]


class Listed(TypedDict):
    """How many photographs the parts have before limits."""

    train: Count
    test: Count


class CopiesOfRun(TypedDict):
    """What was found of copies in a data set (`bench.data.duplicates.Copy`), and what was done with
    those in the train part."""

    choice: Literal["drop", "keep", "fail"]
    near: Count
    train: list[tuple[str, str, str]]
    within_test: list[tuple[str, str, str]]


class DataOfRun(TypedDict):
    """A data set in a manifest."""

    train: Part
    test: Part
    digest: NotRequired[str]
    plugin: NotRequired[str]
    split: NotRequired[str]
    listed: NotRequired[Listed]
    duplicates: NotRequired[CopiesOfRun]
    left_out: NotRequired[dict[str, str]]


class AskOfRun(TypedDict):
    """What a cell was asked for."""

    ask: str
    n: Count
    shards: list[Key]
    refused: str


class CellOfRun(TypedDict):
    """One method on one data set with one seed. shards, k: of schema 1."""

    key: str
    dataset: str
    method: str
    status: Literal["done", "failed", "incompatible"]
    fit: NotRequired[Key]
    name: NotRequired[str]
    version: NotRequired[str]
    distribution: NotRequired[str]
    role: NotRequired[Literal["colourizer", "codec", "control"]]
    parameters: NotRequired[dict[str, Plain]]
    seed: NotRequired[Whole]
    reason: NotRequired[str]
    density: NotRequired[str]
    claims_draws: NotRequired[bool]
    asks: NotRequired[list[AskOfRun]]
    cached: NotRequired[bool]
    seconds: NotRequired[Number]
    shards: NotRequired[list[Key]]
    k: NotRequired[Count]


class Fitted(TypedDict):
    """What was fitted, on what."""

    method: str
    version: str
    label: str
    parameters: dict[str, Plain]
    dataset: str
    seed: Whole
    requires: dict[str, Key]
    imported: NotRequired[bool]


class FitMark(Fitted):
    """What a fit says of itself, in a manifest and in an exported card."""

    notes: dict[str, Plain]
    seconds: Number


class FitOfRun(FitMark):
    """The same in a manifest."""

    key: Key


class Commit(TypedDict):
    """Of huebench's own code, where it was a checkout."""

    commit: str
    dirty: bool


class Environment(TypedDict, total=False):
    """What a run was made with (`bench.machine.environment`)."""

    python: str
    platform: str
    processor: str
    cores: int | None
    threads: int
    libraries: dict[str, str]
    git: Commit | None


class PluginOfRun(TypedDict):
    """One that a run knew of."""

    name: str
    distribution: str
    version: str
    value: NotRequired[str]
    error: NotRequired[str | None]
    origin: NotRequired[str]
    content: NotRequired[str]
    off: NotRequired[str]


class Manifest(TypedDict):
    """`manifest.json` of a run folder. protocol: `Choices`, and what other versions of huebench
    have beside these."""

    protocol: dict[str, Scalar]
    protocol_digest: str
    datasets: dict[str, DataOfRun]
    cells: list[CellOfRun]
    store: Place
    store_digest: NotRequired[str]
    argv: list[str]
    fits: list[FitOfRun]
    schema_version: NotRequired[int]
    preset: NotRequired[str | None]
    precision: NotRequired[str]
    metrics: NotRequired[list[str]]
    threads: NotRequired[int | None]
    plugins: NotRequired[list[PluginOfRun]]
    environment: NotRequired[Environment]


class FileMark(TypedDict):
    """Size and digest of a file."""

    bytes: Count
    sha256: Key


class TrainingData(TypedDict):
    """What an exported method was fitted on."""

    name: str
    digest: str
    photographs: Count
    ids_digest: str
    licence: str


class ScoreMean(TypedDict):
    """A mean over test photographs, in a card and in `summary.csv`."""

    ask: str
    metric: str
    variant: str
    region: str
    unit: str
    direction: str
    mean: float
    images: Count


class Card(TypedDict):
    """`card.json` of an exported method."""

    label: str
    method: str
    data: TrainingData
    protocol: dict[str, Scalar]
    seed: Whole
    fit: Key
    fits: dict[Key, FitMark]
    files: dict[str, FileMark]
    schema_version: NotRequired[int]
    version: NotRequired[str]
    distribution: NotRequired[str]
    licence: NotRequired[str]
    citation: NotRequired[str]
    protocol_digest: NotRequired[str]
    precision: NotRequired[str]
    environment: NotRequired[Environment]
    scores: NotRequired[list[ScoreMean]]


class Asked(TypedDict):
    """`request.json`: a `bench.engine.request.Request` as text. checked: how prepared photographs
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


class Lists(TypedDict):
    """A split."""

    dataset: str
    train: Annotated[list[str], Meta(min_length=1)]
    test: Annotated[list[str], Meta(min_length=1)]
    digest: NotRequired[str]


class Inputs(TypedDict):
    """`inputs.json` of exported inputs. preparation: how they were prepared."""

    dataset: str
    digest: str
    protocol: dict[str, Scalar]
    preparation: dict[str, Scalar]
    photographs: Count
    k: Small
    draws: Small
    schema_version: NotRequired[int]
    huebench: NotRequired[str]
    protocol_digest: NotRequired[str]
    split_digest: NotRequired[str]
    ids_digest: NotRequired[str]
    excluded: NotRequired[dict[str, str]]
    layout: NotRequired[str]


class Compared(TypedDict):
    """`comparison.json`: the two run folders, from the comparison's."""

    runs: list[Place]


Project = TypedDict(
    "Project", {"name": str, "version": str, "entry-points": dict[str, dict[str, str]]}, total=False
)
"""What is read of a plugin's `[project]`."""


class PyProject(TypedDict, total=False):
    """A `pyproject.toml`."""

    project: Project


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
