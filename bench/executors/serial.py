"""The executor `serial`: one task after the other, in this process."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.contracts.execution import Executor, Job, Pool, Result, Task


class Serial(Executor):
    """A pool of one slot, which is this process."""

    def pool(self, job: Job) -> Pool:
        """The pool."""
        return InThisProcess(job)


@dataclass
class InThisProcess(Pool):
    """A task is done when its result is asked for."""

    job: Job
    slots: int = 1
    begun: list[Task] = field(default_factory=list)

    def start(self, task: Task) -> None:
        """The task waits until its result is asked for."""
        self.begun.append(task)

    def wait(self) -> tuple[Task, Result]:
        """The task is done now."""
        task = self.begun.pop()
        return task, self.job.perform(task)
