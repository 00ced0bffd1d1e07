"""Files from the network: from the first mirror that has them, going on where a try was cut off,
and held against a digest.

What is half there is `.NAME.part` beside the place of the whole; the next try asks for the rest,
and the server says whether the file is still the same. A whole one that could not be used, for a
full disk say, lies there, too: then there is no rest.
"""

from __future__ import annotations

import glob
import hashlib
import math
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

from bench.contracts import Progress
from bench.errors import BenchError
from bench.fetch.web import PIECE, SCHEMES, Answer, Broken, Limits, Refused, answered
from bench.store import locks, records
from bench.store.files import write_json

CHUNK = 2**20
TRIES = 5
"""In a row that bring next to nothing, before a mirror is given up."""
ALGORITHMS = ("md5", "sha256", "sha512")
LENGTHS = {hashlib.new(name).digest_size * 2: name for name in ALGORITHMS}


RECORD = "fetched.json"
"""Beside what was fetched: what is known of it (`record`)."""


@dataclass(frozen=True)
class Fetched:
    """A file that is there whole. url: where it came from. digests: by all `ALGORITHMS`, as
    `algorithm:digits`."""

    path: Path
    url: str
    digests: tuple[str, ...]

    @classmethod
    def of(cls, path: Path, url: str = "") -> Fetched:
        """A file that is there; it is read once."""
        made = {name: hashlib.new(name) for name in ALGORITHMS}
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                for one in made.values():
                    one.update(chunk)
        return cls(path, url, tuple(f"{name}:{one.hexdigest()}" for name, one in made.items()))

    @property
    def sha256(self) -> str:
        """The digest that is recorded."""
        return self.alike("sha256:")

    def alike(self, digest: str) -> str:
        """Its digest by the same algorithm."""
        return next(own for own in self.digests if own.startswith(f"{digest.partition(':')[0]}:"))


class NotFetched(BenchError):
    """No mirror had the file."""


class _Large(Refused):
    """A file that can't be what is wanted."""


class _Note(TypedDict, total=False):
    """What is known of the part of a file that is there. mark: what tells the file's version from
    another. total: bytes of the whole, if the server said."""

    url: str
    mark: str
    total: int


def fetch(
    urls: Sequence[str], path: Path, digest: str, progress: Progress, limits: Limits | None = None
) -> Fetched:
    """Fetch a file to `path`, which is not there, from the first URL that has it with this digest
    (`md5:...`, `sha256:...`; empty: whatever comes). The caller is `alone`. NotFetched where none
    has, BenchError where there is too little room on the disk."""
    wanted = checked_digest(digest)
    for url in urls:
        if not url.startswith(SCHEMES):
            raise BenchError(
                f"can't fetch '{url}': give a URL that begins with http:// or https://, or a file "
                "with --file"
            )
    failures: list[str] = []
    try:
        for url in urls:
            try:
                return _from(url, path, wanted, progress, limits or Limits())
            except (Broken, Refused) as error:
                failures.append(f"{url}: {error}")
                progress.say(f"can't fetch {failures[-1]}")
    except OSError as error:
        why = error.strerror or error
        raise BenchError(
            f"can't write {path} ({why}): what is there of it stays, and the same command goes on"
        ) from error
    raise NotFetched(f"can't fetch {path.name}: {'; '.join(failures)}")


@contextmanager
def alone(path: Path, progress: Progress) -> Iterator[None]:
    """A block in which no other process fetches the same file, looks into it, or puts it in place;
    before and after it nothing lies at `path`. What was fetched stays for the next try where the
    block ends by another fault than the file's."""
    lock = path.with_name(f".{path.name}.lock")
    with ExitStack() as block:
        while True:
            with suppress(FileNotFoundError):  # the other process was done, and removed the folder
                block.enter_context(
                    locks.held(
                        lock,
                        lambda: progress.say(f"{path.name}: another process fetches it; waiting"),
                    )
                )
                break
        block.callback(lock.unlink, missing_ok=True)
        _set_aside(path)  # by a process that was killed
        _sweep(path)
        try:
            yield
        except BaseException as error:
            if not isinstance(error, BenchError) or getattr(error.__cause__, "errno", None):
                _set_aside(path)
            raise
        finally:
            path.unlink(missing_ok=True)
            part, note = _parts(path)
            if not part.exists():
                note.unlink(missing_ok=True)


