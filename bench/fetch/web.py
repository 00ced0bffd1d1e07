"""One request to a server that nobody trusts: no step of it lasts longer than it may, nothing is
decoded, and it leads nowhere that it must not.

Time-outs of sockets begin anew with each byte, so that a server which sends one a second would
never end. Someone watches instead (`_Watch`), and cuts the connection in whatever step it is.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

PIECE = 2**14
"""Bytes that a connection gives at a time: less than so many are lost where it breaks."""
SCHEMES = ("http://", "https://")
UNDECODED = ("", "identity")
PASSING = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
LONGEST = 160
"""Characters of what a server, or a library, says of an error."""


@dataclass(frozen=True)
class Limits:
    """What a fetch may take, whatever a server sends. size: bytes of the file. reserve: bytes of
    the disk that stay free. slowest: bytes a second, over each `window` seconds. silence: seconds
    without a byte. total: seconds for the file, all tries together."""

    size: int = 20_000_000_000
    reserve: int = 2**29
    slowest: float = 10_000.0
    window: float = 60.0
    silence: float = 30.0
    total: float = 24 * 3600.0
    redirects: int = 5

    @classmethod
    def of(cls, gigabytes: float) -> Limits:
        """Those of a file that has about so many GB (0: nobody says): twice as many, since a mirror
        may pack it otherwise."""
        return cls(size=int(2e9 * gigabytes)) if gigabytes else cls()


class Broken(Exception):
    """A connection that failed: the next one may not."""


class Refused(Exception):
    """An answer that is of no use, or a server that does what no honest one does."""


@dataclass(frozen=True)
class Answer:
    """What a server answers: the status is 200, 206 or 416."""

    status: int
    headers: Mapping[str, str]
    _pieces: Iterator[bytes]
    _watch: _Watch

    def pieces(self) -> Iterator[bytes]:
        """The content, as it comes. Broken or Refused where it ends early."""
        with _said(self._watch):
            for piece in self._pieces:
                self._watch.received += len(piece)
                yield piece


@contextmanager
def answered(
    url: str, headers: Mapping[str, str], limits: Limits, deadline: float
) -> Iterator[Answer]:
    """Ask for a URL, and for where it leads; `deadline` is one of `time.monotonic`. Broken or
    Refused where nothing comes of it."""
    with _Watch(limits, deadline) as watch, _Session() as session:
        for scheme in SCHEMES:
            session.mount(scheme, _Adapter(watch))
        with _said(watch):
            found = _followed(session, url, {"Accept-Encoding": "identity", **headers}, limits)
        with found:
            yield Answer(found.status_code, found.headers, found.iter_content(PIECE), watch)


def _followed(
    session: requests.Session, url: str, headers: Mapping[str, str], limits: Limits
) -> requests.Response:
    for _ in range(limits.redirects + 1):
        answer = session.get(
            url, headers=dict(headers), stream=True, timeout=limits.silence, allow_redirects=False
        )
        if not answer.is_redirect:
            _check(answer)
            return answer
        answer.close()
        url = _led(url, answer.headers["Location"])
    raise Refused(f"it leads elsewhere more than {limits.redirects} times")


def _led(url: str, location: str) -> str:
    """Where a redirect leads."""
    target = urljoin(url, location)
    if not target.lower().startswith(SCHEMES):
        raise Refused(f"it leads to {target[:LONGEST]!r}, which is no http:// or https://")
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme == "http":
        raise Refused(
            f"it leads from https:// to {target[:LONGEST]!r}: anyone on the way could change what "
            "comes"
        )
    return target


def _check(answer: requests.Response) -> None:
    status, headers = answer.status_code, answer.headers
    if status not in (200, 206, 416):
        said = _line(f"the server says {status} {answer.reason or ''}")
        raise (Broken if status >= 500 or status in (408, 429) else Refused)(said)
    if headers.get("Content-Encoding", "").strip().lower() not in UNDECODED:
        raise Refused(
            f"it sends the file encoded ({_line(headers['Content-Encoding'])}), though it was "
            "asked not to"
        )
    if headers.get("Transfer-Encoding", "chunked").strip().lower() != "chunked":
        raise Refused(
            f"it sends the file in a form that is not known ({_line(headers['Transfer-Encoding'])})"
        )


def _line(text: str) -> str:
    return " ".join(text.split())[:LONGEST]


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Nothing: what requests follows, it first reads into memory, however large."""
        return None


class _Adapter(HTTPAdapter):
    """Connections that are watched."""

    def __init__(self, watch: _Watch) -> None:
        self.watch = watch
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        """The pool of a host, also behind a proxy."""
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        pool.ConnectionCls = _watched(pool.ConnectionCls, self.watch)
        return pool


def _watched(kind: Any, watch: _Watch) -> Any:
    class Connection(kind):  # type: ignore[misc]
        def _new_conn(self) -> Any:
            """Before anything is sent: negotiations of TLS can last, too."""
            made = super()._new_conn()
            watch.over(made)
            return made

    return Connection


class _Watch:
    """Cuts a connection that is slower than it may be, or goes on after the deadline; `why` says
    so. It leads to no address of a local network where it began outside of one."""

    def __init__(self, limits: Limits, deadline: float) -> None:
        self.limits, self.deadline = limits, deadline
        self.received, self.why = 0, ""
        self._outside = False
        self._sockets: list[socket.socket] = []
        self._turn, self._done = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        for one in self._sockets:
            one.close()

    def over(self, made: socket.socket) -> None:
        """Watch one more connection."""
        outside = _is_outside(made)
        if self._outside and not outside:
            made.close()
            raise Refused("it leads into the local network")
        with self._turn:
            self._outside = outside
            self._sockets.append(
                socket.fromfd(made.fileno(), made.family, made.type)
            )  # TLS takes the descriptor of the first
            if self.why:
                self._cut()

    def _look(self) -> None:
        before = 0
        while not self._done.wait(
            max(0.0, min(self.limits.window, self.deadline - time.monotonic()))
        ):
            if time.monotonic() >= self.deadline:
                why = f"it takes longer than {self.limits.total:g} s"
            elif self.received - before < self.limits.slowest * self.limits.window:
                why = f"it sends less than {self.limits.slowest / 1000:g} kB a second"
            else:
                before = self.received
                continue
            with self._turn:
                self.why = why
                self._cut()
            return

    def _cut(self) -> None:
        for one in self._sockets:
            with suppress(OSError):  # it has ended
                one.shutdown(socket.SHUT_RDWR)


def _is_outside(made: socket.socket) -> bool:
    """Whether a connection leads to an address that everyone can reach."""
    return ipaddress.ip_address(made.getpeername()[0].partition("%")[0]).is_global


@contextmanager
def _said(watch: _Watch) -> Iterator[None]:
    """A block whose errors say in a line what is wrong with the server."""
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
        if watch.why:
            raise Refused(watch.why) from error
        text = " ".join(str(error).split())
        if isinstance(error, requests.Timeout) or "Read timed out" in text:
            raise Broken(f"no answer within {watch.limits.silence:g} s") from error
        text = text if 0 < len(text) < LONGEST else f"no connection ({type(error).__name__})"
        raise (Broken if isinstance(error, PASSING) else Refused)(text) from error
    if watch.why:  # a connection that was cut looks like one that came to its end
        raise Refused(watch.why)
