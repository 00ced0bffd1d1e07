"""Unpacking what was downloaded, or reading it in place: tar (plain, gzip, bzip2, xz) and zip, from
people whom nobody trusts. Its first bytes say which it is, never its name.

Plain files and folders only, inside the target only; nothing that is far larger than it looks,
nothing that only pickle reads. All of an archive appears in the target, or nothing.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, cast

from bench.errors import BenchError
from bench.store import disk, drafts

BLOCK = 512
"""Bytes in a block of a tar archive, which ends with a block of zeros."""
CHUNK = 2**20
FREE = 64 * 2**20
"""Bytes that any archive may unpack to, whatever its own size: text packs well."""
DAMAGE = (
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What the readers raise for archives that are cut or changed; RuntimeError is zipfile's for a
password."""
PICKLES = frozenset({".ckpt", ".dill", ".joblib", ".pickle", ".pkl", ".pt", ".pth"})
PROTOCOLS = tuple(bytes([0x80, number]) for number in range(2, 6))
"""How a pickle begins, whatever its name."""
UNPACKERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}


@dataclass(frozen=True)
class Limits:
    """What an archive may unpack to. size: bytes. ratio: times its own size, beyond `FREE`;
    photographs don't pack, so theirs is near 1. reserve: bytes of the disk that stay free."""

    size: int = 400 * 2**30
    members: int = 5_000_000
    ratio: float = 100.0
    reserve: int = 2**29


def unpack(archive: Path, target: Path, limits: Limits | None = None) -> Path:
    """Unpack an archive into `target`, which is empty or not there. BenchError, and no target,
    where it is damaged or holds what is refused: links, devices, names outside, two files of one
    name, pickles, more than `limits`."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BenchError(f"{target} is not empty: unpack {archive} into another folder")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with drafts.folder(target) as draft:
            _Room(archive, draft, limits or Limits(), archive.stat().st_size).take_all()
            if hasattr(os, "sync"):  # one call for hundred thousands of files
                os.sync()
    except OSError as error:
        raise BenchError(
            f"can't unpack {archive} into {target} ({error.strerror or error})"
        ) from error
    return target


def inspect(archive: Path, limits: Limits | None = None) -> None:
    """Read through an archive that is to be read in place; BenchError where `unpack` would refuse
    it."""
    try:
        _Room(archive, None, limits or Limits(), archive.stat().st_size).take_all()
    except OSError as error:
        raise BenchError(f"can't read {archive} ({error.strerror or error})") from error


@dataclass(frozen=True)
class Member:
    """What an archive holds, but for folders. size: in bytes, as it says. read: so many bytes; to
    be called before the next member is asked for. odd: what it is that is no plain file, as "a
    symbolic link". same: the name of the file that a hard link stands for."""

    name: str
    size: int
    read: Callable[[int], bytes]
    odd: str = ""
    same: str = ""

    def content(self, head: bytes = b"") -> bytes:
        """All of it, of which `head` was read already."""
        return b"".join([head, *iter(partial(self.read, CHUNK), b"")])


def members(archive: Path, limits: Limits | None = None) -> Iterator[Member]:
    """What an archive that is read in place holds, in its order, but for hard links, which come at
    the end with the content that they stand for. Those that are no plain files have no content.
    BenchError where it is damaged, cut short, or unpacks to more than `limits`."""
    try:
        room = _Room(archive, None, limits or Limits(), archive.stat().st_size)
        links: dict[str, str] = {}
        for member in _members(archive, room):
            room.count()
            if member.same:
                links[_plain(member.name)] = _plain(member.same)
            else:
                yield member
        if links:
            yield from _linked(archive, room, links)
    except OSError as error:
        raise BenchError(f"can't read {archive} ({error.strerror or error})") from error


