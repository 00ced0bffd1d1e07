"""Keeping a store: what is in it, pruning, and checking digests."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.store import digests, disk, drafts, locks, marks, records
from bench.store.files import write_bytes
from bench.store.local import COMMIT_MARK, USED, Store, discard, machine, mark_bytes, wrong_files
from bench.store.opening import open_store

KINDS = (*marks.KINDS, "work")
LEFT_OVER = 24 * 3600.0
"""Seconds after which what a process that is gone did not finish is a left-over."""
AT_IT = "a process is at it"
ELSEWHERE = 30 * LEFT_OVER
"""Seconds after which it is one even where its process can't be asked: it was on another machine."""


@dataclass(frozen=True)
class Thing:
    """A finished thing, or (kind `work`) a checkpoint of an unfinished one, or what is in its
    place. used: seconds since 1970."""

    path: Path
    kind: str
    key: str
    what: str
    bytes: int
    used: float

    def row(self) -> dict[str, Any]:
        """For a table."""
        days = (time.time() - self.used) / 86400
        return {
            "kind": self.kind,
            "key": self.key[:12],
            "what": self.what,
            "size": written(self.bytes),
            "bytes": self.bytes,
            "used": f"{days:.1f} days ago",
            "path": str(self.path),
        }


def opened(where: Path | str | None) -> Store:
    """A store that is there. BenchError where it is not, or is no folder."""
    store = open_store(where)
    if "://" in store.place:
        raise BenchError(
            f"`bench store` looks after folders, and {store.place} is its provider's to look "
            "after; what this machine "
            f"copied from it may go at any time: --store {store.folder}"
        )
    if not store.folder.is_dir():
        raise BenchError(f"there is no store in {store.folder}: give another with --store")
    return store


def things(store: Store, kinds: Sequence[str] = ()) -> list[Thing]:
    """All finished things and checkpoints. BenchError for an unknown kind."""
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise BenchError(f"--kind {unknown[0]} is unknown (known: {', '.join(KINDS)})")
    return [thing for kind in kinds or KINDS for thing in _of_kind(store, kind)]


def verify(store: Store, kinds: Sequence[str] = ()) -> Iterator[tuple[Thing, str, bool]]:
    """Every finished thing, what is wrong with it, and whether that is its age: it is as an older
    huebench left it."""
    for thing in things(store, kinds):
        if thing.kind != "work":  # whoever goes on with a checkpoint looks at its digests
            wrong = _wrong(thing)
            yield thing, wrong, wrong == marks.OLD and not _wrong(thing, old=True)


def migrate(store: Store, thing: Thing) -> None:
    """Write the mark of an older huebench as this one does. BenchError where it can't be written."""
    mark = marks.read(mark_bytes(thing.path), thing.kind, thing.key, old=True)
    with disk.explained(store.folder):
        draft = store.temporary(thing.path.parent)  # what lay beside its files would be damage
        write_bytes(
            draft / COMMIT_MARK,
            marks.written(thing.kind, thing.key, mark.files, records.plain(mark)),
        )
        os.replace(draft / COMMIT_MARK, thing.path / COMMIT_MARK)
        disk.sync(thing.path)
        draft.rmdir()


def _wrong(thing: Thing, old: bool = False) -> str:
    """What is wrong with a finished thing, all of which is read; old: by the mark of an older
    huebench."""
    try:
        if thing.path.is_symlink():
            return "it is a link"
        marks.checked(thing.kind, thing.key)
        mark = marks.read(mark_bytes(thing.path), thing.kind, thing.key, old)
        return wrong_files(thing.path, digests.scan(thing.path), mark)
    except (FileNotFoundError, NotADirectoryError):
        return "it has no mark"
    except OSError as error:
        return f"it can't be read: {error.strerror or error}"
    except BenchError as error:
        return str(error)


def prune(
    store: Store, kinds: Sequence[str], older: float | None, keep: int | None, dry: bool
) -> Iterator[str]:
    """Remove left-overs, then what was not used for `older` seconds, then the longest unused until
    `keep` bytes are left; a line for each. BenchError where the store can't be written."""
    with disk.explained(store.folder, "pruned"):
        yield from _pruned(store, kinds, older, keep, dry)


