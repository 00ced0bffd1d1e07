"""Photographs below a folder; and what places that hold photographs have in common.

A source walks over its members once, in the order that is quick to read, and reads a member only on
request. So listing ids, reading everything and reading a few are the same loop. What it leaves out
it names (`Source.left_out`).
"""

from __future__ import annotations

import errno
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from bench.pictures.images import Unreadable
from bench.pictures.recognised import HEAD, OTHER, PHOTOGRAPH, may_be, sort
from bench.store.files import is_debris

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
        return [file_stamp("", self.path.stat())]

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
        found = [file_stamp(name, status) for name, _, status in self._files()]
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
                kind = large(status.st_size) if may_be(pure) else OTHER
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
                raise Unreadable(large(status.st_size))
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


def large(size: int) -> str:
    """Why a file of so many bytes is left out."""
    return f"{size:,} bytes are more than {LARGEST:,}"


def file_stamp(name: str, status: os.stat_result) -> str:
    """What changes when the content of a file does."""
    return f"{name}\x1f{status.st_size}\x1f{status.st_mtime_ns}"
