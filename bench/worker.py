"""A process that does tasks for another: `python -m bench.worker`, started by `bench.processes`.

One JSON object a line. In: `{"folder": run folder, "task": {...}}` (`bench.schedule.Task`). Out: what happens on the way
(`step`, `say`, `begin`, `advance`, `end`) and, for each task, `{"result": {...}}`. No model is ever sent: the worker makes the
plan from the run folder's `request.json`, and writes to the store itself. It ends, with all its children, when nobody is left to
listen.
"""

from __future__ import annotations

import itertools
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TextIO

from bench import plan, request
from bench.contracts import ProgressTask
from bench.errors import BenchError, Infrastructure, StoreLost
from bench.plugins import registry
from bench.progress import Quiet
from bench.schedule import Result, Task
from bench.store import open_store, trust
from bench.text import prepare_streams
from bench.workshop import Workshop


class Telling:
    """A `bench.contracts.Progress` that tells the parent."""

    def __init__(self, replies: TextIO) -> None:
        self._replies, self._numbers = replies, itertools.count()

    def tell(self, **event: Any) -> None:
        """Send one line."""
        print(json.dumps(event), file=self._replies, flush=True)

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[ProgressTask]:
        """A bar of the parent's."""
        number = next(self._numbers)
        self.tell(begin=[number, description, total])
        try:
            yield _Bar(self, number)
        finally:
            self.tell(end=number)

    def say(self, line: str) -> None:
        """One line of text."""
        self.tell(say=line)

    def step(self, what: str, limited: bool) -> None:
        """A step of work begins: the parent's clock starts again, if there is a limit."""
        self.tell(step=[what, limited])


class _Bar:
    def __init__(self, telling: Telling, number: int) -> None:
        self.telling, self.number = telling, number

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.telling.tell(advance=[self.number, steps, note])


def main() -> None:
    """Do the tasks that standard input names, until it ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what plugins print goes to standard error, and not between the lines
    tasks: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(tasks,), daemon=True).start()
    prepare_streams()
    telling = Telling(replies)
    workshop: Workshop | None = None
    while True:
        message = json.loads(tasks.get())
        try:
            if workshop is None:
                telling.step("opening the run's data", False)  # whose digests take long where there is much
                workshop = _workshop(Path(message["folder"]), telling)
            result = workshop.perform(Task(**message["task"]))
        except BenchError as error:
            result = Result(str(error), lost=isinstance(error, Infrastructure), fatal=isinstance(error, StoreLost))
        workshop = workshop and replace(workshop, broken={})  # what failed is known to who sends the tasks
        telling.tell(result=asdict(result))


def _listen(tasks: queue.Queue[str]) -> None:
    for line in sys.stdin:
        tasks.put(line)
    os.killpg(0, signal.SIGKILL)  # the worker leads a group of its own


def _workshop(folder: Path, telling: Telling) -> Workshop:
    asked = request.read(folder)
    store = open_store(asked.store)
    trust(request.checked(folder))  # else each task's process would read all prepared photographs once more
    made = plan.make(asked, registry(), store, Quiet())
    return Workshop(made, store, telling, folder=folder, step=telling.step)


if __name__ == "__main__":
    main()