def forget(path: Path) -> None:
    """What was fetched of a file is of no use any more."""
    for one in (path, *_parts(path)):
        one.unlink(missing_ok=True)


def checked_digest(digest: str) -> str:
    """`algorithm:hexadecimal digits`, from the same or from the digits alone; BenchError for
    anything else.

    >>> checked_digest("D41D8CD98F00B204E9800998ECF8427E")
    'md5:d41d8cd98f00b204e9800998ecf8427e'
    """
    if not digest:
        return ""
    name, _, digits = digest.strip().lower().rpartition(":")
    if re.fullmatch("[0-9a-f]+", digits) and LENGTHS.get(len(digits)) == (
        name or LENGTHS.get(len(digits))
    ):
        return f"{LENGTHS[len(digits)]}:{digits}"
    raise BenchError(
        f"'{digest}' is no digest: give md5:..., sha256:... or sha512:... with all its hexadecimal "
        "digits"
    )


def record(folder: Path, kind: str, name: str, known: Any) -> None:
    """Keep what is known of something that was fetched into a folder."""
    lock = folder / f".{RECORD}.lock"
    with locks.held(lock):
        for draft in folder.glob(f".{RECORD}-*"):  # of a process that was killed
            draft.unlink(missing_ok=True)
        kept = _records(folder)
        write_json(
            folder / RECORD,
            {"schema_version": 1, **kept, kind: {**kept.get(kind, {}), name: known}},
        )
        lock.unlink(missing_ok=True)


def recorded(folder: Path, kind: str) -> dict[str, Any]:
    """What `record` kept in a folder, by name. BenchError where it is damaged."""
    return records.checked(
        _records(folder).get(kind, {}), dict[str, Any], folder / RECORD, "move it away"
    )


def _records(folder: Path) -> dict[str, Any]:
    return (
        records.read(folder / RECORD, dict[str, Any], "move it away")
        if (folder / RECORD).is_file()
        else {}
    )


def _parts(path: Path) -> tuple[Path, Path]:
    """Where what is there of a file lies, and the note of where it comes from."""
    part, note = (path.with_name(f".{path.name}.{end}") for end in ("part", "part.json"))
    return part, note


def _sweep(path: Path) -> None:
    """Remove what a process that was killed left half written."""
    kept, name = {*_parts(path), path.with_name(f".{path.name}.lock")}, glob.escape(path.name)
    for stale in {
        found for dots in (".", "..") for found in path.parent.glob(f"{dots}{name}.*")
    } - kept:
        if stale.is_dir():
            shutil.rmtree(stale, ignore_errors=True)
        else:
            stale.unlink(missing_ok=True)


def _set_aside(path: Path) -> None:
    """What lies at `path` is what the next try begins with, if it was fetched; else it goes."""
    part, note = _parts(path)
    if path.is_file() and note.is_file():
        os.replace(path, part)
    path.unlink(missing_ok=True)


def _from(url: str, path: Path, digest: str, progress: Progress, limits: Limits) -> Fetched:
    """The file of one mirror. Broken or Refused where that has none."""
    part, note = _parts(path)
    if _noted(note).get("url") != url:
        part.unlink(missing_ok=True)  # of another mirror
    fruitless, most, deadline = 0, _size(part), time.monotonic() + limits.total
    while True:
        try:
            _Try(url, path, digest, progress, limits, deadline).go_on()
            break
        except Broken:
            fruitless, most = (
                (0, _size(part)) if _size(part) >= most + PIECE else (fruitless + 1, most)
            )
            if fruitless >= TRIES or time.monotonic() >= deadline:
                raise
            time.sleep(min(30.0, 0.1 * 4**fruitless))
        except _Large:
            part.unlink(missing_ok=True)
            raise
    found = Fetched.of(part, url)
    if digest and digest not in found.digests:
        part.unlink()
        raise Refused(f"what it has is another file: its digest is not {digest}")
    os.replace(part, path)
    return replace(found, path=path)


