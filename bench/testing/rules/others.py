"""Rules for reports, protocols and executors: what can be seen without a run."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

from bench.contracts.execution import Executor, Helper, Progress, Quiet, Result, Task
from bench.protocol import Protocol
from bench.specs import ExecutorSpec, ReportSpec
from bench.testing.results import Broken, Rule, describe
from bench.testing.rules.spec_rules import SpecSubject

TASKS = 3


def can_be_called(subject: SpecSubject) -> str | None:
    """The factory takes the arguments that the harness gives it: (results, out), with `compares`
    (comparison, out)."""
    compares = isinstance(subject.spec, ReportSpec) and subject.spec.compares
    names = ("comparison" if compares else "results", "out")
    try:
        inspect.signature(subject.spec.load()).bind(*names)
    except TypeError as error:
        raise Broken(
            f"called with ({', '.join(names)}): {error}",
            f"let it take ({', '.join(names)}) by position",
        ) from error
    return None


def does_every_task_once(subject: SpecSubject) -> str | None:
    """The factory makes a `bench.contracts.Executor` from the declared parameters. Its pool gives
    each task that was begun back once, with the result of that task. Where the spec says `limits`
    no pool is tried: it would start processes."""
    executor = _made(subject)
    if not isinstance(executor, Executor):
        raise Broken(f"it made a {type(executor).__name__}", "return a bench.contracts.Executor")
    if isinstance(subject.spec, ExecutorSpec) and subject.spec.limits:
        return "no pool was tried"
    pool, left = executor.pool(_Job()), [Task(str(n)) for n in range(TASKS)]
    ended: list[tuple[Task, Result]] = []
    count = min(pool.slots, TASKS)
    if count < 1:
        raise Broken(f"its pool has {pool.slots} slots", "have one at least")
    begun, left = left[:count], left[count:]
    for task in begun:
        pool.start(task)
    while len(ended) < TASKS:
        ended.append(pool.wait())
        if left:
            begun.append(left.pop(0))
            pool.start(begun[-1])
    pool.end()
    wanted = {(task.name, task.name) for task in begun}
    if {(task.name, result.reason) for task, result in ended} != wanted:
        raise Broken(
            f"of {TASKS} tasks its pool gave back {[task.name for task, _ in ended]}",
            "give each begun task back once, with its own result",
        )
    return f"{pool.slots} slots"


class _Job:
    """A run of which nothing is known but what its tasks give."""

    store: Any = None
    request: Any = None
    helper: Helper | None = None
    progress: Progress = Quiet()
    folder = Path()

    def perform(self, task: Task) -> Result:
        return Result(reason=task.name)

    def believed(self, task: Task, result: Result) -> Result:
        return result

    def looks(self) -> tuple[str, ...]:
        return ()


def _made(subject: SpecSubject) -> object:
    try:
        made: object = subject.spec.load()(**subject.spec.resolve(subject.given))
    except Exception as error:
        raise Broken(
            f"with its parameters it raised {describe(error)}",
            "let it take the declared ones by keyword",
        ) from error
    return made


def makes_a_protocol(subject: SpecSubject) -> str | None:
    """The factory makes a `bench.protocol.Protocol` from the declared parameters, the same each
    time, with an own digest."""
    first, second = _made(subject), _made(subject)
    if not (isinstance(first, Protocol) and isinstance(second, Protocol)):
        raise Broken(f"it made a {type(first).__name__}", "return a bench.protocol.Protocol")
    json.dumps(first.describe())
    if first.digest != second.digest:
        raise Broken("made twice, it has two digests", "make it of the parameters alone")
    return f"digest {first.digest[:12]}"


def rules_of(kind: str) -> tuple[Rule, ...]:
    """Those beside the rules for all specs."""
    needs = ("loads", "parameters-round-trip")
    rules = {"protocol": makes_a_protocol, "executor": does_every_task_once}
    return (Rule(rules.get(kind, can_be_called), needs),)
