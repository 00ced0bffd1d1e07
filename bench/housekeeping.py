"""Keeping a store: what is in it, pruning, and checking digests."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import digests, disk, locks
from bench.errors import BenchError
from bench.files import read_json
from bench.store import COMMIT_MARK, Store, machine, open_store

KINDS = ("fits", "samples", "scores", "features", "prepared", "indexes", "duplicates", "work")
LEFT_OVER = 24 * 3600.0
"""Seconds after which what a process that is gone did not finish is a left-over."""
ELSEWHERE = 30 * LEFT_OVER
"""Seconds after which it is one even where its process can't be asked: it was on another machine."""


@dataclass(frozen=True)
class Thing:
    """A finished thing, or (kind `work`) a checkpoint of an unfinished one. used: seconds since 1970."""

    path: Path
    kind: str
    key: str
    what: str
    bytes: int
    used: float

    def row(self) -> dict[str, Any]:
        """For a table."""
        days = (time.time() - self.used) / 86400
        return {"kind": self.kind, "key": self.key[:12], "what": self.what, "size": written(self.bytes), "bytes": self.bytes,
                "used": f"{days:.1f} days ago", "path": str(self.path)}  # fmt: skip


def opened(where: Path | str | None) -> Store:
    """A store that is there. BenchError where it is not, or is no folder."""
    store = open_store(where)
    if "://" in store.place:
        raise BenchError(f"`bench store` looks after folders, and {store.place} is its provider's to look after; what this machine "
                         f"copied from it may go at any time: --store {store.folder}")  # fmt: skip
    if not store.folder.is_dir():
        raise BenchError(f"there is no store in {store.folder}: give another with --store")
    return store


def things(store: Store, kinds: Sequence[str] = ()) -> list[Thing]:
    """All finished things and checkpoints. BenchError for an unknown kind."""
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise BenchError(f"--kind {unknown[0]} is unknown (known: {', '.join(KINDS)})")
    return [thing for kind in kinds or KINDS for thing in _of_kind(store, kind)]


def verify(store: Store, kinds: Sequence[str] = ()) -> Iterator[tuple[Thing, str]]:
    """Every finished thing, and what is wrong with it."""
    for thing in things(store, kinds):
        if thing.kind == "work":  # whoever goes on with a checkpoint looks at its digests
            continue
        try:
            mark = read_json(thing.path / COMMIT_MARK)
        except BenchError as error:
            yield thing, str(error)
            continue
        yield thing, digests.damage(thing.path, mark.get("files", {}))


def prune(store: Store, kinds: Sequence[str], older: float | None, keep: int | None, dry: bool) -> Iterator[str]:
    """Remove left-overs, then what was not used for `older` seconds, then the longest unused until `keep` bytes are left; a line
    for each. BenchError where the store can't be written."""
    with disk.explained(store.folder, "pruned"):
        yield from _pruned(store, kinds, older, keep, dry)


def _pruned(store: Store, kinds: Sequence[str], older: float | None, keep: int | None, dry: bool) -> Iterator[str]:
    removed = "would remove" if dry else "removed"
    for path in _left_overs(store):
        if not dry:
            with suppress(FileNotFoundError):  # its process was there first
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        yield f"{removed} left-over {path.relative_to(store.folder)}"
    found = sorted(things(store, kinds), key=lambda thing: thing.used)
    total = sum(thing.bytes for thing in found)
    for thing in found:
        old = older is not None and time.time() - thing.used > older
        if not (old or (keep is not None and total > keep)):
            continue
        if _busy(store, thing):
            yield f"kept {thing.kind} {thing.key[:12]}: a process is at it"
            continue
        total -= thing.bytes
        if not dry:
            remove(thing)
        yield f"{removed} {thing.kind} {thing.key[:12]} ({thing.what}, {written(thing.bytes)})"


def remove(thing: Thing) -> None:
    """The mark goes first: what is half removed is not finished. BenchError where it can't be."""
    try:
        (thing.path / COMMIT_MARK).unlink(missing_ok=True)
        shutil.rmtree(thing.path)
    except OSError as error:
        raise BenchError(f"{thing.path} can't be removed ({error.strerror})") from error


def written(size: float) -> str:
    """Bytes for people.

    >>> written(5 * 2**30), written(300)
    ('5.0 GiB', '300 B')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _of_kind(store: Store, kind: str) -> Iterator[Thing]:
    if kind == "work":
        for path in sorted((store.folder / "work").glob("*/*")):
            with suppress(FileNotFoundError):  # it was built meanwhile
                yield Thing(path, kind, path.name, f"checkpoints of {path.parent.name}", _bytes(path), path.stat().st_mtime)
        return
    for mark in sorted((store.folder / kind).glob(f"??/*/{COMMIT_MARK}")):
        if not mark.parent.name.startswith("tmp-"):
            with suppress(FileNotFoundError):  # another process removed it, or makes it anew
                used = mark.stat().st_mtime  # `Store.find` sets it
                yield Thing(mark.parent, kind, mark.parent.name, _what(mark), _bytes(mark.parent), used)


def _what(mark: Path) -> str:
    try:
        told = read_json(mark)
    except BenchError:
        return "its mark can't be read"
    if "label" in told:
        seed = f" (seed {told['seed']})" if told.get("seed") else ""
        return f"{told['label']} on {told['dataset']}{seed}"
    if "ids" in told:
        return f"{len(told['ids'])} photographs"
    shape = told.get("shape")
    return f"{told.get('sample_kind', '')} {'x'.join(map(str, shape))}".strip() if shape else ""


def _bytes(path: Path) -> int:
    total = 0
    for each in path.rglob("*"):
        with suppress(FileNotFoundError):  # a draft of a process
            total += each.stat().st_size if each.is_file() else 0
    return total


def _busy(store: Store, thing: Thing) -> bool:
    kind = thing.path.parent.name if thing.kind == "work" else thing.kind
    return _locked(store.lock(kind, thing.key))


def _locked(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with locks.held(path, wait=False):
            return False
    except locks.Busy:
        return True


def _left_overs(store: Store) -> Iterator[Path]:
    """Half-built folders of processes that are gone, and locks that nobody holds."""
    for path in sorted(store.folder.glob("*/??/tmp-*")):
        _, pid, where, *_ = *path.name.split("-"), ""
        age = _age(path)
        if age > ELSEWHERE or (age > LEFT_OVER and where == machine() and not (pid.isdigit() and _alive(int(pid)))):
            yield path
    for path in sorted((store.folder / "locks").glob("*.lock")):
        if _age(path) > LEFT_OVER and not _locked(path):
            yield path


def _age(path: Path) -> float:
    """Seconds since it was changed; 0 where it is gone, as its process went on."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
