"""Files from the network: from the first mirror that has them, going on where a try was cut off, and held against a digest.

What is half there is `.NAME.part` beside the place of the whole; the next try asks for the rest, and the server says whether the
file is still the same. A whole one that could not be used, for a full disk say, lies there, too: then there is no rest.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from bench import locks
from bench.contracts import Progress
from bench.errors import BenchError
from bench.files import read_json, write_json

if TYPE_CHECKING:
    import requests

PIECE = 2**14
"""Bytes that a connection gives at a time: less than so many are lost where it breaks."""
CHUNK = 2**20
LARGEST = 400 * 2**30
"""Bytes of a file that is fetched, whatever a server sends."""
PATIENCE = 30.0
"""Seconds without an answer."""
TRIES = 5
"""In a row without a byte more, before a mirror is given up."""
ALGORITHMS = ("md5", "sha256", "sha512")
LENGTHS = {hashlib.new(name).digest_size * 2: name for name in ALGORITHMS}


RECORD = "fetched.json"
"""Beside what was fetched: what is known of it (`record`)."""


@dataclass(frozen=True)
class Fetched:
    """A file that is there whole. url: where it came from. digests: by all `ALGORITHMS`, as `algorithm:digits`."""

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


class _Failed(Exception):
    """Why one mirror gave nothing."""


def fetch(urls: Sequence[str], path: Path, digest: str, progress: Progress) -> Fetched:
    """Fetch a file to `path`, which is not there, from the first URL that has it with this digest (`md5:...`, `sha256:...`; empty:
    whatever comes). The caller is `alone`. NotFetched where none has, BenchError where the disk is full."""
    wanted = checked_digest(digest)
    for url in urls:
        if not url.startswith(("http://", "https://")):
            raise BenchError(f"can't fetch '{url}': give a URL that begins with http:// or https://, or a file with --file")
    failures: list[str] = []
    try:
        for url in urls:
            try:
                return _from(url, path, wanted, progress)
            except _Failed as error:
                failures.append(f"{url}: {error}")
                progress.say(f"can't fetch {failures[-1]}")
    except OSError as error:
        why = error.strerror or error
        raise BenchError(f"can't write {path} ({why}): what is there of it stays, and the same command goes on") from error
    raise NotFetched(f"can't fetch {path.name}: {'; '.join(failures)}")


@contextmanager
def alone(path: Path, progress: Progress) -> Iterator[None]:
    """A block in which no other process fetches the same file, looks into it, or puts it in place; before and after it nothing lies
    at `path`. What was fetched stays for the next try where the block ends by another fault than the file's."""
    lock = path.with_name(f".{path.name}.lock")
    with ExitStack() as block:
        while True:
            with suppress(FileNotFoundError):  # the other process was done, and removed the folder
                block.enter_context(locks.held(lock, lambda: progress.say(f"{path.name}: another process fetches it; waiting")))
                break
        block.callback(lock.unlink, missing_ok=True)
        _set_aside(path)  # by a process that was killed
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


def checked_digest(digest: str) -> str:
    """`algorithm:hexadecimal digits`, from the same or from the digits alone; BenchError for anything else.

    >>> checked_digest("D41D8CD98F00B204E9800998ECF8427E")
    'md5:d41d8cd98f00b204e9800998ecf8427e'
    """
    if not digest:
        return ""
    name, _, digits = digest.strip().lower().rpartition(":")
    if re.fullmatch("[0-9a-f]+", digits) and LENGTHS.get(len(digits)) == (name or LENGTHS.get(len(digits))):
        return f"{LENGTHS[len(digits)]}:{digits}"
    raise BenchError(f"'{digest}' is no digest: give md5:..., sha256:... or sha512:... with all its hexadecimal digits")


def record(folder: Path, kind: str, name: str, known: Any) -> None:
    """Keep what is known of something that was fetched into a folder."""
    lock = folder / f".{RECORD}.lock"
    with locks.held(lock):
        kept: dict[str, Any] = read_json(folder / RECORD) if (folder / RECORD).is_file() else {"schema_version": 1}
        write_json(folder / RECORD, {**kept, kind: {**kept.get(kind, {}), name: known}})
        lock.unlink(missing_ok=True)


def recorded(folder: Path, kind: str) -> dict[str, Any]:
    """What `record` kept in a folder, by name."""
    return dict(read_json(folder / RECORD).get(kind, {})) if (folder / RECORD).is_file() else {}


def _parts(path: Path) -> tuple[Path, Path]:
    """Where what is there of a file lies, and the note of where it comes from."""
    part, note = (path.with_name(f".{path.name}.{end}") for end in ("part", "part.json"))
    return part, note


def _set_aside(path: Path) -> None:
    """What lies at `path` is what the next try begins with, if it was fetched; else it goes."""
    part, note = _parts(path)
    if path.is_file() and note.is_file():
        os.replace(path, part)
    path.unlink(missing_ok=True)


