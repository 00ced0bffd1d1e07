"""Files and folders that are not whole yet. They lie beside the place of the whole, and their names
tell whose they are: what a process that was killed left there goes when the next one writes into
the same folder."""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench import keys
from bench.store import disk

_NAME = re.compile(r"\..*-draft-(\d+)-([0-9a-f]{8})-\w+")
_SHOWN = 40
"""Characters of a name that its draft repeats: a file system takes 255 bytes."""

_swept: set[str] = set()


@contextmanager
def file(path: Path) -> Iterator[Path]:
    """An empty file that takes the place of `path` when the block ends well, synced to the disk;
    else it goes. OSError where it can't."""
    _sweep_once(path.parent)
    handle, name = tempfile.mkstemp(prefix=_prefix(path), dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
        with open(name, "rb+") as stream:
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)  # mkstemp's 0600 is for secrets
        os.replace(name, path)
        disk.sync(path.parent)
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def folder(path: Path, full: bool = False) -> Iterator[Path]:
    """An empty folder that takes the place of `path` when the block ends well; else it goes. `path`
    is not there or empty; or it may be `full`, and what it held goes. OSError where it can't."""
    _sweep_once(path.parent)
    draft = Path(tempfile.mkdtemp(prefix=_prefix(path), dir=path.parent))
    try:
        yield draft
        os.chmod(draft, 0o755)
        if path.is_dir() and full:
            _exchange(draft, path)
        else:
            if path.is_dir():
                path.rmdir()
            os.replace(draft, path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _exchange(draft: Path, path: Path) -> None:
    """A process that is killed between the moves leaves two drafts, and nothing half."""
    old = tempfile.mkdtemp(prefix=_prefix(path), dir=path.parent)
    try:
        os.replace(path, old)
        try:
            os.replace(draft, path)
        except OSError:
            os.replace(old, path)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def machine() -> str:
    """A short name of this machine, without a dash: processes of several machines share a folder."""
    return keys.sha256(platform.node())[:8]


def alive(process: int) -> bool:
    """Whether there is a process of this number on this machine."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def sweep(folder: Path) -> None:
    """Remove what killed processes of this machine left in a folder."""
    with suppress(
        OSError
    ):  # it may not be there yet, or be closed to us: then the next draft says so
        for name in os.listdir(folder):
            if (
                (found := _NAME.fullmatch(name))
                and found[2] == machine()
                and not alive(int(found[1]))
            ):
                path = folder / name
                shutil.rmtree(
                    path, ignore_errors=True
                ) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def _prefix(path: Path) -> str:
    return f".{path.name[:_SHOWN]}-draft-{os.getpid()}-{machine()}-"


def _sweep_once(folder: Path) -> None:
    place = os.path.realpath(folder)
    if place not in _swept:
        _swept.add(place)
        sweep(Path(place))
