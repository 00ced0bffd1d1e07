"""A store behind a URL: object stores and file servers, through fsspec.

What counts is what is there: a thing is finished when its mark is there, which is put there last. A
folder of this machine holds copies, where things are built and read. Machines don't take turns: two
may build the same thing at once. The first mark stays, and digests keep anyone from using files of
one with the mark of the other.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import keys
from bench.errors import BenchError, Infrastructure, StoreLost
from bench.store import digests, disk, locks, marks
from bench.store.files import write_bytes
from bench.store.local import COMMIT_MARK, Store, cache_folder, machine, mark_bytes


class RemoteStore(Store):
    """`<url>/<kind>/<key[:2]>/<key>/`, the layout of a store in a folder. `folder` is where this
    machine keeps copies."""

    def __init__(self, url: str) -> None:
        if urlsplit(url).password:
            raise BenchError(
                "a store's URL with a password in it would be written into run folders: keep the "
                "password in fsspec's "
                "configuration or the provider's environment variables"
            )
        self.url = url.rstrip("/")
        cache = os.environ.get("BENCH_STORE_CACHE")
        super().__init__(
            (Path(cache) if cache else cache_folder() / "remote") / keys.sha256(self.url)[:16]
        )
        self._there: set[tuple[str, str]] = set()
        self._refused: set[bytes] = set()

    @property
    def place(self) -> str:
        """The URL."""
        return self.url

    def has(self, kind: str, key: str) -> bool:
        """Whether the URL has it."""
        return self._mark_there(kind, key) is not None

    def all(self, kind: str) -> Iterator[marks.Mark]:
        """What the marks at the URL say. One that can't be believed is named once, and left out."""
        marks.known(kind)
        with self._reached("read"):
            self._system.invalidate_cache()
            paths = sorted(self._system.glob(f"{self._root}/{kind}/??/*/{COMMIT_MARK}"))
            found = {
                key: self._system.cat_file(path)
                for path in paths
                if marks.is_key(key := path.split("/")[-2])
            }
        for key, mark in found.items():
            with self._told_there(kind, key, mark):
                yield marks.read(mark, kind, key)

    def _mark(self, kind: str, key: str) -> bytes | None:
        """The mark of a finished thing, of which there is a copy then: fetched, if this machine has
        none. None where the URL has no whole one."""
        copy = super()._mark(kind, key)
        if copy and (kind, key) in self._there:
            return copy
        there = self._mark_there(kind, key)
        if there and not copy:
            copy = self._fetched(kind, key, there)
        if there and copy:
            self._there.add((kind, key))
        return copy if there else None

    def _make(self, kind: str, key: str, build: Callable[[Path], dict[str, Any]]) -> None:
        if not super()._mark(kind, key):  # else it was built here, and only sending it failed
            super()._make(kind, key, build)
        if not self._mark_there(kind, key):  # else another machine was faster
            self._send(kind, key)
        self._there.add((kind, key))

    def _mark_there(self, kind: str, key: str) -> bytes | None:
        """The mark at the URL, unless it can't be believed, or what came with it was damaged."""
        with self._reached("read"):
            try:
                mark: bytes = self._system.cat_file(self._at(kind, key, COMMIT_MARK))
            except (FileNotFoundError, IsADirectoryError):
                return None
        if mark not in self._refused:
            with self._told_there(kind, key, mark):
                marks.read(mark, kind, key)
        return None if mark in self._refused else mark

    def _fetched(self, kind: str, key: str, mark: bytes) -> bytes | None:
        """The mark of a copy, made by one process of this machine; None, after saying so, where
        what is there is damaged."""
        lock = self.lock(kind, key)
        lock = lock.with_name(f"fetch-{lock.name}")
        with self._told_there(kind, key, mark), disk.explained(self.folder), locks.held(lock):
            if not super()._mark(kind, key):  # else another process fetched it meanwhile
                with self.building(kind, key) as folder:
                    self._copy(kind, key, mark, folder)
            lock.unlink(missing_ok=True)
        return super()._mark(kind, key)

    def _copy(self, kind: str, key: str, mark: bytes, folder: Path) -> None:
        """Fetch a thing's files, which its mark names, into a folder."""
        files = marks.read(mark, kind, key).files
        for name in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with self._reached("read"):
                try:
                    self._system.get_file(self._at(kind, key, name), str(folder / name))
                except (FileNotFoundError, IsADirectoryError):
                    raise BenchError(f"{name} is missing") from None
        if wrong := digests.damage(folder, files):
            raise BenchError(wrong)
        write_bytes(folder / COMMIT_MARK, mark)

    @contextmanager
    def _told_there(self, kind: str, key: str, mark: bytes) -> Iterator[None]:
        """A block that reads a thing at the URL, and ends where it can't be used, which is said;
        its mark is not asked again."""
        try:
            yield
        except StoreLost:
            raise
        except marks.Old as old:
            self._refused.add(mark)
            disk.say_once(
                ("old", self.url),
                f"store: things at {self.url} are not used ({old}): a run makes what it needs again",
            )
        except BenchError as wrong:
            self._refused.add(mark)
            about = self.url, kind, key, mark
            disk.say_once(
                about,
                f"store: {kind} {key[:12]} at {self.url} is damaged ({wrong}): it is not used",
            )

    def _send(self, kind: str, key: str) -> None:
        """Files first, then the mark, which appears whole."""
        folder, mark = self.path(kind, key), self._at(kind, key, COMMIT_MARK)
        draft = f"{self._root}/{kind}/{key[:2]}/tmp-{os.getpid()}-{machine()}-{uuid.uuid4().hex}-{COMMIT_MARK}"
        with self._reached("written"):
            for name in marks.read(mark_bytes(folder), kind, key).files:
                self._put(folder / name, self._at(kind, key, name))
            self._put(folder / COMMIT_MARK, draft)
            self._system.makedirs(
                mark.rpartition("/")[0], exist_ok=True
            )  # of a thing without files, too
            self._system.mv(draft, mark)

    def _put(self, file: Path, where: str) -> None:
        self._system.makedirs(where.rpartition("/")[0], exist_ok=True)
        self._system.put_file(str(file), where)

    def _at(self, kind: str, key: str, name: str) -> str:
        marks.checked(kind, key)
        return "/".join((self._root, kind, key[:2], key, name))

    @property
    def _root(self) -> str:
        return self._opened[1].rstrip("/")

    @property
    def _system(self) -> Any:
        return self._opened[0]

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """fsspec's file system, and the root in it."""
        from fsspec.core import url_to_fs

        try:
            system, root = url_to_fs(self.url)
        except ImportError as error:
            raise BenchError(
                f"the store {self.url} needs a package that is not installed ({error})"
            ) from error
        except ValueError as error:
            raise BenchError(
                f"the store {self.url} can't be opened ({error}): give a folder, or a URL of "
                "fsspec's"
            ) from error
        return system, root

    @contextmanager
    def _reached(self, doing: str) -> Iterator[None]:
        """A block of calls of fsspec, whose back ends raise errors of many kinds: each is a line
        that names the store."""
        try:
            yield
        except BenchError:
            raise
        except (PermissionError, FileNotFoundError, NotImplementedError) as error:
            raise StoreLost(
                f"the store {self.url} can't be {doing} ({_first_line(error)}): choose another "
                "with --store"
            ) from error
        except OSError as error:
            place = self.folder if doing == "read" and error.errno in disk.FULL else self.url
            raise disk.lost(place, error.errno, _first_line(error), doing) or self._away(
                error
            ) from error
        except Exception as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> Infrastructure:
        why = _first_line(error)
        return Infrastructure(
            f"the store {self.url} is out of reach ({why}): the same command goes on when it is "
            "back"
        )


def _first_line(error: Exception) -> str:
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return said.splitlines()[0] if said else type(error).__name__
