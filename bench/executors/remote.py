"""Tasks on other machines: what engines such as dask and SLURM call there, and a pool over their
futures.

A message is text: the run folder, the task, and which plugins to load. The engine's worker starts a
process of its own for the task (`bench.executors.child.Worker`), so limits hold there too and a
method that crashes leaves the engine alone. The run folder, the store and the data must be where
all machines see them under the same paths.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.contracts.execution import Job, Pool, Quiet, Result, Task
from bench.engine import request
from bench.executors.child import Place, Worker
from bench.executors.processes import place
from bench.plugins.loader import switches
from bench.store import records
from bench.store.opening import open_store

_workers: dict[tuple[str, int], Worker] = {}


def message(folder: Path, task: Task, slots: int = 1) -> str:
    """What is sent. slots: how many share one machine, where the engine can't say."""
    return json.dumps(
        {
            "folder": str(folder.resolve()),
            "task": task.message(),
            "switches": switches().variables(),
            "slots": slots,
        }
    )


def perform(
    text: str, slot: int = 0, keep: bool = False, variables: Mapping[str, str] | None = None
) -> str:
    """Do the task of a message; the text of its result. keep: the process stays for the next task
    of the same run. variables: of its environment."""
    told = json.loads(text)
    folder = Path(told["folder"])
    _end(lambda run, thread: run != told["folder"] and thread == threading.get_ident())
    worker = _workers.get((told["folder"], threading.get_ident())) or _worker(
        folder, told, slot, variables or {}
    )
    try:
        result = worker.perform(records.checked(told["task"], Task, "a message"), Quiet())
    finally:
        if not keep:
            worker.end()
    if keep:
        _workers[told["folder"], threading.get_ident()] = worker
    return json.dumps(asdict(result))


def end(folder: str) -> None:
    """End the processes that were kept for a run."""
    _end(lambda run, thread: run == folder)


def _end(chosen: Callable[[str, int], bool]) -> None:
    for key in [key for key in _workers if chosen(*key)]:
        _workers.pop(key).end()


def _worker(folder: Path, told: dict[str, Any], slot: int, variables: Mapping[str, str]) -> Worker:
    asked = request.read(folder)
    where = place(slot, told["slots"], asked)
    mine = Place(where.cores, {**told["switches"], **where.variables, **variables})
    return Worker(asked, open_store(asked.store), folder, request.checked(folder), mine)


class Futures(Pool):
    """A pool over an engine elsewhere, called `engine`, whose answers come when they come."""

    engine = ""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._ended: queue.Queue[tuple[Task, Callable[[], str]]] = queue.Queue()
        if job.helper:  # others do its tasks
            job.helper.end()

    @abstractmethod
    def submit(self, task: Task, ended: Callable[[Callable[[], str]], None]) -> None:
        """Hand a task to the engine, which calls `ended` with a function that gives the text of the
        result, or raises what the engine says."""

    def start(self, task: Task) -> None:
        """Hand a task to the engine."""
        self.submit(task, lambda answer: self._ended.put((task, answer)))

    def wait(self) -> tuple[Task, Result]:
        """The next that ends. What the engine raises is a lost worker: methods' errors come as
        results."""
        while True:
            with contextlib.suppress(queue.Empty):  # in short turns: Ctrl-C is heard everywhere
                task, answer = self._ended.get(timeout=1.0)
                break
        try:
            told = records.checked(json.loads(answer()), Result, "an answer")
            return task, self.job.believed(task, told)
        except Exception as error:  # noqa: BLE001 - whatever the engine says of a worker that is gone
            text = " ".join(str(error).split()) or type(error).__name__
            return task, Result(f"{task.name}: {self.engine} lost it: {text[:300]}", lost=True)
