"""A store behind a URL: object stores and file servers, through fsspec.

What counts is what is there: a thing is finished when its mark is there, which is put there last. A folder of this machine holds
copies, where things are built and read. Machines don't take turns: two may build the same thing at once. The first mark stays,
and digests keep anyone from using files of one with the mark of the other.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import digests, disk, keys, locks
from bench.errors import BenchError, Infrastructure, StoreLost
from bench.files import write_bytes
from bench.store import COMMIT_MARK, Store, cache_folder


class RemoteStore(Store):
    """`<url>/<kind>/<key[:2]>/<key>/`, the layout of a store in a folder. `folder` is where this machine keeps copies."""

    def __init__(self, url: str) -> None:
        if urlsplit(url).password:
            raise BenchError("a store's URL with a password in it would be written into run folders: keep the password in fsspec's "
                             "configuration or the provider's environment variables")  # fmt: skip
        self.url = url.rstrip("/")
        cache = os.environ.get("BENCH_STORE_CACHE")
        super().__init__((Path(cache) if cache else cache_folder() / "remote") / keys.sha256(self.url)[:16])
        self._there: set[tuple[str, str]] = set()
        self._refused: set[bytes] = set()

    @property
    def place(self) -> str:
        """The URL."""
        return self.url

    def find(self, kind: str, key: str) -> Path | None:
        """The copy of a finished thing, fetched if this machine has none; None where the URL has no whole one."""
        copy = super().find(kind, key)
        if copy and (kind, key) in self._there:
            return copy
        mark = self._mark(kind, key)
        if mark and not copy:
            copy = self._fetched(kind, key, mark)
        if mark and copy:
            self._there.add((kind, key))
        return copy if mark else None

    def has(self, kind: str, key: str) -> bool:
        """Whether the URL has it."""
        return self._mark(kind, key) is not None

    def all(self, kind: str) -> Iterator[dict[str, Any]]:
        """The marks at the URL."""
        with self._reached("read"):
            self._system.invalidate_cache()
            marks = [self._system.cat_file(path) for path in sorted(self._system.glob(self._at(kind, "??", "*", COMMIT_MARK)))]
        yield from map(json.loads, marks)

    def _make(self, kind: str, key: str, build: Callable[[Path], dict[str, Any]]) -> None:
        if not super().find(kind, key):  # else it was built here, and only sending it failed
            super()._make(kind, key, build)
        if not self._mark(kind, key):  # else another machine was faster
            self._send(kind, key)
        self._there.add((kind, key))

    def _mark(self, kind: str, key: str) -> bytes | None:
        """The mark at the URL, unless what came with it was damaged."""
        with self._reached("read"):
            try:
                mark: bytes = self._system.cat_file(self._at(kind, key[:2], key, COMMIT_MARK))
            except FileNotFoundError:
                return None
        return None if mark in self._refused else mark

    def _fetched(self, kind: str, key: str, mark: bytes) -> Path | None:
        """A copy, made by one process of this machine; None, after saying so, where what is there is damaged."""
        lock = self.lock(f"fetch-{kind}", key)
        try:
            with disk.explained(self.folder), locks.held(lock):
                if not super().find(kind, key):  # else another process fetched it meanwhile
                    with self.building(kind, key) as folder:
                        self._copy(kind, key, mark, folder)
                lock.unlink(missing_ok=True)
        except _Damaged as wrong:
            self._refused.add(mark)
            print(f"store: {kind} {key[:12]} at {self.url} is damaged ({wrong}): it is not used", file=sys.stderr, flush=True)
        return super().find(kind, key)

    def _copy(self, kind: str, key: str, mark: bytes, folder: Path) -> None:
        try:
            files = json.loads(mark)["files"]
        except (ValueError, KeyError, TypeError):
            raise _Damaged(f"{COMMIT_MARK} is no mark") from None
        for name in files if isinstance(files, dict) else ():
            if not disk.inside(name):
                raise _Damaged(f"'{name}' is no file of it")
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with self._reached("read"):
                try:
                    self._system.get_file(self._at(kind, key[:2], key, name), str(folder / name))
                except FileNotFoundError:
                    raise _Damaged(f"{name} is missing") from None
        if wrong := digests.damage(folder, files):
            raise _Damaged(wrong)
        write_bytes(folder / COMMIT_MARK, mark)

    def _send(self, kind: str, key: str) -> None:
        """Files first, then the mark, which appears whole."""
        folder, mark = self.path(kind, key), self._at(kind, key[:2], key, COMMIT_MARK)
        draft = f"{mark}-{uuid.uuid4().hex}"
        with self._reached("written"):
            for name in self.describe(kind, key)["files"]:
                self._put(folder / name, self._at(kind, key[:2], key, name))
            self._put(folder / COMMIT_MARK, draft)
            self._system.mv(draft, mark)

    def _put(self, file: Path, where: str) -> None:
        self._system.makedirs(where.rpartition("/")[0], exist_ok=True)
        self._system.put_file(str(file), where)

    def _at(self, *parts: str) -> str:
        return "/".join((self._opened[1].rstrip("/"), *parts))

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
            raise BenchError(f"the store {self.url} needs a package that is not installed ({error})") from error
        except ValueError as error:
            raise BenchError(f"the store {self.url} can't be opened ({error}): give a folder, or a URL of fsspec's") from error
        return system, root

    @contextmanager
    def _reached(self, doing: str) -> Iterator[None]:
        """A block of calls of fsspec, whose back ends raise errors of many kinds: each is a line that names the store."""
        try:
            yield
        except (BenchError, _Damaged):
            raise
        except (PermissionError, FileNotFoundError, NotImplementedError) as error:
            raise StoreLost(f"the store {self.url} can't be {doing} ({_first_line(error)}): choose another with --store") from error
        except OSError as error:
            place = self.folder if doing == "read" and error.errno in disk.FULL else self.url
            raise disk.lost(place, error.errno, _first_line(error), doing) or self._away(error) from error
        except Exception as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> Infrastructure:
        why = _first_line(error)
        return Infrastructure(f"the store {self.url} is out of reach ({why}): the same command goes on when it is back")


class _Damaged(Exception):
    """What is wrong with a thing at the URL."""


def _first_line(error: Exception) -> str:
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return said.splitlines()[0] if said else type(error).__name__