def _linked(archive: Path, room: _Room, links: dict[str, str]) -> Iterator[Member]:
    """Hard links, in a pass of their own: what they stand for lies before them, and a compressed
    archive is read forwards only."""
    wanted: dict[str, list[str]] = {}
    for name, target in links.items():
        passed = {name}
        while target in links and target not in passed:  # a link may stand for a link
            passed.add(target)
            target = links[target]
        wanted.setdefault(target, []).append(name)
    for member in _members(archive, replace(room, members=0)):
        if member.odd or not (names := wanted.pop(_plain(member.name), [])):
            continue
        room.written += member.size * len(names)
        room.check(room.written)
        content = member.content()
        for name in names:
            yield Member(name, member.size, io.BytesIO(content).read)
    for name in (name for names in wanted.values() for name in names):
        yield Member(name, 0, io.BytesIO().read, "a hard link to a file that is not in the archive")


def _plain(name: str) -> str:
    return name.removeprefix("./")


@dataclass
class _Room:
    """Where members go (None: nowhere, they are only read), and how much of what the limits allow
    is left."""

    archive: Path
    folder: Path | None
    limits: Limits
    packed: int
    members: int = 0
    written: int = 0

    def count(self) -> None:
        """One more file or folder."""
        self.members += 1
        if self.members > self.limits.members:
            raise self.refused(f"it holds more than {self.limits.members:,} files")

    def take_all(self) -> None:
        """Take in all members of the archive."""
        for member in _members(self.archive, self):
            self.write(member)

    def write(self, member: Member) -> None:
        """Write a member. A file that ends early is damage; one that goes on is cut off by its
        reader."""
        if member.odd:
            raise self.refused(f"'{member.name}' is no plain file, but {member.odd}")
        place = self._place(member.name)
        self.count()
        self.check(self.written + member.size)
        if self.folder and member.size + self.limits.reserve > shutil.disk_usage(self.folder).free:
            spare = f"{self.limits.reserve / 1e9:.3g} GB are to spare"
            raise BenchError(
                f"{self.folder.parent} has too little room to unpack {self.archive} ({spare}): "
                "make room"
            )
        with self._opened(place, member.name) as out:
            written = self._copy(member, out)
        if written != member.size:
            raise self.damaged(f"'{member.name}' has {written:,} of {member.size:,} bytes")

    def check(self, total: int) -> None:
        """Whether so many bytes may come out of it."""
        if total > self.limits.size:
            raise self.refused(f"it unpacks to more than {self.limits.size:,} bytes")
        if total > max(FREE, self.limits.ratio * self.packed):
            raise self.refused(
                f"it unpacks to more than {self.limits.ratio:g} times its size, as a decompression "
                "bomb does"
            )

    def refused(self, why: str) -> BenchError:
        """Nothing that any honest archive has."""
        return BenchError(f"archive {self.archive} is refused: {why}; fetch it from its authors")

    def damaged(self, why: str) -> BenchError:
        """What a broken download looks like."""
        return BenchError(f"archive {self.archive} is damaged or cut short ({why}): fetch it again")

    def _opened(self, place: str, name: str) -> IO[bytes]:
        if self.folder is None:
            return open(os.devnull, "wb")
        path = self.folder / place
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("xb")
        except (FileExistsError, NotADirectoryError):
            raise self.refused(f"two of its members are '{name}'") from None

    def _place(self, name: str) -> str:
        path = name.rstrip("/").removeprefix("./")
        if not disk.inside(path):
            raise self.refused(f"{name[:80]!r} is no name inside it")
        if Path(path).suffix.lower() in PICKLES:
            raise self.refused(f"'{name}' is a pickle, which could run any code")
        return path

    def _copy(self, member: Member, out: IO[bytes]) -> int:
        written = 0
        while chunk := member.read(CHUNK):
            if not written and chunk.startswith(PROTOCOLS):
                raise self.refused(f"'{member.name}' is a pickle, which could run any code")
            written += len(chunk)
            self.written += len(chunk)
            self.check(self.written)
            out.write(chunk)
        return written


