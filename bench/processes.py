"""The executor `process`: cells are executed in a process of their own, which is ended, with all its children, at a limit.

A method that never ends, takes too much memory or crashes costs its own cell: the row says so and the others go on.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import psutil

from bench.contracts import Progress, ProgressTask
from bench.executors import Outcome, Workshop
from bench.plan import Cell
from bench.plugins import switches

TICK = 0.1
"""Seconds between looks at the clock and at the memory."""
GRACE = 5.0
"""Seconds that a process may take to end once it has closed its pipe."""
START = 300.0
"""Seconds that a worker may take until its first step: it imports PyTorch and opens the data."""

_STARTING = "starting its process"


class Overrun(Exception):
    """A step passed a limit, or its process died; the text is the reason."""


def process(workshop: Workshop, cells: Iterable[Cell], finished: Callable[[Outcome], None]) -> list[Outcome]:
    """One cell after the other, in a process of its own. Limits are the request's: `timeout` seconds for fitting a method or
    for sampling one, `memory` GiB."""
    outcomes = []
    worker: Worker | None = None
    try:
        for cell in cells:
            outcome = workshop.settled(cell)
            if outcome is None:
                worker = worker if worker and worker.alive else Worker(workshop)
                outcome = worker.execute(cell)
            outcomes.append(outcome)
            finished(outcome)
    finally:
        if worker:
            worker.end()
    return outcomes


@dataclass
class Worker:
    """One child process. step: what it does, since when, and the key of the fit that it makes, if it makes one."""

    workshop: Workshop
    child: subprocess.Popen[str] = field(init=False)
    events: queue.Queue[dict[str, Any] | None] = field(default_factory=queue.Queue)
    step: str = ""
    fit: str = ""
    since: float = field(default_factory=time.monotonic)
    looked: float = 0.0

    def __post_init__(self) -> None:
        environment = {**os.environ, **switches().variables()}
        self.child = subprocess.Popen([sys.executable, "-P", "-m", "bench.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      text=True, encoding="utf-8", env=environment, start_new_session=True)  # fmt: skip
        threading.Thread(target=self._hear, daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether it can take another cell."""
        return self.child.poll() is None

    def execute(self, cell: Cell) -> Outcome:
        """Have a cell executed. The process is ended where a step passes a limit."""
        start = time.monotonic()
        self.step, self.fit, self.since = "", "", start
        task = {"folder": str(self.workshop.folder), "cell": cell.key, "broken": self.workshop.broken}
        try:
            with contextlib.suppress(BrokenPipeError):  # it died: the next event says so
                print(json.dumps(task), file=self.child.stdin, flush=True)
            return Outcome(cell, **self._follow(self.workshop.progress))
        except Overrun as overrun:
            self.end()
            if self.fit:
                self.workshop.broken[self.fit] = str(overrun)
            return Outcome(cell, "failed", str(overrun), time.monotonic() - start)

    def end(self) -> None:
        """End the process and all that it started."""
        tree = _tree(self.child.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        for each in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self.child.wait()
        for pipe in (self.child.stdin, self.child.stdout):
            with contextlib.suppress(OSError, AttributeError):
                pipe.close()  # type: ignore[union-attr]
        self.workshop.store.sweep(self.child.pid)

    def _hear(self) -> None:
        assert self.child.stdout is not None
        try:
            for line in self.child.stdout:
                with contextlib.suppress(ValueError):  # the half line of one that is killed
                    self.events.put(json.loads(line))
        finally:
            self.events.put(None)

    def _follow(self, progress: Progress) -> dict[str, Any]:
        """Show what happens until the outcome comes."""
        bars: dict[int, tuple[ExitStack, ProgressTask]] = {}
        with ExitStack() as open_bars:
            while True:
                event = self._next()
                if "outcome" in event:
                    return dict(event["outcome"])
                if "step" in event:
                    self.step, self.fit = event["step"]
                    self.since = time.monotonic()
                elif "say" in event:
                    progress.say(event["say"])
                elif "begin" in event:
                    number, description, total = event["begin"]
                    stack = open_bars.enter_context(ExitStack())
                    bars[number] = stack, stack.enter_context(progress.task(description, total))
                elif "advance" in event and event["advance"][0] in bars:  # a thread may report after its bar has ended
                    number, steps, note = event["advance"]
                    bars[number][1].advance(steps, note)
                elif "end" in event and event["end"] in bars:
                    bars.pop(event["end"])[0].close()

    def _next(self) -> dict[str, Any]:
        """The next event. Limits are looked at every `TICK`, however many events there are."""
        while True:
            if time.monotonic() - self.looked > TICK:
                self._see_to_limits()
                self.looked = time.monotonic()
            try:
                event = self.events.get(timeout=TICK)
            except queue.Empty:
                if not self.alive and self.events.empty():  # a process that it forked may hold the pipe open
                    event = None
                else:
                    continue
            if event is None:
                raise Overrun(f"{self.step or _STARTING}: its process ended{_how(self._status())}")
            return event

    def _status(self) -> int:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.child.wait(GRACE)
        self.end()
        return self.child.returncode

    def _see_to_limits(self) -> None:
        request = self.workshop.plan.request
        limit, option = (request.timeout, " (--timeout)") if self.step else (START, "")
        if limit is not None and time.monotonic() - self.since > limit:
            raise Overrun(f"{self.step or _STARTING} took longer than {limit:g} s{option}")
        if request.memory is not None and (used := memory(self.child.pid)) > request.memory * 2**30:
            raise Overrun(f"{self.step or _STARTING} used {used / 2**30:.1f} GiB, more than {request.memory:g} (--memory)")


def memory(pid: int) -> int:
    """Bytes that a process and all its children hold for themselves: files that are mapped are not counted."""
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
