"""Where photographs lie, beside folders (`bench.pictures.folder`): an archive, an LMDB; and the data
set made of one such source."""

from __future__ import annotations

import os
import unicodedata
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import ClassVar

from bench import keys
from bench.contracts import Dataset
from bench.errors import BenchError, NothingMeasured, beside
from bench.fetch import archives
from bench.pictures.folder import LARGEST, Member, Source, file_stamp, large
from bench.pictures.images import Unreadable
from bench.pictures.recognised import HEAD, OTHER, PHOTOGRAPH, SUFFIXES, may_be, sort
from bench.store.files import is_debris
from bench.text import storable


class Archive(Source):
    """Images in an archive (`bench.fetch.archives`): read in one pass, never extracted to disk."""

    def members(self) -> Generator[Member, None, None]:
        self.left_out = {}
        for member in archives.members(self.path):
            name, peeked = PurePosixPath(member.name), _Peeked(member)
            if any(is_debris(part) and part != ".." for part in name.parts):
                continue
            kind = peeked.kind(name)
            if kind == PHOTOGRAPH:
                yield member.name, peeked.content
            elif kind != OTHER:
                self.left_out[member.name] = kind


@dataclass
class _Peeked:
    """A member of an archive that is read forwards only, of which the beginning may have been
    looked at."""

    member: archives.Member
    begin: bytes = b""

    def kind(self, name: PurePosixPath) -> str:
        """PHOTOGRAPH, OTHER, or why it is left out."""
        outside = name.is_absolute() or ".." in name.parts or not name.name
        odd = self.member.odd or ("its name leads out of the archive" if outside else "")
        if odd or self.member.size > LARGEST:
            return (odd or large(self.member.size)) if may_be(name) else OTHER
        return sort(name, self._head)

    def content(self) -> bytes:
        """All of it."""
        return self.member.content(self.begin)

    def _head(self) -> bytes:
        self.begin = self.member.read(HEAD)
        return self.begin


class Lmdb(Source):
    """Images that are the values of an LMDB folder (LSUN's layout); the name is the key as Latin-1,
    which keeps every byte."""

    def members(self) -> Generator[Member, None, None]:
        import lmdb

        with lmdb.open(
            os.fsencode(self.path), readonly=True, lock=False, readahead=False
        ) as database:
            size = (self.path / "data.mdb").stat().st_size
            full = (database.info()["last_pgno"] + 1) * database.stat()["psize"]
            if size < full:  # reading on would kill the process (SIGBUS)
                raise lmdb.CorruptedError(f"{size:,} of {full:,} bytes")
            with database.begin() as transaction, transaction.cursor() as cursor:
                for key in cursor.iternext(keys=True, values=False):
                    yield key.decode("latin-1"), cursor.value

    def stamp(self) -> list[str]:
        return [file_stamp("data.mdb", (self.path / "data.mdb").stat())]

    def failures(self) -> tuple[type[Exception], ...]:
        import lmdb

        return (OSError, lmdb.Error)


class SourceDataset(Dataset):
    """A data set that is one source. The constructor stores; the source is looked for on use.

    path: given by the user. home: the data home.
    """

    name: ClassVar[str]

    _left_out: Mapping[str, str] = MappingProxyType({})

    def __init__(self, path: Path | None = None, home: Path | None = None) -> None:
        self.path = path
        self.home = home

    @abstractmethod
    def source(self) -> Source:
        """Where the photographs lie; BenchError when they are not there."""

    def photo_id(self, name: PurePosixPath) -> str:
        """The stable id of the image with this name in the source."""
        return str(name)

    def place(self) -> Path | None:
        return self.source().path

    def signature(self) -> str:
        source = self.source()
        # the set's name, since sets may name the same files differently; the path, since two
        # folders may hold
        # files of equal names, sizes and times
        with _explained(source):
            return keys.digest_of([self.name, os.path.realpath(source.path), *source.stamp()])

    def files(self) -> list[str]:
        source = self.source()
        with _explained(source):
            names = [name for name, _ in source.members()]
        ids, listed = sorted(map(self._id, names)), set(names)
        self._left_out = {
            self._id(name) if name in listed else _clean(name): why
            for name, why in source.left_out.items()
        }
        if not ids:
            known = ", ".join(sorted(s[1:] for s in SUFFIXES))
            raise NothingMeasured(
                f"dataset {self.name}: there is no image ({known}) in "
                f"{source.path}{beside(self._left_out)}"
            )
        twice = next((i for i, count in Counter(ids).items() if count > 1), None)
        if twice is not None:
            raise BenchError(
                f"dataset {self.name}: two images in {source.path} have the id '{twice}': rename "
                "one"
            )
        return ids

    def left_out(self) -> Mapping[str, str]:
        return self._left_out

    def read(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes | Unreadable]]:
        left, source = set(wanted), self.source()
        with _explained(source), closing(source.members()) as members:
            while left and (member := next(members, None)):
                name = self._id(member[0])
                if name in left:
                    left.remove(name)
                    yield name, _read(member[1])
        yield from ((name, Unreadable("it is not there any more")) for name in sorted(left))

    def _id(self, name: str) -> str:
        return _clean(self.photo_id(PurePosixPath(name)))


def statistics(
    total: float, first: float, twentieth: float, share: float, a: float, b: float
) -> dict[str, float]:
    """What the authors' published principal components say of a set's 64x64 colour fields:
    variances at the scale 1/128, the share (0..1) of the total that 20 components hold, and the
    means of a and b in CIELAB units."""
    variances = {
        "total variance": total,
        "variance of component 1": first,
        "variance of component 20": twentieth,
    }
    return {**variances, "share of the first 20": share, "mean a": a, "mean b": b}


def in_home(dataset: str, home: Path | None, names: Sequence[str], wish: str) -> Path:
    """The first of `names` that is in the data home; a BenchError that tells the `wish` where there
    is none."""
    if home is None:
        raise BenchError(
            f"dataset {dataset} needs a data home: give --data-home, with {wish} in it"
        )
    for name in names:
        if (home / name).exists():
            return home / name
    absent = "" if home.is_dir() else ", which is no folder"
    raise BenchError(
        f"dataset {dataset} is not in the data home {home}{absent}: `bench data fetch {dataset}`, "
        f"or put {wish} "
        "there, or give --data-home"
    )


@contextmanager
def _explained(source: Source) -> Iterator[None]:
    """Say in one line which file is damaged or can't be read."""
    try:
        yield
    except source.failures() as error:
        if isinstance(error, OSError) and error.strerror:  # absent, forbidden, a failing disk
            raise BenchError(
                f"can't read {error.filename or source.path}: {error.strerror}"
            ) from error
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise BenchError(
            f"can't read {source.path}: {reason}; if it is damaged or cut short, fetch it again"
        ) from error


def _read(member: Callable[[], bytes]) -> bytes | Unreadable:
    try:
        return member()
    except Unreadable as error:
        return error


def _clean(name: str) -> str:
    """Composed Unicode (file systems differ), and bytes that are no UTF-8 spelt out."""
    return unicodedata.normalize("NFC", storable(name))
