"""The atomic store: results of fits, prepared arrays and samples, found by key.

A thing is a folder; `cell.json`, put in last by `os.replace`, is the commit mark
(`bench.store.marks`), and holds the digests of all files and of itself. "A file exists" is never
"finished", and what differs from its digest is never used. Processes that share a store take turns
at a thing.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from bench.errors import BenchError, StoreLost
from bench.store import digests, disk, drafts, locks, marks, records
from bench.store.drafts import machine as machine
from bench.store.files import write_bytes
from bench.store.marks import COMMIT_MARK as COMMIT_MARK
from bench.store.marks import Mark

RUN = "run-"
"""How the locks of runs begin."""
USED = 3600.0
"""Seconds: the time of a mark says to an hour when its thing was last used, for `bench store gc`."""

BROWSED = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""What file browsers leave in folders, and nobody reads."""

_sound: set[bytes] = set()
"""How things looked whose digests this process, or one whose word it takes, has checked
(`digests.look`)."""


def cache_folder() -> Path:
    """The platform's cache folder for huebench."""
    from platformdirs import user_cache_path

    return user_cache_path("huebench")


class Store:
    """A folder of finished things: `<folder>/<kind>/<key[:2]>/<key>/`."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    @property
    def place(self) -> str:
        """What opens the same store from any folder: its absolute path, or a URL."""
        return str(self.folder.resolve())

    def path(self, kind: str, key: str) -> Path:
        """Where the thing is, or would be. BenchError for a kind or a key that is none: no path is
        made of it."""
        marks.checked(kind, key)
        return self.folder / kind / key[:2] / key

    def find(self, kind: str, key: str) -> Path | None:
        """The folder of a finished thing, or None. One that differs from its digests is named, and
        is not found."""
        return self.path(kind, key) if self._mark(kind, key) is not None else None

    def read(self, kind: str, key: str) -> tuple[Path, Mark] | None:
        """What `find` finds, and what its mark says (`bench.store.marks`)."""
        mark = self._mark(kind, key)
        return None if mark is None else (self.path(kind, key), marks.read(mark, kind, key))

    def describe(self, kind: str, key: str) -> Mark:
        """What the mark of a finished thing says. BenchError where it is not found."""
        if found := self.read(kind, key):
            return found[1]
        raise BenchError(self.gone(kind, key, f"{kind} {key[:12]}"))

    def all(self, kind: str) -> Iterator[Mark]:
        """What the marks of all finished things of a kind say. One that can't be believed is named
        once, and left out."""
        marks.known(kind)
        for path in filter(lambda path: marks.is_key(path.name), self.places(kind)):
            with (
                self._told(kind, path.name),
                disk.explained(self.folder, "read"),
                suppress(FileNotFoundError, NotADirectoryError),
            ):
                yield marks.read(mark_bytes(path), kind, path.name)

    def places(self, kind: str) -> list[Path]:
        """Whatever lies where finished things of a kind do, or (kind `work`) unfinished ones."""
        return sorted(
            path
            for path in (self.folder / kind).glob("*/*")
            if not path.name.startswith("tmp-") and path.name not in BROWSED
        )

    def has(self, kind: str, key: str) -> bool:
        """Whether a thing was finished; its files are not read."""
        return (self.path(kind, key) / COMMIT_MARK).is_file()

    def gone(self, kind: str, key: str, what: str) -> str:
        """Why a thing can't be read, and what to do."""
        path = self.path(kind, key)
        try:
            whole_mark(path, kind, key)
        except marks.Old as old:
            return f"{what}: {path} is not used ({old}): {self._migrated()} takes it over, or repeat the run"
        except BenchError as wrong:
            return f"{what}: {path} is damaged ({wrong}): repeat the run to make it again"
        return f"{what} are not in the store {self.place}: repeat the run to make them again"

    def _migrated(self) -> str:
        return f"`bench store verify --migrate --store {self.folder}`"

    def looks(self, kind: str, key: str) -> str:
        """How a thing looks now, for `trust` in other processes: what one of them has read they
        need not read again."""
        path = self.path(kind, key)
        try:
            return digests.look(path, digests.scan(path), COMMIT_MARK, mark_bytes(path)).hex()
        except (FileNotFoundError, NotADirectoryError):
            raise BenchError(self.gone(kind, key, f"{kind} {key[:12]}")) from None

    def _mark(self, kind: str, key: str) -> bytes | None:
        """The mark of a finished thing, None where there is none that can be used."""
        path = self.path(kind, key)
        with (
            self._told(kind, key),
            disk.explained(self.folder, "read"),
        ):  # which ends in None where it tells
            return whole_mark(path, kind, key)

    @contextmanager
    def _told(self, kind: str, key: str) -> Iterator[None]:
        """A block that reads a thing, and ends where it can't be used, which is said once."""
        try:
            yield
        except StoreLost:
            raise
        except marks.Old as old:
            disk.say_once(
                ("old", self.folder),
                f"store: things in {self.folder} are not used ({old}): {self._migrated()} takes "
                "over those that are whole; a run makes what it needs again",
            )
        except BenchError as wrong:
            path = self.path(kind, key)
            disk.say_once(
                (path, _inode(path / COMMIT_MARK)),
                f"store: {kind} {key[:12]} is damaged ({wrong}): it is not used",
            )

    def get(
        self,
        kind: str,
        key: str,
        build: Callable[[Path], dict[str, Any]],
        waiting: Callable[[], None] | None = None,
    ) -> Path:
        """The folder of a thing, built if it is not there. `build(folder)` fills a folder and
        describes it.

        Where another process builds it this one waits, after calling `waiting`, and takes what it
        made.
        """
        return self.find(kind, key) or self._built(kind, key, build, waiting)

    def get_if_free(
        self, kind: str, key: str, build: Callable[[Path], dict[str, Any]]
    ) -> Path | None:
        """`get`, or None where another process builds it now."""
        try:
            return self.find(kind, key) or self._built(kind, key, build, wait=False)
        except locks.Busy:
            return None

    def work(self, kind: str, key: str) -> Path:
        """A folder, made by who needs it, for unfinished work on a thing: it outlives a kill, and
        goes when the thing is built."""
        marks.checked(kind, key)
        return self.folder / "work" / kind / key

    def lock(self, kind: str, key: str) -> Path:
        """The file that says that someone builds a thing."""
        marks.checked(kind, key)
        return self.folder / "locks" / f"{kind}-{key}.lock"

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """A block of a run: `bench store gc` leaves what it uses (`runs`)."""
        lock = self.folder / "locks" / f"{RUN}{os.getpid()}-{machine()}-{uuid.uuid4().hex[:8]}.lock"
        with ExitStack() as block:
            with suppress(OSError):  # a store may be for reading only
                for other in lock.parent.glob(f"{RUN}*.lock"):  # of runs that were killed
                    if not locks.is_held(other):
                        other.unlink(missing_ok=True)
                block.enter_context(locks.held(lock))
                block.callback(lock.unlink, missing_ok=True)
            yield

    def runs(self) -> Iterator[float]:
        """When those runs began that are under way now."""
        for lock in (self.folder / "locks").glob(f"{RUN}*.lock"):
            with suppress(FileNotFoundError):
                began = lock.stat().st_mtime
                if locks.is_held(lock):
                    yield began

    def _built(
        self,
        kind: str,
        key: str,
        build: Callable[[Path], dict[str, Any]],
        waiting: Callable[[], None] | None = None,
        wait: bool = True,
    ) -> Path:
        with disk.explained(self.folder), locks.held(self.lock(kind, key), waiting, wait):
            if not self.find(kind, key):  # else another process made it meanwhile
                self._make(kind, key, build)
            shutil.rmtree(self.work(kind, key), ignore_errors=True)
            self.lock(kind, key).unlink(
                missing_ok=True
            )  # whoever waits looks again, and finds the thing
        return self.path(kind, key)

    def _make(self, kind: str, key: str, build: Callable[[Path], dict[str, Any]]) -> None:
        with self.building(kind, key) as folder:
            commit(folder, kind, key, build(folder))

    @contextmanager
    def building(self, kind: str, key: str) -> Iterator[Path]:
        """A temporary folder beside the final place, moved there when the block ends well, else
        removed."""
        final = self.path(kind, key)
        for left in final.parent.glob(
            f"tmp-*-{machine()}-{key[:16]}-*"
        ):  # by a process that was killed
            if not drafts.alive(int(left.name.split("-")[1])):
                discard(left)
        folder = self.temporary(final.parent, f"{key[:16]}-")
        try:
            yield folder
            os.chmod(folder, 0o755)  # mkdtemp's 0700 would hide it from others who share the store
            _replace_folder(folder, final, lambda: _is_whole(final, kind, key))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def temporary(self, parent: Path | None = None, label: str = "") -> Path:
        """A new, empty folder in the store, whose name holds the label (BenchError when it can't be
        written)."""
        parent = parent or self.folder
        with disk.explained(self.folder):
            parent.mkdir(parents=True, exist_ok=True)
            return Path(
                tempfile.mkdtemp(prefix=f"tmp-{os.getpid()}-{machine()}-{label}", dir=parent)
            )

    def sweep(self, process: int) -> None:
        """Remove what a process that was killed on this machine left half built."""
        for folder in self.folder.glob(f"*/*/tmp-{process}-{machine()}-*"):
            shutil.rmtree(folder, ignore_errors=True)


