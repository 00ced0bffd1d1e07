"""A data set as a run sees it: its photographs, read once and remembered, and its two parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import keys
from bench.contracts import Dataset, Photo, Progress
from bench.errors import BenchError, NothingMeasured, beside
from bench.pictures import images
from bench.protocol import Protocol
from bench.specs import DatasetSpec
from bench.store import records, stored
from bench.store.files import write_json
from bench.store.local import Store
from bench.text import storable

if TYPE_CHECKING:
    from bench.data.splits import Split

NAMED = 10
"""Of what is left out."""


@dataclass(frozen=True)
class Source:
    """A data set as a run sees it: name, plugin, content digest, and the split's ordered ids;
    lists: the digest of the split, where a file brought it. left_out: what is in neither part
    though it may be a photograph, and why. digests: of the photographs' files, by id."""

    name: str
    spec: DatasetSpec
    dataset: Dataset
    digest: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    lists: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Index:
    """What a data set holds: its photographs, by id, and what is left out, and why."""

    photos: list[Photo]
    left_out: dict[str, str]


class _Passing(Exception):
    """Files can't be read now that can be opened: what was found without them is not kept."""

    def __init__(self, found: Index) -> None:
        self.found = found


def index(dataset: Dataset, store: Store, progress: Progress) -> Index:
    """Ids and digests of all photographs; read once, then remembered while the source looks the
    same."""
    key = keys.key("index", signature=dataset.signature(), form=2)

    def build(folder: Path) -> dict[str, Any]:
        ids = dataset.files()
        photos, left_out = [], dict(dataset.left_out())
        lasting = set(left_out)
        with progress.task("reading digests", len(ids)) as bar:
            for name, data in dataset.read(set(ids)):
                if isinstance(data, images.Unreadable):
                    left_out[name] = str(data)
                else:
                    photos.append(Photo(name, keys.sha256(data)))
                bar.advance()
        found = Index(sorted(photos, key=lambda p: p.id), left_out)
        if left_out.keys() - lasting:
            raise _Passing(found)
        write_json(folder / "photos.json", asdict(found))
        return {}

    try:
        path = store.get("indexes", key, build) / "photos.json"
    except _Passing as passing:
        return passing.found
    return records.read(path, Index, stored.AGAIN)


def split(ids: Sequence[str], protocol: Protocol, name: str) -> tuple[list[str], list[str]]:
    """The protocol's random split, both parts in random order, so that every prefix is a random
    subset.

    1,000 test photographs, or a tenth of a set smaller than 5,000 (the paper, section 7.1).
    """
    order = sorted(ids)
    np.random.default_rng(protocol.split_seed).shuffle(order)
    small = len(order) < protocol.small_set
    count = (
        min(protocol.test_size, max(1, round(protocol.test_share * len(order))))
        if small
        else protocol.test_size
    )
    if len(order) < 2:
        raise NothingMeasured(
            f"dataset {name} has {len(order)} photograph(s): at least 2 are needed to train and "
            "test"
        )
    return order[count:], order[:count]


def make_source(
    spec: DatasetSpec,
    name: str,
    dataset: Dataset,
    protocol: Protocol,
    store: Store,
    progress: Progress,
    lists: Split | None = None,
) -> Source:
    """Index and split a data set; by `lists`, if there are any."""
    found = index(dataset, store, progress)
    digest = keys.digest_of(f"{p.id}\x1f{p.digest}" for p in found.photos)
    ids = [p.id for p in found.photos]
    if odd := next((i for i in ids if storable(i) != i), None):
        raise BenchError(
            f"dataset {name}: the id '{odd}' holds bytes that are no UTF-8: the plugin is to spell "
            "them out"
        )
    if found.left_out and len(ids) < 2:
        raise NothingMeasured(
            f"dataset {name} has {len(ids)} photograph(s): at least 2 are "
            f"needed{beside(found.left_out)}"
        )
    train, test = lists.parts(ids) if lists else dataset.split(ids) or split(ids, protocol, name)
    return Source(
        name,
        spec,
        dataset,
        digest,
        tuple(train),
        tuple(test),
        lists.digest if lists else "",
        found.left_out,
        {p.id: p.digest for p in found.photos},
    )


def name_left_out(dataset: str, reasons: Mapping[str, str], progress: Progress) -> None:
    """Say what of a data set is left out, and why: a line each, up to `NAMED`."""
    for name, why in list(reasons.items())[:NAMED]:
        progress.say(f"{dataset}: left out {name}: {why}")
    if (more := len(reasons) - NAMED) > 0:
        progress.say(f"{dataset}: left out {more:,} more: a run's manifest.json names all")