def _from(url: str, path: Path, digest: str, progress: Progress) -> Fetched:
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.ERROR)  # it prints digests of its own accord
    resumable = _Resumable(path, digest, progress)
    try:
        pooch.retrieve(url, digest or None, path.name, path.parent, downloader=resumable)
    except requests.RequestException as error:
        raise _Failed(_said(error)) from error
    except ValueError as error:
        if not path.exists() and "hash" in str(error):
            raise _Failed(f"what it has is another file: its digest is not {digest}") from error
        raise _Failed(" ".join(str(error).split())) from error
    return Fetched.of(path, url)


@dataclass
class _Resumable:
    """A downloader of pooch's that goes on where an earlier one stopped."""

    path: Path
    digest: str
    progress: Progress

    def __call__(self, url: str, output: Any, pooch: Any, check_only: bool = False) -> None:
        part, note = _parts(self.path)
        if not (note.is_file() and read_json(note).get("url") == url):
            part.unlink(missing_ok=True)  # of another mirror
        fruitless = 0
        while True:
            before = _size(part)
            try:
                self._go_on(url, part, note)
                break
            except OSError as error:  # all of requests' are; a full disk is none of them
                fruitless = 0 if _size(part) > before else fruitless + 1
                if fruitless >= TRIES or not _passing(error):
                    raise
                time.sleep(min(30.0, 0.1 * 4**fruitless))
        os.replace(part, output)

    def _go_on(self, url: str, part: Path, note: Path) -> None:
        import requests

        have = _size(part)
        mark = read_json(note).get("mark", "") if have and note.is_file() else ""
        if have and not (mark or self.digest):  # nobody could say that the rest belongs to it
            have = 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        if have and mark:
            headers["If-Range"] = mark
        with requests.get(url, headers=headers, stream=True, timeout=PATIENCE) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                if answer.headers.get("Content-Range") == f"bytes */{have}":
                    return  # it is whole
                part.unlink()  # longer than the file is now
                raise requests.ConnectionError("the file is another than before", request=answer.request)
            answer.raise_for_status()
            start = _start(answer)
            if start not in (0, have):
                raise requests.ConnectionError(f"it sent the file from byte {start}, not {have}")
            if not start:
                part.unlink(missing_ok=True)  # before the note speaks of another version
            write_json(note, {"url": url, "mark": _mark(answer)})
            self._write(answer, part, start)

    def _write(self, answer: requests.Response, part: Path, start: int) -> None:
        import requests

        length = answer.headers.get("Content-Length", "")
        left = int(length) if length.isdigit() else 0
        free = shutil.disk_usage(part.parent).free
        if start + left > LARGEST:
            raise BenchError(f"{answer.url} is larger than {LARGEST / 1e9:.0f} GB: not fetched")
        if left > free:
            raise BenchError(f"{part.parent} has {free / 1e9:.1f} GB free, {answer.url} needs {left / 1e9:.1f} GB: make room, or "
                             "give another --data-home")  # fmt: skip
        label, total = f"fetching {self.path.name} (MiB)", math.ceil((start + left) / CHUNK)
        with part.open("r+b" if start else "wb") as out, self.progress.task(label, total) as bar:
            out.seek(start)
            bar.advance(start // CHUNK)
            at = start
            for chunk in answer.iter_content(PIECE):
                out.write(chunk)
                bar.advance((at + len(chunk)) // CHUNK - at // CHUNK)
                at += len(chunk)
                if at > LARGEST:
                    raise BenchError(f"{answer.url} sends more than {LARGEST / 1e9:.0f} GB: not fetched")
            _to_disk(out)
        if left and at < start + left:
            raise requests.ConnectionError(f"cut off at {at:,} of {start + left:,} bytes")


def _to_disk(out: IO[bytes]) -> None:
    out.flush()
    os.fsync(out.fileno())


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _start(answer: requests.Response) -> int:
    """Where in the file the answer begins."""
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(found[1]) if answer.status_code == 206 and found else 0


def _mark(answer: requests.Response) -> str:
    """What tells this version of the file from another, if the server says: a strong tag, or the time of its last change."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _passing(error: OSError) -> bool:
    """Whether the same request may succeed later."""
    import requests

    if isinstance(error, requests.HTTPError):
        status: int = error.response.status_code
        return status >= 500 or status in (408, 429)
    return isinstance(error, requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError)


def _said(error: requests.RequestException) -> str:
    """A line about what went wrong, without the depths of the libraries."""
    import requests

    if error.response is not None:
        return f"the server says {error.response.status_code} {error.response.reason}".rstrip()
    if isinstance(error, requests.Timeout):
        return f"no answer within {PATIENCE:g} s"
    text = " ".join(str(error).split())
    return text if len(text) < 160 else f"no connection ({type(error).__name__})"
