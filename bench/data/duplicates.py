"""Photographs to train with that are in the test part, too, where remembering wins: the same file,
the same picture in another file, and, on request, nearly the same one. And test photographs that
count twice.

Files are compared by their digests, pictures as they were prepared: what no method can tell apart
is the same. Near ones are told by a difference hash: the lightness in 16 rows of 17 means, and for
each whether its right neighbour is lighter: 256 bits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench import keys
from bench.contracts import PreparedSet, Progress, ProgressTask
from bench.data import prepare
from bench.data.source import Source
from bench.errors import BenchError, NothingMeasured
from bench.machine.memory import give_back
from bench.protocol import Protocol
from bench.store import records
from bench.store.files import write_json
from bench.store.local import Store

SIDE = 16
BITS = SIDE * SIDE
EXAMPLES = 3
BATCH = 64
PAIRS = "pairs.json"
_CELLS = 2**24
"""Distances that are held at a time."""


class Copy(NamedTuple):
    """A photograph, the test photograph that it is a copy of, and in which way."""

    id: str
    of: str
    how: str

    def __str__(self) -> str:
        return f"'{self.id}' is {self.reason}"

    @property
    def reason(self) -> str:
        """Why it is left out."""
        return f"{self.how} as test photograph '{self.of}'"


@dataclass(frozen=True)
class Chosen:
    """What a run takes of a data set: how many photographs of each part, whether it refuses
    unreadable ones (`strict`), in how many GiB of memory, and what becomes of copies: `drop`,
    `keep` or `fail`, and in how many bits they may differ (`bench.contracts.request.Request`)."""

    duplicates: str
    near_duplicates: int
    limit_train: int | None
    limit_test: int | None
    strict: bool
    memory: float | None


@dataclass(frozen=True)
class Duplicates:
    """What was found, and what was chosen to do. train: of photographs to train with; within_test:
    of test photographs."""

    choice: str
    near: int
    train: tuple[Copy, ...]
    within_test: tuple[Copy, ...]

    def described(self) -> dict[str, Any]:
        """For a manifest."""
        return {
            "choice": self.choice,
            "near": self.near,
            "train": [list(copy) for copy in self.train],
            "within_test": [list(copy) for copy in self.within_test],
        }


@dataclass(frozen=True)
class Pairs:
    """What is kept of a comparison of two prepared parts."""

    train: tuple[Copy, ...]
    within_test: tuple[Copy, ...]


def parts(
    source: Source, chosen: Chosen, protocol: Protocol, store: Store, progress: Progress
) -> tuple[PreparedSet, PreparedSet, Duplicates]:
    """Both prepared parts of a data set, limited, and what one has of the other; said, and dealt
    with as is chosen.

    What is left out is not replaced. BenchError where copies are to fail; NothingMeasured where
    there is nothing but copies.
    """

    def prepared(ids: Sequence[str]) -> PreparedSet:
        only = replace(source, train=tuple(ids))
        return prepare.prepare(
            only, "train", None, protocol, store, progress, chosen.strict, chosen.memory
        )

    choice, near = chosen.duplicates, chosen.near_duplicates
    listed = source.train[: chosen.limit_train]
    test = prepare.prepare(
        source, "test", chosen.limit_test, protocol, store, progress, chosen.strict, chosen.memory
    )
    files = same_files(
        source.digests, listed, [name for name in source.test if name not in test.excluded]
    )
    _fail_if_asked(choice, source.name, files)
    rest = _without(listed, files if choice == "drop" else (), source.name)
    key = keys.key(
        "duplicates", train=prepare.prepared_key(source, rest, protocol), test=test.key, near=near
    )
    found = store.find("duplicates", key) or _compared(
        prepared(rest), test, near, key, store, progress
    )
    pairs = records.read(found / PAIRS, Pairs)
    pictures = _each_once(files, pairs.train)[len(files) :]
    _fail_if_asked(choice, source.name, pictures)
    twins = _each_once(same_files(source.digests, test.ids), pairs.within_test)
    copies = Duplicates(choice, near, (*files, *pictures), tuple(twins))
    for line in _lines(source.name, copies, len(listed), len(test)):
        progress.say(line)
    if choice != "drop":
        return prepared(rest), test, copies
    train = prepared(_without(rest, pictures, source.name))
    return (
        replace(
            train, excluded={**train.excluded, **{copy.id: copy.reason for copy in copies.train}}
        ),
        test,
        copies,
    )


def same_files(
    digests: Mapping[str, str], ids: Sequence[str], others: Sequence[str] | None = None
) -> list[Copy]:
    """Which of some photographs have the bytes of one of the others; None: of one before them."""
    first: dict[str, str] = {}
    for name in others or ():
        first.setdefault(digests.get(name, ""), name)
    found = []
    for name in ids:
        if not (digest := digests.get(name)):
            continue
        of = first.setdefault(digest, name) if others is None else first.get(digest, name)
        if of != name:
            found.append(Copy(name, of, "the same file"))
    return found


def nearest(
    some: np.ndarray, others: np.ndarray, most: int, before: bool = False
) -> Iterator[tuple[int, int, int]]:
    """Row, column and number of bits of the nearest of the others `(M, 32)` to each of some hashes
    `(N, 32)`, where at most so many bits differ; `before`: of those before it alone."""
    signs = _signs(others).T
    step = max(1, _CELLS // max(1, len(others)))
    for start in range(0, len(some), step):
        apart = (BITS - _signs(some[start : start + step]) @ signs) / 2
        if before:
            apart[np.arange(start, start + len(apart))[:, None] <= np.arange(len(others))] = (
                BITS + 1
            )
        column = apart.argmin(axis=1)
        bits = apart[np.arange(len(apart)), column]
        yield from (
            (start + int(row), int(column[row]), int(bits[row]))
            for row in np.flatnonzero(bits <= most)
        )


def hashes(light: np.ndarray) -> np.ndarray:
    """Difference hashes `(N, 32)` of lightness `(N, 256, 256)`."""
    rows, columns = (np.linspace(0, light.shape[side], SIDE + side).astype(int) for side in (1, 2))
    sums = np.add.reduceat(
        np.add.reduceat(light.astype(np.int64), rows[:-1], axis=1), columns[:-1], axis=2
    )
    means = sums / np.diff(columns)
    return np.packbits((means[..., 1:] > means[..., :-1]).reshape(len(light), -1), axis=1)


def said_of_files(source: Source) -> list[str]:
    """Lines about a split, as far as digests of files tell."""
    train, within = (
        same_files(source.digests, source.train, source.test),
        same_files(source.digests, source.test),
    )
    found = Duplicates("drop", 0, tuple(train), tuple(within))
    return list(
        _lines(
            source.name, found, len(source.train), len(source.test), "`bench run` leaves them out"
        )
    )


def _compared(
    train: PreparedSet, test: PreparedSet, near: int, key: str, store: Store, progress: Progress
) -> Path:
    with progress.task(f"looking for copies in {train.dataset}", len(train) + len(test)) as bar:
        pictures, others = (_Prints.of(part, near > 0, bar) for part in (train, test))

    def build(folder: Path) -> dict[str, Any]:
        write_json(
            folder / PAIRS,
            {
                "train": _alike(pictures, others, near),
                "within_test": _alike(others, others, near, True),
            },
        )
        return {}

    return store.get("duplicates", key, build)


@dataclass(frozen=True)
class _Prints:
    """Of the photographs of a part: ids, digests of the prepared arrays, difference hashes `(N,
    32)`."""

    ids: Sequence[str]
    digests: Mapping[str, str]
    hashes: np.ndarray

    @classmethod
    def of(cls, part: PreparedSet, hashed: bool, bar: ProgressTask) -> _Prints:
        digests: dict[str, str] = {}
        made = np.zeros((len(part), BITS // 8), np.uint8)
        for start in range(0, len(part), BATCH):
            rows = slice(start, min(start + BATCH, len(part)))
            light, colour = np.array(part.grey_codes[rows]), np.array(part.ab[rows])
            give_back(part.grey_codes)
            give_back(part.ab)
            digests.update(
                (name, keys.sha256(a.tobytes() + b.tobytes()))
                for name, a, b in zip(part.ids[rows], light, colour)
            )
            if hashed:
                made[rows] = hashes(light)
            bar.advance(len(light))
        return cls(part.ids, digests, made)


def _alike(some: _Prints, others: _Prints, near: int, within: bool = False) -> list[Copy]:
    """The same pictures, then nearly the same ones."""
    same = same_files({**others.digests, **some.digests}, some.ids, None if within else others.ids)
    found = [copy._replace(how="the same picture") for copy in same]
    if near:
        found += [
            Copy(
                some.ids[row],
                others.ids[column],
                f"nearly the same picture ({bits} of {BITS} bits differ)",
            )
            for row, column, bits in nearest(some.hashes, others.hashes, near, within)
        ]
    return _each_once(found)


def _each_once(*some: Sequence[Copy]) -> list[Copy]:
    """By what was found of a photograph first."""
    found: dict[str, Copy] = {}
    for copy in (copy for copies in some for copy in copies):
        found.setdefault(copy.id, copy)
    return list(found.values())


def _signs(packed: np.ndarray) -> np.ndarray:
    """Bits as -1 and 1, whose products count those that agree."""
    return np.unpackbits(packed, axis=1).astype(np.float32) * 2 - 1


def _without(ids: Sequence[str], copies: Collection[Copy], name: str) -> list[str]:
    gone = {copy.id for copy in copies}
    rest = [each for each in ids if each not in gone]
    if ids and not rest:
        raise NothingMeasured(
            f"every training photograph of {name} is in the test part, too: give other lists with "
            "--split, or "
            "--duplicates keep"
        )
    return rest


def _fail_if_asked(choice: str, name: str, copies: Sequence[Copy]) -> None:
    if choice == "fail" and copies:
        more = f" (and {len(copies) - 1} more)" if len(copies) > 1 else ""
        raise BenchError(
            f"{name}: training photograph {copies[0]}{more}: --duplicates drop leaves such copies "
            "out of the training "
            "part, and keep trains with them"
        )


def _lines(
    name: str, found: Duplicates, listed: int, tested: int, dropped: str = "left out"
) -> Iterator[str]:
    if found.train:
        nearly = f", or nearly (at most {found.near} of {BITS} bits differ)" if found.near else ""
        fate = (
            dropped if found.choice == "drop" else "kept, so that a method wins by remembering them"
        )
        verb = "is" if len(found.train) == 1 else "are"
        yield (
            f"{name}: {len(found.train):,} of {listed:,} training photographs {verb} in the test "
            f"part, too{nearly}: {fate} "
            f"({_examples(found.train)})"
        )
    if found.within_test:
        yield f"{name}: {within(len(found.within_test), f'of {tested:,} ')} ({_examples(found.within_test)})"


def within(count: int, of: str = "") -> str:
    return counted(
        count,
        f"{of}test photograph{'s' if of else ''} is a copy of another there, and counts once more",
        f"{of}test photographs are copies of others there, and count once more each",
    )


def _examples(copies: Sequence[Copy]) -> str:
    more = f"; and {len(copies) - EXAMPLES:,} more" if len(copies) > EXAMPLES else ""
    return "; ".join(map(str, copies[:EXAMPLES])) + more


def counted(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"
