"""Keys of stored things: SHA-256 of canonical JSON."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

SCHEMA = 1
"""Version of the store's layout; part of every key."""


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; raises TypeError for what JSON can't hold and ValueError
    for NaN.

    >>> canonical({"b": 1, "a": [1.0, None]})
    '{"a":[1.0,null],"b":1}'
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def key(kind: str, **parts: Any) -> str:
    """The key, 64 hexadecimal digits, of a thing of some kind described by JSON-able parts."""
    return sha256(canonical({"schema": SCHEMA, "kind": kind, **parts}))


def sha256(data: str | bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """Digest of the names and contents of all files below a folder. Links to files count by what
    they hold, links to folders by where they point, so that none leads round in a circle; what is
    neither file nor folder counts by its name."""
    return digest_of(sorted(f"{name}\x1f{_content(folder / name)}" for name in _below(folder)))


def digest_of(items: Iterable[str]) -> str:
    """Digest of an ordered list of strings."""
    return sha256(canonical(list(items)))


def _below(folder: Path, place: str = "") -> Iterator[str]:
    """Names with slashes."""
    with os.scandir(folder / place) as entries:
        for entry in entries:
            name = f"{place}/{entry.name}" if place else entry.name
            yield from _below(folder, name) if entry.is_dir(follow_symlinks=False) else (name,)


def _content(path: Path) -> str:
    if path.is_dir():
        return f"link to {os.readlink(path)}"
    return file_digest(path) if path.is_file() else "no file"
