"""Executor `shuffled`: tasks in random order, to see that no result depends on the order.

Every cell gets its seeds from its photographs, never from what ran before it: two runs agree bit
for bit.
"""

import random
from collections.abc import Iterable

from bench.contracts import Executor, Job, Pool, Result, Task
from bench.hookspecs import hookimpl
from bench.specs import ExecutorSpec


@hookimpl
def bench_register_executors() -> Iterable[ExecutorSpec]:
    """One executor."""
    yield ExecutorSpec(
        name="shuffled",
        summary="one task after the other, in random order",
        factory=f"{__name__}:Shuffled",
        licence="Apache-2.0",
        citation="an example",
    )


class Shuffled(Executor):
    """Tasks are done in this process, and none before sixteen wait, or all that can."""

    def pool(self, job: Job) -> Pool:
        """A pool for the tasks of one run."""
        return Urn(job)


class Urn(Pool):
    """Tasks that were begun, of which any may be the next."""

    slots = 16

    def __init__(self, job: Job) -> None:
        self.job = job
        self.begun: list[Task] = []

    def start(self, task: Task) -> None:
        """The task waits for its turn."""
        self.begun.append(task)

    def wait(self) -> tuple[Task, Result]:
        """One of them, and its result."""
        task = self.begun.pop(random.randrange(len(self.begun)))
        return task, self.job.perform(task)
