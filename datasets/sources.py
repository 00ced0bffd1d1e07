"""Where photographs lie: a folder of images, a tar archive, an LMDB; and the data set made of one such source.

A source walks over its members once, in the order that is quick to read, and reads a member only on request.
So listing ids, reading everything and reading a few are the same loop.
"""

from __future__ import annotations

import gzip
import os
import tarfile
import unicodedata
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, ClassVar, cast

from bench import keys
from bench.contracts import Dataset
from bench.errors import BenchError, NothingMeasured
from bench.text import storable

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
BLOCK = 512
"""Bytes in a block of a tar archive, which ends with a block of zeros."""

Member = tuple[str, Callable[[], bytes]]
"""Name in the source (POSIX, relative) and what reads it; to be called before the next member is asked for."""


class Source(ABC):
    """A place that holds images."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def members(self) -> Generator[Member, None, None]:
        """All images, hidden ones and other files left out."""

    def stamp(self) -> list[str]:
        """Names, sizes and times that change when the content does."""
        return [_stamp("", self.path.stat())]

    def failures(self) -> tuple[type[Exception], ...]:
        """What reading a damaged or unreadable source raises."""
        return (OSError,)


class Folder(Source):
    """Images below a folder, at any depth. Links to folders are followed, unless they lead back up."""

    def members(self) -> Generator[Member, None, None]:
        for name, entry in self._entries():
            yield name, Path(entry.path).read_bytes

    def stamp(self) -> list[str]:
        return [_stamp(name, entry.stat()) for name, entry in self._entries()]

    def _entries(self) -> Iterator[tuple[str, os.DirEntry[str]]]:
        for entry in _walk(str(self.path), ()):
            yield Path(entry.path).relative_to(self.path).as_posix(), entry


class Tar(Source):
    """Images in a tar archive, gzipped if its name ends in `gz`: read in one pass, never extracted to disk."""

    def members(self) -> Generator[Member, None, None]:
        with self._stream() as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            for member in archive:
                if member.isfile() and _is_image(PurePosixPath(member.name)):
                    yield member.name, partial(_content, archive, member)
            # tarfile takes a cut between two members, or a broken header, for the end of the archive
            stream.seek(archive.offset)
            if stream.read(BLOCK) != bytes(BLOCK):
                raise EOFError("unexpected end of data")

    def failures(self) -> tuple[type[Exception], ...]:
        return (OSError, EOFError, zlib.error, tarfile.TarError)

    def _stream(self) -> IO[bytes]:
        return cast(IO[bytes], gzip.open(self.path)) if self.path.name.endswith("gz") else self.path.open("rb")


class Lmdb(Source):
    """Images that are the values of an LMDB folder (LSUN's layout); the name is the key as Latin-1, which keeps
    every byte."""

    def members(self) -> Generator[Member, None, None]:
        import lmdb

        with lmdb.open(os.fsencode(self.path), readonly=True, lock=False, readahead=False) as database:
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
        # the set's name, since sets may name the same files differently; the path, since two folders may hold
        # files of equal names, sizes and times
        with _explained(source):
            return keys.digest_of([self.name, os.path.realpath(source.path), *source.stamp()])

    def files(self) -> list[str]:
        source = self.source()
        with _explained(source):
            ids = sorted(self._id(name) for name, _ in source.members())
        if not ids:
            known = ", ".join(sorted(s[1:] for s in SUFFIXES))
            raise NothingMeasured(f"dataset {self.name}: there is no image ({known}) in {source.path}")
        twice = next((i for i, count in Counter(ids).items() if count > 1), None)
        if twice is not None:
            raise BenchError(f"dataset {self.name}: two images in {source.path} have the id '{twice}': rename one")
        return ids

    def read(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        left, source = set(wanted), self.source()
        with _explained(source), closing(source.members()) as members:
            while left and (member := next(members, None)):
                name = self._id(member[0])
                if name in left:
                    left.remove(name)
                    yield name, member[1]()
        if left:
            raise BenchError(f"dataset {self.name}: {len(left)} image(s) are not in {source.path}, first '{min(left)}'")

    def _id(self, name: str) -> str:
        return _clean(self.photo_id(PurePosixPath(name)))


def statistics(total: float, first: float, twentieth: float, share: float, a: float, b: float) -> dict[str, float]:
    """What the authors' published principal components say of a set's 64x64 colour fields: variances at the scale
    1/128, the share (0..1) of the total that 20 components hold, and the means of a and b in CIELAB units."""
    variances = {"total variance": total, "variance of component 1": first, "variance of component 20": twentieth}
    return {**variances, "share of the first 20": share, "mean a": a, "mean b": b}


def in_home(dataset: str, home: Path | None, names: Sequence[str], wish: str) -> Path:
    """The first of `names` that is in the data home; a BenchError that tells the `wish` where there is none."""
    if home is None:
        raise BenchError(f"dataset {dataset} needs a data home: give --data-home, with {wish} in it")
    for name in names:
        if (home / name).exists():
            return home / name
    absent = "" if home.is_dir() else ", which is no folder"
    raise BenchError(f"dataset {dataset} is not in the data home {home}{absent}: `bench data fetch {dataset}`, or put {wish} "
                     "there, or give --data-home")  # fmt: skip


@contextmanager
def _explained(source: Source) -> Iterator[None]:
    """Say in one line which file is damaged or can't be read."""
    try:
        yield
    except source.failures() as error:
        if isinstance(error, OSError) and error.strerror:  # absent, forbidden, a failing disk
            raise BenchError(f"can't read {error.filename or source.path}: {error.strerror}") from error
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise BenchError(
            f"can't read {source.path}: {reason}; if it is damaged or cut short, fetch it again"
        ) from error


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    return cast(IO[bytes], archive.extractfile(member)).read()


def _walk(folder: str, above: tuple[str, ...]) -> Iterator[os.DirEntry[str]]:
    real = os.path.realpath(folder)
    if real in above:  # a link that leads back up
        return
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda e: e.name)
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry.path, (*above, real))
        elif entry.is_file() and _is_image(PurePosixPath(entry.name)):
            yield entry


def _is_image(name: PurePosixPath) -> bool:
    return name.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in name.parts)


def _stamp(name: str, status: os.stat_result) -> str:
    return f"{name}\x1f{status.st_size}\x1f{status.st_mtime_ns}"


def _clean(name: str) -> str:
    """Composed Unicode (file systems differ), and bytes that are no UTF-8 spelt out."""
    return unicodedata.normalize("NFC", storable(name))
