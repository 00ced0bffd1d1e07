"""The atomic store: results of fits, prepared arrays and samples, found by key.

A thing is a folder; `cell.json`, put in last by `os.replace`, is the commit mark, and holds the digests of all files. "A file
exists" is never "finished", and what differs from its digest is never used. Processes that share a store take turns at a thing.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bench import digests, disk, keys, locks
from bench.errors import BenchError
from bench.files import for_tensors, read_json, write_json

COMMIT_MARK = "cell.json"
USED = 3600.0
"""Seconds: the time of a mark says to an hour when its thing was last used, for `bench store gc`."""

_sound: set[bytes] = set()
"""How things looked whose digests this process, or one whose word it takes, has checked (`digests.look`)."""


def open_store(where: Path | str | None = None) -> Store:
    """The store in a folder, or behind a URL that fsspec knows, as `s3://bucket/store`; None: `default_place`."""
    place = located(where) if where else default_place()
    if isinstance(place, Path):
        return Store(for_tensors(place))
    from bench.remote_store import RemoteStore

    return RemoteStore(place)


def default_place() -> Path | str:
    """`$BENCH_STORE`, a folder or a URL, else the platform's cache folder."""
    given = os.environ.get("BENCH_STORE")
    return located(given) if given else cache_folder() / "store"


def cache_folder() -> Path:
    """The platform's cache folder for huebench."""
    from platformdirs import user_cache_path

    return user_cache_path("huebench")


def located(where: Path | str) -> Path | str:
    """A URL as text, a folder as a path."""
    return where if isinstance(where, str) and "://" in where else Path(where)


class Store:
    """A folder of finished things: `<folder>/<kind>/<key[:2]>/<key>/`."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    @property
    def place(self) -> str:
        """What opens the same store from any folder: its absolute path, or a URL."""
        return str(self.folder.resolve())

    def path(self, kind: str, key: str) -> Path:
        """Where the thing is, or would be."""
        return self.folder / kind / key[:2] / key

    def find(self, kind: str, key: str) -> Path | None:
        """The folder of a finished thing, or None. One whose files differ from their digests is named, and is not found."""
        path = self.path(kind, key)
        with disk.explained(self.folder, "read"):
            if not (path / COMMIT_MARK).is_file():
                return None
            wrong = _damage(path)
        if wrong:
            about = path, (path / COMMIT_MARK).stat().st_ino
            disk.say_once(about, f"store: {kind} {key[:12]} is damaged ({wrong}): it is not used")
        return None if wrong else path

    def gone(self, kind: str, key: str, what: str) -> str:
        """Why a thing can't be read, and what to do."""
        path = self.path(kind, key)
        if (path / COMMIT_MARK).is_file():
            return f"{what}: {path} is damaged ({_damage(path)}): repeat the run to make it again"
        return f"{what} are not in the store {self.place}: repeat the run to make them again"

    def looks(self, kind: str, key: str) -> str:
        """How a thing looks now, for `trust` in other processes: what one of them has read they need not read again."""
        return digests.look(self.path(kind, key), COMMIT_MARK).hex()

    def describe(self, kind: str, key: str) -> dict[str, Any]:
        """What was written in the commit mark."""
        return read_json(self.path(kind, key) / COMMIT_MARK)

    def all(self, kind: str) -> Iterator[dict[str, Any]]:
        """The commit marks of all finished things of a kind."""
        for mark in sorted((self.folder / kind).glob(f"??/*/{COMMIT_MARK}")):
            if not mark.parent.name.startswith("tmp-"):  # marked, but never moved in place
                yield read_json(mark)

    def get(self, kind: str, key: str, build: Callable[[Path], dict[str, Any]],
            waiting: Callable[[], None] | None = None) -> Path:  # fmt: skip
        """The folder of a thing, built if it is not there. `build(folder)` fills a folder and describes it.

        Where another process builds it this one waits, after calling `waiting`, and takes what it made.
        """
        return self.find(kind, key) or self._built(kind, key, build, waiting)

    def get_if_free(self, kind: str, key: str, build: Callable[[Path], dict[str, Any]]) -> Path | None:
        """`get`, or None where another process builds it now."""
        try:
            return self.find(kind, key) or self._built(kind, key, build, wait=False)
        except locks.Busy:
            return None

    def work(self, kind: str, key: str) -> Path:
        """A folder, made by who needs it, for unfinished work on a thing: it outlives a kill, and goes when the thing is built."""
        return self.folder / "work" / kind / key

    def lock(self, kind: str, key: str) -> Path:
        """The file that says that someone builds a thing."""
        return self.folder / "locks" / f"{kind}-{key}.lock"

    def _built(self, kind: str, key: str, build: Callable[[Path], dict[str, Any]], waiting: Callable[[], None] | None = None,
               wait: bool = True) -> Path:  # fmt: skip
        with disk.explained(self.folder), locks.held(self.lock(kind, key), waiting, wait):
            if not self.find(kind, key):  # else another process made it meanwhile
                self._make(kind, key, build)
            shutil.rmtree(self.work(kind, key), ignore_errors=True)
            self.lock(kind, key).unlink(missing_ok=True)  # whoever waits looks again, and finds the thing
        return self.path(kind, key)

    def _make(self, kind: str, key: str, build: Callable[[Path], dict[str, Any]]) -> None:
        with self.building(kind, key) as folder:
            commit(folder, {"kind": kind, "key": key, **build(folder)})

    @contextmanager
    def building(self, kind: str, key: str) -> Iterator[Path]:
        """A temporary folder beside the final place, moved there when the block ends well, else removed."""
        final = self.path(kind, key)
        folder = self.temporary(final.parent)
        try:
            yield folder
            os.chmod(folder, 0o755)  # mkdtemp's 0700 would hide it from others who share the store
            _replace_folder(folder, final)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def temporary(self, parent: Path | None = None) -> Path:
        """A new, empty folder in the store (BenchError when it can't be written)."""
        parent = parent or self.folder
        with disk.explained(self.folder):
            parent.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(prefix=f"tmp-{os.getpid()}-{machine()}-", dir=parent))

    def sweep(self, process: int) -> None:
        """Remove what a process that was killed on this machine left half built."""
        for folder in self.folder.glob(f"*/??/tmp-{process}-{machine()}-*"):
            shutil.rmtree(folder, ignore_errors=True)


