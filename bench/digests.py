"""Digests of stored files: what was written is what is read, or it is not used."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


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


def look(folder: Path, mark: str) -> bytes:
    """A short word for what changes when a file below the folder, but for its mark, is written again: there is no need to read
    files twice that look the same."""
    place = os.path.realpath(folder)
    word = hashlib.blake2b(os.fsencode(place), digest_size=16)
    for below, _, names in sorted(os.walk(place)):
        for name in sorted(names):
            if name != mark:
                path = os.path.join(below, name)
                found = os.stat(path)
                word.update(os.fsencode(path) + f"\0{found.st_ino} {found.st_size} {found.st_mtime_ns}\0".encode())
    return word.digest()
