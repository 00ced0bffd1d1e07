"""The manifest of a run: what was done, with what, and how it ended; read and written here.

Names of data sets and methods are any text, and no path is made of them without being changed
first. A key, of which a path in a store is made, is 64 hexadecimal digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from bench import keys
from bench.errors import BenchError
from bench.machine import places
from bench.store import records
from bench.store.files import write_json
from bench.store.forms import Choices
from bench.store.marks import Fitted
from bench.store.records import Count, Form, Key, Number, Place, Plain, Scalar, Whole

FILE = "manifest.json"
SCHEMA = 2
"""Version of a manifest. 2: a cell has several asks (what was presented, draws); 1 had one."""

CellStatus = Literal["done", "failed", "incompatible"]
Role = Literal["colourizer", "codec", "control"]


class Part(Form, frozen=True, kw_only=True):
    """The train or test part of a data set. key: of its prepared photographs. excluded: id -> why.
    ids: of all that are in it, which the oldest manifests don't have."""

    key: Key
    photographs: Count
    ids_digest: str
    excluded: dict[str, str]
    grey_only_kept: tuple[str, ...]
    ids: tuple[str, ...] | None = None


class Listed(Form, frozen=True, kw_only=True):
    """How many photographs the parts have before limits."""

    train: Count
    test: Count


class Copies(Form, frozen=True, kw_only=True):
    """What was found of copies in a data set (`bench.data.duplicates.Copy`), and what was done with
    those in the train part."""

    choice: Literal["drop", "keep", "fail"]
    near: Count
    train: tuple[tuple[str, str, str], ...]
    within_test: tuple[tuple[str, str, str], ...]


class DataSet(Form, frozen=True, kw_only=True):
    """A data set of a run. plugin: the name of its spec; empty in old manifests. split: the digest
    of the lists of ids that a file brought."""

    train: Part
    test: Part
    digest: str = ""
    plugin: str = ""
    split: str = ""
    listed: Listed | None = None
    duplicates: Copies | None = None
    left_out: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def parts(self) -> dict[str, Part]:
        """Both parts, by name."""
        return {"train": self.train, "test": self.test}


class Ask(Form, frozen=True, kw_only=True, rename={"name": "ask"}):
    """What a fit is asked for: to `present` k colourizations, for n independent `draws`, to
    `reconstruct` the truth. shards: keys of the samples, a shard of photographs each. refused: why
    the method has none (then there are no shards)."""

    name: str
    n: Count
    shards: tuple[Key, ...] = ()
    refused: str = ""


class Cell(Form, frozen=True, kw_only=True):
    """One method on one data set with one seed. method: as it was asked for, paths shortened; name:
    of its spec. distribution: of the plugin that brings it. seconds: that fitting and sampling
    took in this run."""

    key: str
    dataset: str
    method: str
    status: CellStatus
    fit: Key | None = None
    name: str = ""
    version: str = ""
    distribution: str = ""
    role: Role = "colourizer"
    parameters: dict[str, Plain] = msgspec.field(default_factory=dict)
    seed: Whole = 0
    reason: str = ""
    density: str = ""
    claims_draws: bool = False
    asks: tuple[Ask, ...] = ()
    cached: bool = False
    seconds: Number = 0.0


class Fit(Fitted, frozen=True, kw_only=True):
    """A fit of a run."""

    key: Key


class Commit(Form, frozen=True, kw_only=True):
    """Of huebench's own code, where it was a checkout."""

    commit: str
    dirty: bool


class Environment(Form, frozen=True, kw_only=True):
    """What a run was made with (`bench.machine.environment`)."""

    python: str = ""
    platform: str = ""
    processor: str = ""
    cores: int | None = None
    threads: int = 0
    libraries: dict[str, str] = msgspec.field(default_factory=dict)
    git: Commit | None = None


class PluginOfRun(Form, frozen=True, kw_only=True):
    """A plugin that a run knew of (`bench.plugins.loader.Plugin`)."""

    name: str
    distribution: str
    version: str
    value: str = ""
    error: str | None = None
    origin: str = ""
    content: str = ""
    off: str = ""


class Manifest(Form, frozen=True, kw_only=True):
    """`manifest.json` of a run folder. protocol: its choices (`bench.protocol.Protocol`), and what
    other versions of huebench have beside these. store: where the samples are, as `read` found it;
    in the file as seen from the run folder."""

    protocol: dict[str, Scalar]
    protocol_digest: str
    datasets: dict[str, DataSet]
    cells: tuple[Cell, ...]
    store: Place
    argv: tuple[str, ...]
    fits: tuple[Fit, ...]
    store_digest: str = ""
    schema_version: int = 1
    preset: str | None = None
    precision: str = ""
    metrics: tuple[str, ...] = ()
    threads: int | None = None
    plugins: tuple[PluginOfRun, ...] = ()
    environment: Environment = msgspec.field(default_factory=Environment)

    @property
    def choices(self) -> Choices:
        """The protocol's choices that results depend on."""
        return records.checked(self.protocol, Choices, "protocol")


def read(folder: Path) -> Manifest:
    """The manifest of a run folder. BenchError when it is missing, damaged or of a newer schema."""
    path = folder / FILE
    if not folder.is_dir():
        raise BenchError(f"{folder} is no run folder: it does not exist")
    if not path.is_file():
        raise BenchError(f"{folder} has no {FILE}: it is no run folder, or its run did not finish")
    found = records.checked(_old(records.loaded(path)), Manifest, path, newest=SCHEMA)
    records.checked(found.protocol, Choices, f"{path}: protocol")
    if keys.key("protocol", **found.protocol) != found.protocol_digest:
        raise BenchError(
            f"{path} was changed: its protocol is not that of its digest, which the scores are of"
        )
    if strange := next((c.dataset for c in found.cells if c.dataset not in found.datasets), None):
        raise BenchError(
            f"{path} is damaged: a cell is of the data set '{strange[:80]}', which the run does "
            "not have"
        )
    cells = tuple(cell if cell.name else _named(cell) for cell in found.cells)
    return msgspec.structs.replace(found, cells=cells, store=str(places.found(found.store, folder)))


def write(folder: Path, manifest: Manifest) -> None:
    """Write a manifest into a run folder, and the store as it is seen from there."""
    there = {"store": places.relative(manifest.store, folder)}
    write_json(folder / FILE, records.plain(manifest) | there)


def _named(cell: Cell) -> Cell:
    return msgspec.structs.replace(cell, name=cell.method)


def _old(found: Any) -> Any:
    """A manifest of schema 1, where a cell was asked for one thing, in today's form; whatever else
    as it is."""
    if not isinstance(found, Mapping) or not isinstance(cells := found.get("cells"), list):
        return found
    return {**found, "cells": [_with_asks(cell) for cell in cells]}


def _with_asks(cell: Any) -> Any:
    if not isinstance(cell, Mapping) or "shards" not in cell or "asks" in cell:
        return cell
    ask = "reconstruct" if cell.get("role") == "codec" else "present"
    return {**cell, "asks": [{"ask": ask, "n": cell.get("k", 0), "shards": cell["shards"]}]}