class _Counted(io.RawIOBase):
    """A tar archive's bytes, forwards only and never beyond the limits, also where nothing is
    written."""

    def __init__(self, stream: IO[bytes], room: _Room, packed: bool) -> None:
        self.stream, self.room, self.packed = stream, room, packed
        self.at = 0
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        if (
            not 0 <= size <= FREE
        ):  # tarfile reads a header's extension at once, of whatever size it claims
            raise self.room.refused("one of its headers is too large")
        found = self.stream.read(size)
        self.at += len(found)
        if self.packed:
            self.room.check(self.at)
        self.last = found
        return found

    def seek(self, place: int, whence: int = 0) -> int:
        if whence or place < self.at:
            raise tarfile.ReadError("it leads back")
        if not self.packed:
            self.at = self.stream.seek(place)
        while self.at < place and self.read(min(CHUNK, place - self.at)):
            pass
        return self.at

    def tell(self) -> int:
        return self.at


def _members(archive: Path, room: _Room) -> Iterator[Member]:
    """All that an archive holds; folders are counted."""
    with archive.open("rb") as stream:
        head = stream.read(6)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _of_zip(archive, room)
    opener = next(
        (unpacker for magic, unpacker in UNPACKERS.items() if head.startswith(magic)), open
    )
    return _of_tar(archive, room, cast(Callable[[Path, str], IO[bytes]], opener))


def _of_tar(
    archive: Path, room: _Room, opener: Callable[[Path, str], IO[bytes]]
) -> Iterator[Member]:
    packed = opener is not open
    with _damage(room), opener(archive, "rb") as stream:
        counted = _Counted(stream, room, packed)
        with tarfile.open(fileobj=cast(IO[bytes], counted), mode="r:") as tar:
            while found := tar.next():
                tar.members.clear()  # type: ignore[attr-defined]  # else hundred thousands of them stay in memory
                if found.isdir():
                    room.count()
                elif odd := _odd(found):
                    yield Member(
                        found.name,
                        0,
                        io.BytesIO().read,
                        odd,
                        found.linkname if found.islnk() else "",
                    )
                else:
                    yield Member(
                        found.name,
                        found.size,
                        _reader(cast(IO[bytes], tar.extractfile(found)), room),
                    )
        if counted.last != bytes(
            BLOCK
        ):  # tarfile takes a cut between two members, or a broken header, for the end
            raise room.damaged("its end is missing")
        while packed and counted.read(CHUNK):  # to the checksum
            pass


def _odd(member: tarfile.TarInfo) -> str:
    if member.issparse():
        return "a sparse file"
    kinds = {
        tarfile.SYMTYPE: "a symbolic link",
        tarfile.LNKTYPE: "a hard link",
        tarfile.FIFOTYPE: "a named pipe",
    }
    return "" if member.isreg() else kinds.get(member.type, "a device or the like")


def _of_zip(archive: Path, room: _Room) -> Iterator[Member]:
    with _damage(room), zipfile.ZipFile(archive) as packed:
        room.check(sum(member.file_size for member in packed.infolist()))
        for member in packed.infolist():
            mode = stat.S_IFMT(member.external_attr >> 16)
            if member.is_dir():
                room.count()
            elif mode not in (0, stat.S_IFREG):
                odd = "a symbolic link" if mode == stat.S_IFLNK else "a device or the like"
                yield Member(member.filename, 0, io.BytesIO().read, odd)
            else:
                with packed.open(member) as content:
                    yield Member(member.filename, member.file_size, _reader(content, room))


def _reader(content: IO[bytes], room: _Room) -> Callable[[int], bytes]:
    def read(size: int) -> bytes:
        with _damage(room):
            return content.read(size)

    return read


@contextmanager
def _damage(room: _Room) -> Iterator[None]:
    """A block that reads an archive, and whose errors say so."""
    try:
        yield
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise room.damaged((str(error) or type(error).__name__).splitlines()[0]) from error
