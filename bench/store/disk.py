"""What errors of a disk or a network mean for a store, and bringing names of files to the disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import Infrastructure, StoreLost
from bench.text import say

FULL = (errno.ENOSPC, errno.EDQUOT)
CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST)
SHAKY = (
    errno.EIO,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.ENOTCONN,
    errno.ECONNRESET,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.ENETDOWN,
)
"""Errors of a disk or a network that may be gone at the next try."""
NAMELESS = (*FULL, errno.EROFS, errno.EIO, errno.ESTALE)
"""Those that are believed to be the store's where the system names no file: writing in an open
file. A method's own sockets and permissions have names of no file, too."""


@contextmanager
def explained(folder: Path, doing: str = "written") -> Iterator[None]:
    """A block whose errors of a store's own files are said in a line (`StoreLost`); those of other
    files stay what they are."""
    try:
        yield
    except OSError as error:
        about = [
            os.fsdecode(name)
            for name in (error.filename, error.filename2)
            if isinstance(name, str | bytes)
        ]
        if not (any(_below(path, folder) for path in about) if about else error.errno in NAMELESS):
            raise
        if said := lost(folder, error.errno, error.strerror or str(error), doing):
            raise said from error
        raise
    except Exception as error:
        if type(error).__name__ == "SafetensorError" and "(os error " in str(
            error
        ):  # it has no errno of its own
            number = int(str(error).rpartition("(os error ")[2].partition(")")[0])
            if said := lost(folder, number, os.strerror(number), doing):
                raise said from error
        raise


def _below(path: str, folder: Path) -> bool:
    """Whether a path, which a library may have made absolute or followed, leads into a folder."""
    return any(
        Path(whole(path)).is_relative_to(whole(folder))
        for whole in (os.path.abspath, os.path.realpath)
    )


def lost(
    place: Path | str, number: int | None, why: str, doing: str = "written"
) -> StoreLost | None:
    """What an error of the system means for a store, or None where it says nothing of it."""
    if number in FULL:
        return StoreLost(
            f"the store {place} is full ({why}): free some space, as with `bench store gc`, or "
            "choose another "
            "with --store; what is finished stays, and the same command goes on"
        )
    if number in CLOSED:
        return StoreLost(f"the store {place} can't be {doing} ({why}): choose another with --store")
    if number in SHAKY:
        return Infrastructure(
            f"the store {place} is out of reach ({why}): the same command goes on when it is back"
        )
    return None


_said: set[Hashable] = set()


def say_once(about: Hashable, line: str) -> None:
    """A line on standard error, once in a process for each thing that it is about."""
    if about not in _said:
        _said.add(about)
        say(line, err=True)


def inside(name: str) -> bool:
    """Whether a file's name with slashes, which anyone may have written, stays in the folder that
    it is put into."""
    return not (
        {"", ".", ".."} & set(name.split("/")) or any(c in "\\:" or ord(c) < 32 for c in name)
    )


def sync(folder: Path) -> None:
    """Bring a folder's list of names to the disk, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (
            errno.EINVAL,
            errno.ENOTSUP,
            errno.EROFS,
        ):  # network shares that have no such call
            raise
    finally:
        os.close(handle)