@dataclass(frozen=True)
class _Try:
    """One request for a file, or for what is missing of it."""

    url: str
    path: Path
    digest: str
    progress: Progress
    limits: Limits
    deadline: float

    def go_on(self) -> None:
        """Make the part whole. Broken or Refused where it is not."""
        part, note = _parts(self.path)
        have, known = _size(part), _noted(note)
        mark = known.get("mark", "")
        if not (mark or self.digest):  # nobody could say that the rest belongs to it
            have = 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        if have and mark:
            headers["If-Range"] = mark
        with answered(self.url, headers, self.limits, self.deadline) as answer:
            try:
                start, total = _reach(answer, have, known)
            except Broken:
                part.unlink(missing_ok=True)  # the next try asks for the whole
                raise
            if have and start == total:
                return  # it is whole
            if not start:
                part.unlink(missing_ok=True)  # before the note speaks of another version
            write_json(
                note,
                {
                    "url": self.url,
                    "mark": _mark(answer.headers),
                    **({"total": total} if total else {}),
                },
            )
            self._write(answer, part, start, total)

    def _write(self, answer: Answer, part: Path, start: int, total: int) -> None:
        self._see_that_it_is_small(total)
        self._see_that_it_fits(part, max(0, total - start))
        label, at = f"fetching {self.path.name} (MiB)", start
        with (
            part.open("r+b" if start else "wb") as out,
            self.progress.task(label, math.ceil(total / CHUNK)) as bar,
        ):
            out.seek(start)
            bar.advance(start // CHUNK)
            for piece in answer.pieces():
                out.write(piece)
                if passed := (at + len(piece)) // CHUNK - at // CHUNK:
                    bar.advance(passed)
                    self._see_that_it_fits(part)
                at += len(piece)
                self._see_that_it_is_small(at)
            out.flush()
            os.fsync(out.fileno())
        if total and at != total:
            raise Broken(f"it sent {at:,} of {total:,} bytes")

    def _see_that_it_is_small(self, size: int) -> None:
        if size > self.limits.size:
            raise _Large(
                f"it sends more than {self.limits.size / 1e9:.3g} GB, which this file can't have"
            )

    def _see_that_it_fits(self, part: Path, size: int = 0) -> None:
        if size + self.limits.reserve > shutil.disk_usage(part.parent).free:
            needed = f"{size / 1e9:.3g} GB and {self.limits.reserve / 1e9:.3g} GB to spare"
            raise BenchError(
                f"{part.parent} has too little room for {self.url} ({needed}): make room, or give "
                "another folder; "
                "what is there of it stays, and the same command goes on"
            )


def _noted(note: Path) -> _Note:
    """What is known of a part; nothing where the note is damaged, so that it begins anew."""
    with suppress(BenchError):
        return records.read(note, _Note)
    return {}


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _reach(answer: Answer, have: int, known: _Note) -> tuple[int, int]:
    """Where in the file an answer begins, and how many bytes the whole has (0: nobody says). Broken
    where it is no answer to a request for the rest after `have` bytes, or of another file than
    these."""
    unit, _, reach = answer.headers.get("Content-Range", "").strip().partition(" ")
    found = (
        re.fullmatch(r"(?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18})", reach, re.ASCII)
        if unit.lower() == "bytes"
        else None
    )
    length = answer.headers.get("Content-Length", "").strip()
    count = int(length) if re.fullmatch(r"\d{1,18}", length, re.ASCII) else 0
    if answer.status == 200:
        return 0, count
    if not have:
        raise Refused(f"the server says {answer.status}, though it was asked for the whole file")
    begins, total = (int(found[1] or have), int(found[3])) if found else (-1, 0)
    whole = answer.status == 416 and total == have
    rest = (
        answer.status == 206
        and found
        and found[1]
        and int(found[2]) == total - 1
        and count in (0, total - have)
    )
    same = known.get("total", total) == total and _mark(answer.headers) in (
        "",
        known.get("mark", ""),
    )
    if begins != have or not (whole or rest) or not same:
        raise Broken("what it sends is not the rest of what was there")
    return have, total


def _mark(headers: Mapping[str, str]) -> str:
    """What tells this version of the file from another, if the server says: a strong tag, or the
    time of its last change."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")
