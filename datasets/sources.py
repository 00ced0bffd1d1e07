"""Where photographs lie: a folder of images, an archive, an LMDB; and the data set made of one such
source.

A source walks over its members once, in the order that is quick to read, and reads a member only on
request. So listing ids, reading everything and reading a few are the same loop. What it leaves out
it names (`Source.left_out`).
"""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import IO, ClassVar

from bench import keys
from bench.contracts import Dataset
from bench.datasets.recognised import HEAD, OTHER, PHOTOGRAPH, SUFFIXES, may_be, sort
from bench.errors import BenchError, NothingMeasured, beside
from bench.fetch import archives
from bench.pictures.images import Unreadable
from bench.store.files import is_debris
from bench.text import storable

LARGEST = 2**31
"""Bytes of a photograph's file: a larger one is not read into memory."""

Member = tuple[str, Callable[[], bytes]]
"""Name in the source (POSIX, relative) and what reads it; to be called before the next member is
asked for. It raises `Unreadable` where that one file can't be read."""


class Source(ABC):
    """A place that holds images. left_out: what the last walk found that may be a photograph and is
    not read: name -> why."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left_out: dict[str, str] = {}

    @abstractmethod
    def members(self) -> Generator[Member, None, None]:
        """All images; other files, and hidden ones, are passed over. Fills `left_out` anew."""

    def stamp(self) -> list[str]:
        """Names, sizes and times that change when the content does."""
        return [_stamp("", self.path.stat())]

    def failures(self) -> tuple[type[Exception], ...]:
        """What reading a damaged or unreadable source raises."""
        return (OSError,)


class Folder(Source):
    """Images below a folder, at any depth. Links are followed, unless they lead back up; nothing
    but plain files is ever opened."""

    def members(self) -> Generator[Member, None, None]:
        for name, path, _ in self._files():
            yield name, partial(_plain_content, path)

    def stamp(self) -> list[str]:
        found = [_stamp(name, status) for name, _, status in self._files()]
        return found + [f"{name}\x1f{why}" for name, why in sorted(self.left_out.items())]

    def _files(self) -> Iterator[tuple[str, str, os.stat_result]]:
        """Name, path and state of each image's file."""
        self.left_out = {}
        for name, path, status in self._walk():
            pure = PurePosixPath(name)
            if not stat.S_ISREG(status.st_mode):
                kind = (
                    "a named pipe, a device or the like" if may_be(pure) and pure.suffix else OTHER
                )
            elif status.st_size > LARGEST:
                kind = _large(status.st_size) if may_be(pure) else OTHER
            else:
                kind = sort(pure, partial(_head, path))
            if kind == PHOTOGRAPH:
                if not os.access(
                    path, os.R_OK, effective_ids=os.access in os.supports_effective_ids
                ):
                    self.left_out[name] = DENIED  # it is listed all the same: who reads it is told
                yield name, path, status
            elif kind != OTHER:
                self.left_out[name] = kind

    def _walk(self) -> Iterator[tuple[str, str, os.stat_result]]:
        """Everything below that is no folder and not a system's own
        (`bench.store.files.is_debris`), in order."""
        root = _Level("", os.path.realpath(self.path), False, _entries(self.path))
        levels, seen = [root], {root.real}
        while levels:
            if not (entry := next(levels[-1].entries, None)):
                levels.pop()
                continue
            name = f"{levels[-1].name}{entry.name}"
            try:
                status = entry.stat()
            except OSError as error:
                if may_be(PurePosixPath(name)):
                    self.left_out[name] = _why(entry, error)
                continue
            if not stat.S_ISDIR(status.st_mode):
                yield name, entry.path, status
            elif why := _enter(entry, f"{name}/", levels, seen):
                self.left_out[f"{name}/"] = why


DENIED = os.strerror(errno.EACCES)


@dataclass(frozen=True)
class _Level:
    """A folder that is walked through. name: in the source, with a slash at its end. linked: a link
    led to it, or to one above."""

    name: str
    real: str
    linked: bool
    entries: Iterator[os.DirEntry[str]]


def _entries(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as found:
        return iter(
            sorted(
                (entry for entry in found if not is_debris(entry.name)),
                key=lambda entry: entry.name,
            )
        )


def _enter(entry: os.DirEntry[str], name: str, levels: list[_Level], seen: set[str]) -> str:
    """Go down into a folder; or why not. A link that leads to a folder around it would bring in
    what is no part of the set, and have no end; so would links in linked folders that lead from one
    to another."""
    above, link = levels[-1], entry.is_symlink()
    real = os.path.realpath(entry.path) if link else os.path.join(above.real, entry.name)
    if link and any(Path(level.real).is_relative_to(real) for level in levels):
        return "a link that leads back up"
    if link and above.linked and real in seen:
        return "a link, in a folder that a link led to, to a folder that was read already"
    try:
        levels.append(_Level(name, real, link or above.linked, _entries(entry.path)))
    except OSError as error:
        return error.strerror or str(error)
    seen.add(real)
    return ""


def _why(entry: os.DirEntry[str], error: OSError) -> str:
    """Why an entry can't be looked at. What a link leads to is not named: it may say whose computer
    this is."""
    if entry.is_symlink() and error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "a link to what is not there"
    return (
        "a link that leads to itself"
        if error.errno == errno.ELOOP
        else error.strerror or str(error)
    )


def _plain_content(path: str) -> bytes:
    """The content of a plain file. Raises `Unreadable`: it may have gone, or become something else,
    since it was listed."""
    try:
        with _opened(path) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Unreadable("it is no plain file any more")
            if status.st_size > LARGEST:
                raise Unreadable(_large(status.st_size))
            return stream.read()
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from error


def _head(path: str) -> bytes:
    try:
        with _opened(path) as stream:
            return stream.read(HEAD)
    except OSError:  # its name says nothing of a photograph, and its content can't
        return b""


def _opened(path: str) -> IO[bytes]:
    """A file, without waiting for someone at the other end of what has become a pipe."""
    return open(
        path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
    )


def _large(size: int) -> str:
    return f"{size:,} bytes are more than {LARGEST:,}"


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
            return (odd or _large(self.member.size)) if may_be(name) else OTHER
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
        return [_stamp("data.mdb", (self.path / "data.mdb").stat())]

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


def _stamp(name: str, status: os.stat_result) -> str:
    return f"{name}\x1f{status.st_size}\x1f{status.st_mtime_ns}"


def _clean(name: str) -> str:
    """Composed Unicode (file systems differ), and bytes that are no UTF-8 spelt out."""
    return unicodedata.normalize("NFC", storable(name))
