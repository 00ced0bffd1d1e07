"""The executors that come with huebench, and `serial`, which does one task after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bench.engine.plan import Cell
from bench.engine.schedule import Outcome, Result, Task, drive
from bench.engine.work import Workshop
from bench.hookspecs import hookimpl
from bench.specs import ExecutorSpec, Parameter


@dataclass
class InThisProcess:
    """A pool of one slot: a task is done when its result is asked for."""

    workshop: Workshop
    slots: int = 1
    begun: list[Task] = field(default_factory=list)

    def start(self, task: Task) -> None:
        """Remember it."""
        self.begun.append(task)

    def wait(self) -> tuple[Task, Result]:
        """Do it."""
        task = self.begun.pop()
        return task, self.workshop.perform(task)


def serial(
    workshop: Workshop, cells: Iterable[Cell], finished: Callable[[Outcome], None]
) -> list[Outcome]:
    """One task after the other, in this process."""
    return drive(workshop, cells, finished, InThisProcess(workshop))


SLOTS = Parameter(
    "slots",
    "int",
    "auto",
    "tasks at once; each slot has its share of the cores. auto: 1, or one a GPU",
    allow=("auto",),
    minimum=1,
)


@hookimpl
def bench_register_executors() -> Iterable[ExecutorSpec]:
    """Executors on this machine and on others."""
    licence = "Apache-2.0"
    yield ExecutorSpec(
        name="process",
        summary="tasks in processes of their own, which are ended at a limit",
        factory="bench.executors.processes:process",
        licence=licence,
        limits=True,
        parameters=(SLOTS,),
    )
    yield ExecutorSpec(
        name="serial",
        summary="one task after the other, in this process",
        factory="bench.executors.builtin:serial",
        licence=licence,
    )
    yield ExecutorSpec(
        name="dask",
        summary="tasks on the workers of a dask cluster: a running one, or processes of this "
        "machine",
        factory="bench.executors.dask_pool:dask",
        licence=licence,
        limits=True,
        parameters=(
            Parameter(
                "scheduler",
                "str",
                "",
                "address of a running scheduler; none: a cluster of processes here",
            ),
            SLOTS,
        ),
    )
    yield ExecutorSpec(
        name="submitit",
        summary="tasks as jobs of SLURM, or of the same machine (cluster=local)",
        factory="bench.executors.submitit_jobs:submitit",
        licence=licence,
        limits=True,
        nodes=True,
        parameters=(
            Parameter(
                "cluster", "str", "slurm", "where jobs run", choices=("slurm", "local", "debug")
            ),
            Parameter("slots", "int", 16, "jobs at once", minimum=1),
            Parameter("minutes", "int", 240, "time limit of a job", minimum=1),
            Parameter("partition", "str", "", "of SLURM"),
            Parameter("cpus", "int", 4, "cores of a job", minimum=1),
            Parameter("gpus", "int", 0, "GPUs of a job", minimum=0),
            Parameter("gib", "float", 16.0, "memory of a job in GiB", minimum=0),
        ),
    )
