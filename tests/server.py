"""A web server on this machine that serves files, and misbehaves where it is told to."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Misbehaviour = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Site:
    """files: path -> content. cuts: path -> after how many bytes of each answer, in turn, the
    connection is cut. ranges: whether the rest of a file can be asked for. moved: path -> where it
    is now. statuses: path -> statuses before the file is given. raw: path -> what writes the
    answers, in turn; None, or no more of them: the file is given. pause: seconds between pieces of
    a file. asked: what was asked for, with its range. closed: the site has come to its end."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cuts: dict[str, list[int]] = field(default_factory=dict)
    ranges: bool = True
    tag: str = '"1"'
    moved: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, list[int]] = field(default_factory=dict)
    raw: dict[str, list[Misbehaviour | None]] = field(default_factory=dict)
    pause: float = 0.0
    asked: list[tuple[str, str]] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Clients that go away are what is tested."""


@contextmanager
def serving(wrap: Callable[[_Server], None] = lambda server: None) -> Iterator[Site]:
    """A site while the block runs. wrap: changes its server, for encryption."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            site.asked.append((self.path, self.headers.get("Range", "")))
            if site.raw.get(self.path) and (answer := site.raw[self.path].pop(0)):
                answer(self)
                return
            if self.path in site.moved:
                self.send_response(302)
                self.send_header("Location", site.moved[self.path])
                self.end_headers()
                return
            if site.statuses.get(self.path):
                self.send_error(site.statuses[self.path].pop(0))
                return
            if self.path not in site.files:
                self.send_error(404)
                return
            self._file(site.files[self.path])

        def _file(self, content: bytes) -> None:
            found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            same = self.headers.get("If-Range", site.tag) == site.tag
            start = int(found[1]) if found and site.ranges and same else 0
            if start >= len(content) > 0:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            if site.tag:
                self.send_header("ETag", site.tag)
            if start:
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"
                )
            self.end_headers()
            cuts = site.cuts.get(self.path)
            self._send(content[start : start + cuts.pop(0)] if cuts else content[start:])

        def _send(self, content: bytes) -> None:
            step = 2**16 if site.pause else len(content) or 1
            for at in range(0, len(content), step):
                self.wfile.write(content[at : at + step])
                if site.closed.wait(site.pause):
                    return

    server = _Server(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_port}"
    wrap(server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.closed.set()
        server.shutdown()
        thread.join()
        server.server_close()
