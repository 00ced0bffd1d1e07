"""Files and folders that appear whole or not at all, and JSON that says where it is damaged."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import keys
from bench.errors import BenchError
from bench.store import drafts
from bench.text import storable

if TYPE_CHECKING:
    import numpy as np


DEBRIS = frozenset(
    {"__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found"}
)
"""Folders that archives of a Mac, network storages and file systems leave beside files."""


def is_debris(name: str) -> bool:
    """Whether a file or folder is of a system, and nobody's photograph: hidden, or one of `DEBRIS`."""
    return name.startswith(".") or name in DEBRIS


def for_tensors(folder: Path) -> Path:
    """The folder. BenchError where its path is no UTF-8: safetensors reads no file there."""
    try:
        os.fsencode(folder.absolute()).decode()
    except UnicodeDecodeError as error:
        raise BenchError(
            f"{folder} has a path that is no UTF-8, where no weights can be read: choose another "
            "folder"
        ) from error
    return folder


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that it is whole or not there."""
    with drafts.file(path) as draft:
        draft.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8; bytes of names that are none are spelt out."""
    write_bytes(path, storable(text).encode())


def write_for_user(path: Path, text: str) -> None:
    """`write_text` of a file that someone named, in a folder that may not be there; BenchError
    where it can't be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    except OSError as error:
        raise BenchError(
            f"{path} can't be written ({error.strerror}): choose another file"
        ) from error


def write_json(path: Path, value: Any) -> None:
    """`write_text` of indented JSON."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: Path, newest: int = keys.SCHEMA) -> Any:
    """A JSON file; BenchError when it is missing, damaged or of a schema newer than `newest`."""
    try:
        value = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise BenchError(f"{path} is missing") from None
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} can't be read: {error}") from error
    if isinstance(value, dict) and not isinstance(value.get("schema_version", 0), int):
        raise BenchError(
            f"{path} has schema version {value['schema_version']!r}, which is no number"
        )
    if isinstance(value, dict) and value.get("schema_version", 0) > newest:
        raise BenchError(
            f"{path} has schema version {value['schema_version']}; this huebench reads up to "
            f"{newest}: upgrade it"
        )
    return value


@contextmanager
def folder_for_user(folder: Path) -> Iterator[Path]:
    """`drafts.folder` of one that someone named, whose parents may not be there; BenchError where
    it holds anything or can't be."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BenchError(f"{folder} exists and is not empty: choose another folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with drafts.folder(folder) as draft:
            yield draft
    except OSError as error:
        raise BenchError(
            f"{folder} can't be written ({error.strerror or error}): choose another folder"
        ) from error


def allocate(path: Path, dtype: Any, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    """A new `.npy` file as an array in memory, whose space is reserved: a disk that is full is an
    OSError here, and no signal that kills the process when a page is written."""
    import numpy as np

    made: np.memmap[Any, Any] = np.lib.format.open_memmap(path, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate") and path.stat().st_size:
        with path.open("rb+") as stream:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
    return made