def trust(looks: Iterable[str]) -> None:
    """Don't read things against their digests that still look as another process saw them when it had (`Store.looks`)."""
    _sound.update(map(bytes.fromhex, looks))


def machine() -> str:
    """A short name of this machine, without a dash: processes of several machines share a store."""
    return keys.sha256(platform.node())[:8]


def commit(folder: Path, description: dict[str, Any]) -> None:
    """Put the commit mark, with the digests of all files, into a complete folder."""
    write_json(folder / COMMIT_MARK, {"schema_version": keys.SCHEMA, **description, "files": digests.of_folder(folder)})


def _damage(path: Path) -> str:
    """What is wrong with a finished thing. Its files are read once in a process, and again when they look otherwise."""
    try:
        now = digests.look(path, COMMIT_MARK)
        if now in _sound:
            return ""
        mark = read_json(path / COMMIT_MARK)
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} has gone"
    except BenchError as error:
        return str(error)
    wrong = digests.damage(path, mark.get("files", {}) if isinstance(mark, dict) else None)
    if not wrong:
        _sound.add(now)
        with suppress(OSError):  # a store may be for reading only
            if time.time() - (path / COMMIT_MARK).stat().st_mtime > USED:
                os.utime(path / COMMIT_MARK)
    return wrong


def _replace_folder(folder: Path, final: Path) -> None:
    try:
        os.replace(folder, final)
    except OSError:
        if not final.exists():
            raise
        if (final / COMMIT_MARK).is_file() and not _damage(final):  # made meanwhile; it is the same by key
            return
        aside = Path(f"{folder}-old")  # an uncommitted left-over, or damaged; a share may keep files that someone has open
        os.replace(final, aside)
        os.replace(folder, final)
        shutil.rmtree(aside, ignore_errors=True)
    disk.sync(final.parent)
