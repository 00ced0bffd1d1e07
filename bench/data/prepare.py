"""From photographs to arrays: each part of a data set is prepared once and kept in the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import keys
from bench.contracts import PreparedSet, Progress, ProgressTask
from bench.contracts.datasets import LEVELS
from bench.data.source import Source
from bench.errors import BenchError, NothingMeasured, SamplesGone
from bench.machine import threads, workers
from bench.machine.memory import GIB, NoRoom, Room, give_back
from bench.pictures import images
from bench.protocol import Protocol
from bench.store import stored
from bench.store.files import allocate
from bench.store.local import Store
from bench.store.marks import Mark, PreparedMark

if TYPE_CHECKING:
    pass


def prepared_key(source: Source, ids: Sequence[str], protocol: Protocol) -> str:
    """Key of the prepared arrays of some photographs of a source."""
    return keys.key(
        "prepared",
        dataset=source.digest,
        crop=source.spec.authors_crop,
        keep_grey=source.spec.keep_grey,
        protocol=protocol.preparation,
        ids=keys.digest_of(ids),
    )


def prepare(
    source: Source,
    part: str,
    limit: int | None,
    protocol: Protocol,
    store: Store,
    progress: Progress,
    strict: bool = False,
    memory: float | None = None,
) -> PreparedSet:
    """The arrays of `train` or `test`, limited to the first photographs of the part; made once.

    Unreadable and grey-only photographs are left out, counted and named; `strict` makes the former
    an error. memory: GiB that decoding may take, where that is less than usual. A photograph that
    needs more is an error, for what is left out must not depend on the machine.
    """
    ids = (source.train if part == "train" else source.test)[:limit]
    lost: dict[str, str] = {}
    while True:
        there = [name for name in ids if name not in lost]
        key = prepared_key(source, there, protocol)
        build = partial(
            _build,
            source=source,
            ids=there,
            protocol=protocol,
            progress=progress,
            part=part,
            memory=memory,
        )
        try:
            folder = store.get("prepared", key, build)
            break
        except _Lost as error:
            lost |= error.reasons
    found = _open(source.name, key, folder, store.describe("prepared", key))
    found = replace(found, excluded=found.excluded | lost)
    unreadable = {**source.left_out, **{i: r for i, r in found.excluded.items() if r != GREY}}
    if strict and unreadable:
        first, reason = next(iter(unreadable.items()))
        raise BenchError(
            f"--strict: {len(unreadable)} photograph(s) of {source.name} can't be read, first "
            f"{first}: {reason}"
        )
    if not len(found):
        raise NothingMeasured(
            f"no usable photograph in the {part} part of {source.name}: {_reasons(found.excluded)}"
        )
    return found


GREY = "grey-only"


class _Lost(Exception):
    """Files have gone, or are others, since the data set was listed: their part is prepared without
    them. id -> why."""

    def __init__(self, reasons: dict[str, str]) -> None:
        self.reasons = reasons


def _build(
    folder: Path,
    source: Source,
    ids: Sequence[str],
    protocol: Protocol,
    progress: Progress,
    part: str,
    memory: float | None,
) -> dict[str, Any]:
    rows = _Rows(
        {name: row for row, name in enumerate(ids)},
        allocate(folder / "ab.npy", np.float32, (len(ids), 2, protocol.ab_size, protocol.ab_size)),
        allocate(
            folder / "grey.npy", np.uint16, (len(ids), protocol.grey_size, protocol.grey_size)
        ),
    )
    with progress.task(f"preparing {source.name} {part}", len(ids)) as bar:
        found = _develop_all(rows, source, protocol, bar, memory)
    outcomes = {
        name: found.get(name, _Outcome("it is not there any more", lost=True)) for name in ids
    }
    if lost := {name: o.excluded or "" for name, o in outcomes.items() if o.lost}:
        raise _Lost(lost)
    excluded = {name: o.excluded for name, o in sorted(outcomes.items()) if o.excluded is not None}
    usable = [name for name in ids if name not in excluded]
    rows.close_gaps([rows.of[name] for name in usable])
    return {
        "ids": usable,
        "excluded": excluded,
        "grey_only": sorted(n for n in usable if outcomes[n].is_grey),
    }


@dataclass(frozen=True)
class _Outcome:
    """What became of a photograph; `excluded` is the reason why it is not used, None where it is.
    lost: its file is not what it was, so that the reason says nothing of the photograph."""

    excluded: str | None
    is_grey: bool = False
    lost: bool = False


def _develop_all(
    rows: _Rows, source: Source, protocol: Protocol, bar: ProgressTask, memory: float | None
) -> dict[str, _Outcome]:
    """Fill the rows, several photographs at a time, as far as there is memory; what became of each
    that could be read, by id."""
    keeps_grey = source.spec.keep_grey and protocol.crop == "authors"
    pictures, files = Room(min(images.MOST, memory * GIB if memory else images.MOST)), Room(FILES)

    def develop(item: tuple[str, bytes | images.Unreadable]) -> tuple[str, _Outcome]:
        name, data = item
        if isinstance(data, images.Unreadable):
            return name, _Outcome(str(data), lost=True)
        try:
            if source.digests.get(name, digest := keys.sha256(data)) != digest:
                return name, _Outcome("its file was changed while the data set was read", lost=True)
            with pictures.entered():
                photo = source.dataset.develop(data, protocol, source.spec.authors_crop)
        except images.Unreadable as error:
            return name, _Outcome(str(error))
        except NoRoom as error:
            raise BenchError(
                f"{source.name}: {name}: {error} (--memory): give more, or take it out of the data "
                "set"
            ) from error
        finally:
            files.give_back(len(data))
        if photo.is_grey and not keeps_grey:
            return name, _Outcome(GREY)
        rows.put(name, photo)
        return name, _Outcome(None, photo.is_grey)

    def read() -> Iterator[tuple[str, bytes | images.Unreadable]]:
        for name, data in source.dataset.read(set(rows.of)):
            if not isinstance(data, images.Unreadable):
                files.take(len(data))
            yield name, data

    found: dict[str, _Outcome] = {}
    done = workers.in_order(develop, read(), threads.cores())
    with images.quiet(), closing(done):
        for name, outcome in done:
            found[name] = outcome
            bar.advance()
            if len(found) % BLOCK == 0:
                rows.give_back()
    return found


FILES = 2**28
"""Bytes of files that are read ahead of their decoding; a larger one is read alone."""
BLOCK = 64
"""Photographs (10 MB of rows) after which mapped pages are given back."""


@dataclass(frozen=True)
class _Rows:
    """The arrays that are being made, and the row `of` each id. Threads may put different
    photographs at the same time."""

    of: dict[str, int]
    ab: np.memmap[Any, Any]
    grey: np.memmap[Any, Any]

    def put(self, name: str, photo: images.Prepared) -> None:
        """Fill a photograph's row."""
        row = self.of[name]
        self.ab[row] = photo.ab
        self.grey[row] = np.round(photo.grey * LEVELS).clip(0, 65535)

    def close_gaps(self, kept: Sequence[int]) -> None:
        """Move the kept rows, in their order, to the front, and write everything to the disk."""
        for start in range(0, len(kept), BLOCK):
            rows = kept[start : start + BLOCK]
            if rows[-1] != start + len(rows) - 1:  # something before is left out
                self.ab[start : start + len(rows)] = self.ab[rows]
                self.grey[start : start + len(rows)] = self.grey[rows]
                self.give_back()
        self.ab.flush()
        self.grey.flush()

    def give_back(self) -> None:
        """Let go of the pages that were written; the system brings them to the disk."""
        give_back(self.ab)
        give_back(self.grey)