def trust(looks: Iterable[str]) -> None:
    """Don't read things against their digests that still look as another process saw them when it
    had (`Store.looks`)."""
    _sound.update(map(bytes.fromhex, looks))


def commit(folder: Path, kind: str, key: str, description: Mapping[str, Any]) -> None:
    """Put the commit mark, with the digests of all files, into a complete folder. BenchError for
    files or a description that no thing of the kind has."""
    try:
        mark = marks.written(kind, key, digests.of_folder(folder), description)
    except BenchError as error:
        raise BenchError(f"{kind} {key[:12]} can't be kept: {error}") from error
    write_bytes(folder / COMMIT_MARK, mark)


def whole_mark(path: Path, kind: str, key: str) -> bytes | None:
    """The mark of a finished thing, None where there is none. BenchError, a part of a sentence, for
    what is not as it was written. Files are read once in a process, and again when they look
    otherwise."""
    try:
        if path.is_symlink():
            raise BenchError("it is a link")
        found = digests.scan(path)
        if COMMIT_MARK not in found:
            return None
        mark = mark_bytes(path)
        now = digests.look(path, found, COMMIT_MARK, mark)
        if now not in _sound:
            if wrong := wrong_files(path, found, marks.read(mark, kind, key)):
                raise BenchError(wrong)
            _sound.add(now)
            _touch(path / COMMIT_MARK)
    except (FileNotFoundError, NotADirectoryError):  # another process removes it, or never made it
        return None
    return mark


