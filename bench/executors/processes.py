"""The executor `process`: tasks are done in processes of their own, one a slot, ended with all
their children at a limit.

A method that never ends, takes too much memory or crashes costs its own cell: the row says so and
the others go on. Each slot has its share of the cores; the number of threads stays the run's, so
that results are the same bit for bit whatever the slots.
"""

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
from bench.contracts.execution import Executor, Helper, Job, Pool, Result, Task
from bench.engine import request as requests
from bench.engine.request import Request
from bench.errors import BenchError, reason
from bench.machine import threads
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


class Limited(Executor):
    """An executor whose tasks are done in processes that are ended at the request's limits:
    `timeout` seconds for fitting a method or for sampling some photographs, `memory` GiB."""

    def helper(self, request: Request, store: Store) -> Helper:
        """A process of this machine."""
        return Worker(request, store)


class Process(Limited):
    """Tasks in so many processes of this machine; `auto`: one, or one a GPU."""

    def __init__(self, *, slots: int | str = "auto") -> None:
        self.slots = slots

    def pool(self, job: Job) -> Pool:
        """A thread a slot, which waits for the slot's process."""
        count = usual_slots(job.request) if self.slots == "auto" else int(self.slots)
        if why := crowded(count, job.request):
            job.progress.say(why)
        return Processes(job, count)


def usual_slots(request: Request) -> int:
    """One, or one for each GPU that a training doesn't share with others."""
    if request.device != "cuda" or request.devices > 1:
        return 1
    import torch

    return max(1, torch.cuda.device_count())


def crowded(slots: int, request: Request) -> str:
    """What is said of slots with fewer cores than threads: convolutions' threads keep a core busy
    while they wait for one another, which may take several times as long (`benchmarks/scaling.py`).
    Nothing where all is well."""
    here, wanted = threads.cores(), request.threads or threads.wanted()
    own = max(1, here // slots)
    if slots < 2 or own >= wanted or request.device != "cpu":
        return ""
    return (
        f"{slots} slots of {wanted} threads share {here} cores, and threads that share a core are "
        "slow: take fewer slots, or "
        f"--threads {own} (whose results differ in their last bits)"
    )


class Processes(Pool):
    """A thread a slot, which waits for the slot's process. A single slot goes on with the process
    that prepared the run."""

    slots = 1

    def __init__(self, job: Job, slots: int) -> None:
        self.job, self.slots = job, slots
        self._tasks: queue.Queue[Task | None] = queue.Queue()
        self._results: queue.Queue[tuple[Task, Result]] = queue.Queue()
        self._ending = False
        self._lent = job.helper if slots == 1 else None
        self._helpers: list[Helper] = [self._lent] if self._lent else self._started(slots)
        for helper in self._helpers:
            threading.Thread(target=self._serve, args=(helper,), daemon=True).start()

    def _started(self, slots: int) -> list[Helper]:
        job, looks = self.job, self.job.looks()
        if job.helper:  # others do its tasks
            job.helper.end()
        return [
            Worker(job.request, job.store, job.folder, looks, place(i, slots, job.request))
            for i in range(slots)
        ]

    def start(self, task: Task) -> None:
        """Begin a task."""
        self._tasks.put(task)

    def wait(self) -> tuple[Task, Result]:
        """The next that ends."""
        while True:
            with contextlib.suppress(queue.Empty):  # in short turns: Ctrl-C is heard everywhere
                return self._results.get(timeout=1.0)

    def end(self) -> None:
        """End all processes but the one that is lent, which ends with the run."""
        self._ending = True
        for helper in self._helpers:
            self._tasks.put(None)
            if helper is not self._lent:
                helper.end()

    def _serve(self, helper: Helper) -> None:
        while task := self._tasks.get():
            try:
                told = helper.perform(task, self.job.progress)
                if (result := self.job.believed(task, told)) is not told:
                    helper.end()  # nobody knows what else it would say
            except Exception as error:  # noqa: BLE001 - the system gives no process, or none of what it is asked: said, tried again
                result = Result(f"{task.name}: {reason(error)}", lost=True)
            if self._ending:
                helper.end()
                return
            self._results.put((task, result))


@dataclass(frozen=True)
class Place:
    """Where a slot's process runs: cores (empty: all), and environment variables."""

    cores: tuple[int, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


def place(slot: int, slots: int, request: Request) -> Place:
    """A slot's share of this process' cores, and its own GPU where the device is `cuda` and there
    are several slots."""
    if slots < 2:
        return Place()
    variables = {"CUDA_VISIBLE_DEVICES": _gpu(slot)} if request.device == "cuda" else {}
    if not hasattr(os, "sched_getaffinity"):
        return Place(variables=variables)
    return Place(share(sorted(os.sched_getaffinity(0)), slot, slots), variables)


def share(cores: Sequence[int], slot: int, slots: int) -> tuple[int, ...]:
    """A slot's part of the cores; all of them where there are more slots than cores, so that no
    core is left to one slot alone.

    >>> share([0, 1, 2, 3], 1, 2), share([0, 1], 2, 3)
    ((1, 3), (0, 1))
    """
    return tuple(cores[slot::slots]) if slots <= len(cores) else tuple(cores)


def _gpu(slot: int) -> str:
    import torch

    visible = [v for v in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if v]
    visible = visible or [str(i) for i in range(torch.cuda.device_count())]
    if not visible:
        raise BenchError("--device cuda: this process sees no GPU")
    return visible[slot % len(visible)]


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
