"""The atomic store: results of fits, prepared arrays and samples, found by key.

A thing is a folder; `cell.json`, put in last by `os.replace`, is the commit mark. "A file exists" is never "finished".
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import keys
from bench.errors import BenchError

COMMIT_MARK = "cell.json"


def default_folder() -> Path:
    """`$BENCH_STORE`, else the platform's cache folder."""
    from platformdirs import user_cache_path

    given = os.environ.get("BENCH_STORE")
    return Path(given) if given else user_cache_path("huebench") / "store"


class Store:
    """A folder of finished things: `<folder>/<kind>/<key[:2]>/<key>/`."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def path(self, kind: str, key: str) -> Path:
        """Where the thing is, or would be."""
        return self.folder / kind / key[:2] / key

    def find(self, kind: str, key: str) -> Path | None:
        """The folder of a finished thing, or None."""
        path = self.path(kind, key)
        return path if (path / COMMIT_MARK).is_file() else None

    def describe(self, kind: str, key: str) -> dict[str, Any]:
        """What was written in the commit mark."""
        return read_json(self.path(kind, key) / COMMIT_MARK)

    def all(self, kind: str) -> Iterator[dict[str, Any]]:
        """The commit marks of all finished things of a kind."""
        for mark in sorted((self.folder / kind).glob(f"??/*/{COMMIT_MARK}")):
            if not mark.parent.name.startswith("tmp-"):  # marked, but never moved in place
                yield read_json(mark)

    def get(self, kind: str, key: str, build: Callable[[Path], dict[str, Any]]) -> Path:
        """The folder of a thing, built if it is not there. `build(folder)` fills a folder and describes it."""
        found = self.find(kind, key)
        if found:
            return found
        with self.building(kind, key) as folder:
            commit(folder, {"kind": kind, "key": key, **build(folder)})
        return self.path(kind, key)

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
        try:
            parent.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(prefix=f"tmp-{os.getpid()}-", dir=parent))
        except OSError as error:
            raise BenchError(
                f"the store {self.folder} can't be written ({error.strerror}): choose another with --store"
            ) from error

    def sweep(self, process: int) -> None:
        """Remove what a process that was killed on this machine left half built."""
        for folder in self.folder.glob(f"*/??/tmp-{process}-*"):
            shutil.rmtree(folder, ignore_errors=True)


def commit(folder: Path, description: dict[str, Any]) -> None:
    """Put the commit mark into a complete folder."""
    write_json(folder / COMMIT_MARK, {"schema_version": keys.SCHEMA, **description})


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that it is whole or not there: temporary file in the same folder, fsync, replace."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8 text."""
    write_bytes(path, text.encode())


def write_for_user(path: Path, text: str) -> None:
    """`write_text` of a file that someone named, in a folder that may not be there; BenchError where it can't be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    except OSError as error:
        raise BenchError(f"{path} can't be written ({error.strerror}): choose another file") from error


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder`, which is empty or not there; it takes its place when the block ends well. OSError
    where it can't."""
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield draft
        os.chmod(draft, 0o755)  # mkdtemp's 0700 is for secrets
        if folder.is_dir():
            folder.rmdir()
        os.replace(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """`write_text` of indented JSON."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: Path, newest: int = keys.SCHEMA) -> Any:
    """A JSON file; BenchError when it is missing, damaged or of a schema newer than `newest`."""
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        raise BenchError(f"{path} is missing") from None
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} can't be read: {error}") from error
    if isinstance(value, dict) and not isinstance(value.get("schema_version", 0), int):
        raise BenchError(f"{path} has schema version {value['schema_version']!r}, which is no number")
    if isinstance(value, dict) and value.get("schema_version", 0) > newest:
        raise BenchError(
            f"{path} has schema version {value['schema_version']}; this huebench reads up to {newest}: upgrade it"
        )
    return value


def _replace_folder(folder: Path, final: Path) -> None:
    try:
        os.replace(folder, final)
    except OSError:
        if (final / COMMIT_MARK).is_file():  # another process finished the same thing first; it is the same by key
            return
        shutil.rmtree(final)  # an uncommitted left-over
        os.replace(folder, final)