def _pruned(
    store: Store, kinds: Sequence[str], older: float | None, keep: int | None, dry: bool
) -> Iterator[str]:
    removed = "would remove" if dry else "removed"
    for path in _left_overs(store):
        if not dry:
            with suppress(FileNotFoundError):  # its process was there first
                discard(path)
        yield f"{removed} left-over {path.relative_to(store.folder)}"
    found = sorted(things(store, kinds), key=lambda thing: thing.used)
    total = sum(thing.bytes for thing in found)
    for thing in found:
        old = older is not None and time.time() - thing.used > older
        if not (old or (keep is not None and total > keep)):
            continue
        try:
            with _nobody_at(store, thing, dry):
                if not dry:
                    remove(thing)
        except locks.Busy as busy:
            yield f"kept {thing.kind} {thing.key[:12]}: {busy}"
            continue
        total -= thing.bytes
        yield f"{removed} {thing.kind} {thing.key[:12]} ({thing.what}, {written(thing.bytes)})"


def remove(thing: Thing) -> None:
    """It leaves its place whole, so that what is half removed is not there. BenchError where it
    can't be removed."""
    gone = thing.path.with_name(f"tmp-{os.getpid()}-{machine()}-{thing.path.name[:64]}-gone")
    try:
        with suppress(FileNotFoundError):  # another process removes it, too
            os.replace(thing.path, gone)
            discard(gone)
    except OSError as error:
        raise BenchError(
            f"{thing.path} can't be removed ({error.strerror}): look after its permissions"
        ) from error


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
    for path in store.places(kind):
        with suppress(FileNotFoundError):  # it was built meanwhile, or another process removed it
            what = f"checkpoints of {path.parent.name}" if kind == "work" else _what(path, kind)
            yield Thing(path, kind, path.name, what, _bytes(path), _used(path))


def _used(path: Path) -> float:
    """When a thing was used last: `Store.find` sets the time of its mark."""
    try:
        return (path / COMMIT_MARK).lstat().st_mtime
    except OSError:
        return path.lstat().st_mtime


def _what(path: Path, kind: str) -> str:
    try:
        told = marks.read(mark_bytes(path), kind, path.name)
    except marks.Old:
        return "of an older huebench"
    except (BenchError, OSError):
        return "damaged"
    if isinstance(told, marks.FitMark):
        seed = f" (seed {told.seed})" if told.seed else ""
        return f"{told.label} on {told.dataset}{seed}"
    if isinstance(told, marks.PreparedMark):
        return f"{len(told.ids)} photographs"
    if isinstance(told, marks.SampleMark):
        return f"{told.sample_kind} {'x'.join(map(str, told.shape))}"
    return "x".join(map(str, told.shape)) if isinstance(told, marks.FeatureMark) else ""


def _bytes(path: Path) -> int:
    try:
        return sum(found.st_size for found in digests.scan(path).values())
    except NotADirectoryError:
        return path.lstat().st_size
    except (OSError, BenchError):  # a draft of a process, or nothing that can be read
        return 0


@contextmanager
def _nobody_at(store: Store, thing: Thing, dry: bool) -> Iterator[None]:
    """A block in which no process builds a thing. `locks.Busy`, with the reason, where one does
    now, or a run uses it."""
    kind = thing.path.parent.name if thing.kind == "work" else thing.kind
    if kind not in marks.KINDS or not marks.is_key(thing.key):  # none that anyone builds
        yield
        return
    with suppress(FileNotFoundError):
        if any(_used(thing.path) > began - USED for began in store.runs()):
            raise locks.Busy("a run uses it, or did")
    lock = store.lock(kind, thing.key)
    if dry:
        if locks.is_held(lock):
            raise locks.Busy(AT_IT)
        yield
        return
    with ExitStack() as block:
        try:
            block.enter_context(locks.held(lock, wait=False))
        except locks.Busy:
            raise locks.Busy(AT_IT) from None
        yield
        lock.unlink(missing_ok=True)


def _left_overs(store: Store) -> Iterator[Path]:
    """Half-built folders of processes that are gone, and locks that nobody holds."""
    for path in sorted(store.folder.glob("*/*/tmp-*")):
        _, pid, where, *_ = *path.name.split("-"), ""
        age = _age(path)
        if age > ELSEWHERE or (
            age > LEFT_OVER
            and where == machine()
            and not (pid.isdigit() and drafts.alive(int(pid)))
        ):
            yield path
    for path in sorted((store.folder / "locks").glob("*.lock")):
        if _age(path) > LEFT_OVER and not locks.is_held(path):
            yield path


def _age(path: Path) -> float:
    """Seconds since it was changed; 0 where it is gone, as its process went on."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
