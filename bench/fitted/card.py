"""The card of an exported method: what it is, and files that are as they were written."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import msgspec

from bench.errors import BenchError
from bench.fetch import archives
from bench.protocol import Protocol
from bench.scores.manifest import Environment
from bench.store import digests, disk, records
from bench.store.digests import FileMark
from bench.store.files import for_tensors
from bench.store.forms import Choices
from bench.store.marks import Fitted
from bench.store.records import Count, Form, Key, Scalar, Whole

CARD = "card.json"
SCHEMA = 1
"""Version of the card."""
SCORES = ("ask", "metric", "variant", "region", "unit", "direction", "mean", "images")


class TrainingData(Form, frozen=True, kw_only=True):
    """What an exported method was fitted on."""

    name: str
    digest: str
    photographs: Count
    ids_digest: str
    licence: str


class ScoreMean(Form, frozen=True, kw_only=True):
    """A mean over test photographs, in a card and in `summary.csv`."""

    ask: str
    metric: str
    variant: str
    region: str
    unit: str
    direction: str
    mean: float
    images: Count


class Card(Form, frozen=True, kw_only=True):
    """`card.json` of an exported method: what was fitted, on what, under which protocol and terms,
    and how it scored. files: by their names; of a run's method that is opened where it lies, none."""

    label: str
    method: str
    data: TrainingData
    protocol: dict[str, Scalar]
    seed: Whole
    fit: Key
    fits: dict[Key, Fitted]
    files: dict[str, FileMark] = msgspec.field(default_factory=dict)
    schema_version: int = 0
    version: str = ""
    distribution: str = ""
    licence: str = ""
    citation: str = ""
    protocol_digest: str = ""
    precision: str = ""
    environment: Environment = msgspec.field(default_factory=Environment)
    scores: tuple[ScoreMean, ...] = ()

    @property
    def choices(self) -> Choices:
        """The protocol's choices that results depend on."""
        return records.checked(self.protocol, Choices, "protocol")


def read(folder: Path) -> Card:
    """The card of an exported method, whose files are as they were written. BenchError for anything
    else."""
    if not (for_tensors(folder) / CARD).is_file():
        raise BenchError(
            f"{folder} holds no exported method: `bench weights export RUN METHOD` writes one"
        )
    card = records.read(folder / CARD, Card, "don't use it", SCHEMA)
    needed = [card.fit, *(part for mark in card.fits.values() for part in mark.requires.values())]
    if strange := next((key for key in needed if key not in card.fits), None):
        raise BenchError(
            f"{folder / CARD} names a fit '{strange[:80]}', which it does not hold: don't use it"
        )
    try:
        in_order(card.fits)
    except CycleError as error:
        raise BenchError(
            f"{folder / CARD} is damaged (its fits require one another): don't use it"
        ) from error
    for name in card.files:
        if not disk.inside(name) or Path(name).suffix.lower() in archives.PICKLES:
            raise BenchError(
                f"{folder / CARD} lists '{name[:80]}', which no exported method has: don't use it"
            )
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (
            path.is_dir() or (path.is_file() and (name == CARD or name in card.files))
        ):
            raise BenchError(f"{folder} holds '{name[:80]}', which was not exported: don't use it")
    if wrong := digests.damage(folder, card.files):
        raise BenchError(f"{folder} is not what was exported: {wrong}; copy it again")
    Protocol.of(card.protocol, folder / CARD)
    return card


def in_order(fits: Mapping[str, Fitted]) -> list[str]:
    """Their keys, those of what is required first, in whatever order a file has them."""
    return list(
        TopologicalSorter(
            {key: mark.requires.values() for key, mark in fits.items()}
        ).static_order()
    )