def _open(dataset: str, key: str, folder: Path, mark: Mark) -> PreparedSet:
    assert isinstance(mark, PreparedMark)
    ab = stored.array(folder / "ab.npy", np.float32, (None, 2, None, None))
    grey = stored.array(folder / "grey.npy", np.uint16, (len(ab), None, None))
    ids = mark.ids
    if len(ids) > len(ab):
        raise BenchError(
            f"{folder} holds {len(ab)} photographs, and its mark tells of {len(ids)}: "
            f"{stored.AGAIN}"
        )
    return PreparedSet(
        dataset, key, ids, ab[: len(ids)], grey[: len(ids)], mark.excluded, mark.grey_only
    )


def _reasons(excluded: dict[str, str]) -> str:
    counts: dict[str, int] = {}
    for reason in excluded.values():
        counts[reason] = counts.get(reason, 0) + 1
    return ", ".join(f"{n} {reason}" for reason, n in sorted(counts.items())) or "it is empty"


def reopen(store: Store, dataset: str, key: str) -> PreparedSet:
    """A prepared set by its key; BenchError when it is no longer in the store."""
    found = store.read("prepared", key)
    if found is None:
        raise SamplesGone(store.gone("prepared", key, f"prepared photographs of {dataset}"))
    return _open(dataset, key, *found)
