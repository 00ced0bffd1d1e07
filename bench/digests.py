"""Digests of stored files: what was written is what is read, or it is not used."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Signature = tuple[tuple[str, int, int, int], ...]


def of_folder(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of every file below a folder, by its path in it; each is brought to the disk first."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        found[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "sha256": digest}
    return found


def damage(folder: Path, files: Any) -> str:
    """What is wrong with a folder's files, or nothing. Files that no digest is known of are not looked at."""
    if not (isinstance(files, Mapping) and all(isinstance(f, Mapping) and f.keys() >= {"bytes", "sha256"} for f in files.values())):
        return "its mark is malformed"
    for name, wanted in files.items():
        path = folder / name
        try:
            if path.stat().st_size != wanted["bytes"]:
                return f"{name} has {path.stat().st_size} bytes instead of {wanted['bytes']}"
            with path.open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != wanted["sha256"]:
                    return f"{name} is not what was written: its digest differs"
        except FileNotFoundError:
            return f"{name} is missing"
    return ""


def signature(folder: Path, names: tuple[str, ...]) -> Signature:
    """What changes when one of the files is written again: there is no need to read files twice that look the same."""
    return tuple((name, *_look(folder / name)) for name in names)


def _look(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0, 0
    return found.st_ino, found.st_size, found.st_mtime_ns
