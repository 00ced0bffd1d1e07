"""A process that does tasks for another: `python -m bench.executors.supervisor
bench.executors.worker`, started by `bench.executors.child`.

One JSON object a line. In: the `request`, the run's `folder`, looks that were `checked`, a `task`
(`bench.contracts.execution.Task`) and its `token`. Out: what happens on the way (`step`, `say`,
`begin`, `advance`, `end`) and, for each task, its `result` and the `token`
(`bench.executors.child.Event`). No model is ever sent: the worker makes the plan from the request,
and writes to the store itself. `bench.executors.supervisor` ends it, with all that it started, when
nobody is left to listen.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TextIO

from bench.contracts import Progress, ProgressTask
from bench.contracts.execution import Quiet, Result, Task
from bench.engine import planning, request
from bench.engine.work import Work, failure
from bench.errors import BenchError
from bench.plugins.loader import registry
from bench.store import records
from bench.store.local import trust
from bench.store.opening import open_store
from bench.text import prepare_streams

LONGEST = 2**16
"""Characters of a text that is told: the line stays below what is read
(`bench.executors.child.LONGEST`)."""


class Telling:
    """A `bench.contracts.Progress` that tells the parent."""

    def __init__(self, replies: TextIO) -> None:
        self._replies, self._numbers, self._turn = replies, itertools.count(), threading.Lock()

    def tell(self, **event: Any) -> None:
        """Send one line."""
        line = json.dumps(event) + "\n"
        with self._turn:
            self._replies.write(line)
            self._replies.flush()

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[ProgressTask]:
        """A bar of the parent's."""
        number = next(self._numbers)
        self.tell(begin=[number, _short(description), int(total)])
        try:
            yield _Bar(self, number)
        finally:
            self.tell(end=number)

    def say(self, line: str) -> None:
        """One line of text."""
        self.tell(say=_short(line))

    def step(self, what: str, limited: bool, blamed: Sequence[str] = ()) -> None:
        """A step of work begins: the parent's clock starts again, if there is a limit. blamed: what
        can be left out if it fails."""
        self.tell(step=[_short(what), limited, list(blamed)])

    def result(self, result: Result, token: str) -> None:
        """How the task ended that came with a token."""
        self.tell(
            result=asdict(
                replace(result, reason=_short(result.reason), trace=_short(result.trace))
            ),
            token=token,
        )


class _Bar:
    def __init__(self, telling: Telling, number: int) -> None:
        self.telling, self.number = telling, number

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.telling.tell(advance=[self.number, int(steps), _short(note)])


def _short(text: str) -> str:
    return str(text)[:LONGEST]


def main() -> None:
    """Do the tasks that standard input names, until it ends. Plugins find nothing there, and what
    they print goes to standard error, not between the lines."""
    tasks, replies = (
        os.fdopen(os.dup(0), encoding="utf-8"),
        os.fdopen(os.dup(1), "w", encoding="utf-8"),
    )
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    prepare_streams()
    telling = Telling(replies)
    work: Work | None = None
    for line in tasks:
        message = json.loads(line)
        task = records.checked(message["task"], Task, "a message")
        try:
            if work is None:
                telling.step(
                    "opening the run's data", False
                )  # whose digests take long where there is much
                work = _work(message, telling, telling if task.kind == "open" else Quiet())
            folder = Path(message["folder"]) if message["folder"] else None
            work = replace(
                work, opened=folder, broken={}
            )  # what failed is known to who sends the tasks
            result = work.perform(task)
        except BenchError as error:
            result = failure(error, whole=True)
        telling.result(result, message["token"])


def _work(message: Mapping[str, Any], telling: Telling, progress: Progress) -> Work:
    asked = request.told(message["request"])
    store = open_store(asked.store)
    trust(
        message["checked"]
    )  # else each task's process would read all prepared photographs once more
    made = planning.make(asked, registry(), store, progress)
    return Work(made, store, telling, step=telling.step)