def wrong_files(path: Path, found: digests.Found, mark: Mark) -> str:
    """What is wrong with a thing's files, or nothing."""
    if extra := sorted(
        name
        for name in found.keys() - mark.files.keys() - {COMMIT_MARK}
        if Path(name).name not in BROWSED
    ):
        return f"it holds {ascii(extra[0])[:80]}, which its mark does not list"
    return digests.damage(path, mark.files)


def mark_bytes(path: Path) -> bytes:
    """The mark of the thing in a folder, as it is there. BenchError, a part of a sentence, for what
    can be none."""
    mark = path / COMMIT_MARK
    found = mark.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise BenchError("its mark is a link, or no plain file")
    if found.st_size > records.LARGEST:
        raise BenchError(f"its mark has {found.st_size:,} bytes, more than any")
    return mark.read_bytes()


def discard(path: Path) -> None:
    """Remove whatever has a name: a folder, a file, a link (and not what it leads to)."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _touch(mark: Path) -> None:
    """Note that a thing is used."""
    with suppress(OSError):  # a store may be for reading only
        if time.time() - mark.stat().st_mtime > USED:
            os.utime(mark)


def _inode(path: Path) -> int:
    try:
        return path.lstat().st_ino
    except OSError:
        return 0


def _is_whole(path: Path, kind: str, key: str) -> bool:
    try:
        return whole_mark(path, kind, key) is not None
    except BenchError:
        return False


def _replace_folder(folder: Path, final: Path, is_whole: Callable[[], bool]) -> None:
    try:
        os.replace(folder, final)
    except OSError:
        if not os.path.lexists(final):
            raise
        if is_whole():  # made meanwhile; it is the same by key
            return
        aside = Path(
            f"{folder}-old"
        )  # an uncommitted left-over, or damaged; a share may keep files that someone has open
        os.replace(final, aside)
        os.replace(folder, final)
        with suppress(OSError):
            discard(aside)
    disk.sync(final.parent)
