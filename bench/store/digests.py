"""Digests of stored files: what was written is what is read, or it is not used."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from bench.errors import BenchError
from bench.store.records import Count, Form, Key

DEEPEST = 32
Found = Mapping[str, os.stat_result]
"""What lies below a folder and is no folder, by its path there with slashes."""


class FileMark(Form, frozen=True, kw_only=True):
    """Size and digest of a file."""

    bytes: Count
    sha256: Key


def of_folder(folder: Path) -> dict[str, FileMark]:
    """Size and SHA-256 of every file below a folder, by its path in it; each is brought to the disk
    first. BenchError for links and the like."""
    digests = {}
    for name, found in sorted(scan(folder).items()):
        if not stat.S_ISREG(found.st_mode):
            raise BenchError(f"{folder / name} is a link, or no plain file: keep plain files only")
        with (folder / name).open("rb") as stream:
            os.fsync(stream.fileno())
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            digests[name] = FileMark(bytes=found.st_size, sha256=digest)
    return digests


def scan(folder: Path) -> Found:
    """Everything below a folder. Links are not followed. BenchError, a part of a sentence, where
    folders are nested too deeply."""
    found, folders = {}, [""]
    while folders:
        place = folders.pop()
        with os.scandir(os.path.join(folder, place)) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False) and place.count("/") == DEEPEST:
                    raise BenchError(f"it has more than {DEEPEST} folders in one another")
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{place}{entry.name}/")
                else:
                    found[f"{place}{entry.name}"] = entry.stat(follow_symlinks=False)
    return found


def damage(folder: Path, files: Mapping[str, FileMark]) -> str:
    """What is wrong with a folder's files, or nothing. Files that no digest is known of are not
    looked at."""
    try:
        found = scan(folder)
    except FileNotFoundError:
        found = {}
    except BenchError as error:
        return str(error)
    for name, wanted in files.items():
        if name not in found:
            return f"{name} is missing"
        if not stat.S_ISREG(found[name].st_mode):
            return f"{name} is a link, or no plain file"
        if found[name].st_size != wanted.bytes:
            return f"{name} has {found[name].st_size} bytes instead of {wanted.bytes}"
        try:
            with (folder / name).open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != wanted.sha256:
                    return f"{name} is not what was written: its digest differs"
        except FileNotFoundError:
            return f"{name} is missing"
    return ""


def look(folder: Path, found: Found, mark: str, said: bytes) -> bytes:
    """A short word for a thing, as it was found, with what its mark says. It changes when a file is
    written again: there is no need to read files twice that look the same. When the mark was
    touched says nothing."""
    word = hashlib.blake2b(os.fsencode(os.path.realpath(folder)) + b"\0", digest_size=16)
    for name, file in sorted(found.items()):
        if name != mark:
            word.update(
                os.fsencode(name) + f"\0{file.st_ino} {file.st_size} {file.st_mtime_ns}\0".encode()
            )
    word.update(hashlib.sha256(said).digest())
    return word.digest()
