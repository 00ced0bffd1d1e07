"""A child process that does tasks of a run, ended with all that it started where a step passes a limit."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TypedDict

import psutil

from bench.contracts import Progress, ProgressTask
from bench.contracts.execution import Result, Task
from bench.contracts.request import Request
from bench.engine import request as requests
from bench.errors import BenchError
from bench.plugins.loader import switches
from bench.store import drafts, records
from bench.store.local import Store

TICK = 0.1
"""Seconds between looks at the clock and at the memory."""


GRACE = 20.0
"""Seconds that a process may take to end, with all that it started, once it has closed its pipe or
is told to end."""


LONGEST = 2**22
"""Bytes of a message: what is longer, or is none, is passed over."""


AHEAD = 1000
"""Messages that wait to be looked at: a process that sends more waits."""


START = 300.0
"""Seconds that a worker may take until its first step: it imports PyTorch and opens the data."""


FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGBUS)
"""Signals by which the system, or whoever runs it, ends a process; SIGBUS: a mapped file could not
be read or grown."""


_STARTING = "starting its process"


class Overrun(Exception):
    """A step passed a limit; the text is the reason."""


class Lost(Exception):
    """The process ended by itself (`outside`: by a signal from the system); the text is the reason."""

    def __init__(self, why: str, outside: bool) -> None:
        super().__init__(why)
        self.outside = outside


@dataclass(frozen=True)
class Place:
    """Where a slot's process runs: cores (empty: all), and environment variables."""

    cores: tuple[int, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


class Event(TypedDict, total=False):
    """A message of a worker: what happens on the way, and how a task ended; `token`: the one that
    came with the task."""

    step: tuple[str, bool, tuple[str, ...]]
    say: str
    begin: tuple[int, str, int]
    advance: tuple[int, int, str]
    end: int
    result: Result
    token: str


@dataclass
class Worker:
    """A child process that does tasks of a run, started when there is one, and again after it was
    ended. checked: looks of things that were held against their digests. step: what it does, since
    when. blamed: what can be left out if that goes wrong."""

    request: Request
    store: Store
    folder: Path | None = None
    checked: Sequence[str] = ()
    place: Place = field(default_factory=Place)
    child: subprocess.Popen[bytes] | None = None
    events: queue.Queue[Event | None] = field(default_factory=lambda: queue.Queue(AHEAD))
    step: str = ""
    limited: bool = True
    blamed: tuple[str, ...] = ()
    since: float = 0.0
    looked: float = 0.0

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.child is not None and self.child.poll() is None

    def perform(self, task: Task, progress: Progress) -> Result:
        """Have a task done. The process is ended where a step passes a limit."""
        start = time.monotonic()
        self.step, self.blamed, self.since = "", (), start
        token = secrets.token_hex(16)
        try:
            child = self.child if self.child is not None and self.alive else self._spawn()
            asked = requests.message(replace(self.request, store=self.store.place))
            message = {
                "request": asked,
                "folder": str(self.folder or ""),
                "checked": list(self.checked),
                "task": task.message(),
                "token": token,
            }
            assert child.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # it died: the next event says so
                child.stdin.write(json.dumps(message).encode() + b"\n")
                child.stdin.flush()
            return self._follow(progress, token)
        except Overrun as overrun:
            self.end()
            return Result(str(overrun), time.monotonic() - start, blamed=self.blamed)
        except Lost as lost:
            self.end()
            return Result(
                str(lost), time.monotonic() - start, lost=lost.outside, blamed=self.blamed
            )

    def end(self) -> None:
        """End the process and all that it started: `bench.executors.supervisor` does so when its
        standard input is closed."""
        if (child := self.child) is None:
            return
        self.child = None  # its number may soon be another process'
        assert child.stdin is not None
        with contextlib.suppress(OSError):
            child.stdin.close()
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            _kill(child)
        if self.folder:
            drafts.sweep(self.folder)

    def _spawn(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **switches().variables(), **self.place.variables}
        self.events = queue.Queue(AHEAD)
        command = [
            sys.executable,
            "-P",
            "-m",
            "bench.executors.supervisor",
            "bench.executors.worker",
            str(self.store.folder.resolve()),
            ",".join(map(str, self.place.cores)),
        ]
        self.child = child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        threading.Thread(target=_hear, args=(child, self.events), daemon=True).start()
        return child

    def _follow(self, progress: Progress, token: str) -> Result:
        """Show what happens until the outcome comes. A result without the task's token is nobody's."""
        bars: dict[int, tuple[ExitStack, ProgressTask]] = {}
        with ExitStack() as open_bars:
            while True:
                event = self._next()
                if "result" in event and event.get("token") == token:
                    return event["result"]
                if "step" in event:
                    self.step, self.limited, self.blamed = event["step"]
                    self.since = time.monotonic()
                elif "say" in event:
                    progress.say(event["say"])
                elif "begin" in event and event["begin"][0] not in bars:
                    number, description, total = event["begin"]
                    stack = open_bars.enter_context(ExitStack())
                    bars[number] = stack, stack.enter_context(progress.task(description, total))
                elif (
                    "advance" in event and event["advance"][0] in bars
                ):  # a thread may report after its bar has ended
                    number, steps, note = event["advance"]
                    bars[number][1].advance(steps, note)
                elif "end" in event and event["end"] in bars:
                    bars.pop(event["end"])[0].close()

    def _next(self) -> Event:
        """The next event. Limits are looked at every `TICK`, however many events there are."""
        while True:
            if time.monotonic() - self.looked > TICK:
                self._see_to_limits()
                self.looked = time.monotonic()
            try:
                event = self.events.get(timeout=TICK)
            except queue.Empty:
                if not self.alive and self.events.empty():
                    event = None
                else:
                    continue
            if event is None:
                code = self._status()
                raise Lost(
                    f"{self.step or _STARTING}: its process ended{_how(code)}",
                    -code in FROM_OUTSIDE,
                )
            return event

    def _status(self) -> int:
        child = self.child
        assert child is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return child.wait(GRACE)
        self.end()
        return child.returncode

    def _see_to_limits(self) -> None:
        request = self.request
        limit, option = (
            (request.timeout if self.limited else None, " (--timeout)")
            if self.step
            else (START, "")
        )
        if limit is not None and time.monotonic() - self.since > limit:
            raise Overrun(f"{self.step or _STARTING} took longer than {limit:g} s{option}")
        if (
            request.memory is not None
            and self.child
            and (used := memory(self.child.pid)) > request.memory * 2**30
        ):
            raise Overrun(
                f"{self.step or _STARTING} used {used / 2**30:.1f} GiB, more than "
                f"{request.memory:g} (--memory)"
            )


def _hear(child: subprocess.Popen[bytes], events: queue.Queue[Event | None]) -> None:
    assert child.stdout is not None
    with child.stdout:
        for line in _lines(child.stdout):
            if event := understood(line):
                _put(child, events, event)
    _put(child, events, None)


def _put(
    child: subprocess.Popen[bytes], events: queue.Queue[Event | None], event: Event | None
) -> None:
    """Wait until there is room, as long as the process is alive: later there may be nobody who
    looks."""
    while True:
        with contextlib.suppress(queue.Full):
            return events.put(event, timeout=TICK)
        if child.poll() is not None:
            return None


def _lines(pipe: IO[bytes]) -> Iterator[bytes]:
    """Lines of at most `LONGEST` bytes; longer ones are passed over, and never in memory."""
    whole = True
    while line := pipe.readline(LONGEST):
        if whole and line.endswith(b"\n"):
            yield line
        whole = line.endswith(b"\n")


def understood(line: bytes) -> Event | None:
    """A line of a worker as an event; None where it is none: plugins share the worker's process,
    and may write anything."""
    try:
        return records.checked(json.loads(line), Event, "a worker's message")
    except (ValueError, RecursionError, BenchError):
        return None


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End a process and what is below it, where it does not end itself."""
    for each in _tree(child.pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    child.wait()


def memory(pid: int) -> int:
    """Bytes that a process and all its children hold for themselves: files that are mapped are not
    counted."""
    held = 0
    for each in _tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            info = each.memory_info()
            held += info.rss - getattr(info, "shared", 0)
    return held


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _how(code: int) -> str:
    if code >= 0:
        return f" with status {code}"
    name = signal.Signals(-code).name
    return f" by signal {-code} ({name}){': out of memory?' if name == 'SIGKILL' else ''}"
