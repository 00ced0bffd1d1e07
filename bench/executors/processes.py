"""The executor `process`: tasks are done in processes of their own, one a slot, ended with all
their children at a limit.

A method that never ends, takes too much memory or crashes costs its own cell: the row says so and
the others go on. Each slot has its share of the cores; the number of threads stays the run's, so
that results are the same bit for bit whatever the slots.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Sequence

from bench.contracts.execution import Executor, Helper, Job, Pool, Result, Task
from bench.contracts.request import Request
from bench.errors import BenchError, reason
from bench.executors.child import Place, Worker
from bench.machine import threads
from bench.store.local import Store


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
