"""The executor `submitit`: every task is a job of SLURM, or of this machine (`cluster=local`; `debug`: in this process)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from bench import remote
from bench.errors import BenchError
from bench.executors import Outcome, Workshop
from bench.plan import Cell
from bench.schedule import Task, drive

MISSING = "executor submitit needs the package submitit: pip install 'huebench[slurm]'"
POLL = 0.5
"""Seconds between looks at a job."""


def submitit(workshop: Workshop, cells: Iterable[Cell], finished: Callable[[Outcome], None], cluster: str = "slurm",
             slots: int = 16, **job: Any) -> list[Outcome]:  # fmt: skip
    """Tasks as jobs, `slots` at once; logs are in the run folder, below `jobs`. A job that is lost is submitted once more."""
    assert workshop.folder is not None
    folder, engine = workshop.folder, _engine(workshop, cluster, **job)
    begun: list[Any] = []

    def submit(task: Task, ended: Callable[[Callable[[], str]], None]) -> None:
        made = engine.submit(remote.perform, remote.message(folder, task, slots if cluster == "local" else 1), len(begun) % slots)
        begun.append(made)
        threading.Thread(target=_watch, args=(made, ended), daemon=True).start()

    try:
        return drive(workshop, cells, finished, remote.Futures(workshop, submit, lambda: slots, "submitit"))
    finally:
        for made in begun:
            if not made.done():
                made.cancel()


def _engine(workshop: Workshop, cluster: str, minutes: int, partition: str, cpus: int, gpus: int, gib: float) -> Any:
    try:
        from submitit import AutoExecutor
    except ImportError as error:
        raise BenchError(MISSING) from error
    assert workshop.folder is not None
    try:
        engine = AutoExecutor(folder=workshop.folder.resolve() / "jobs" / "%j", cluster=cluster)
        engine.update_parameters(name=f"huebench-{workshop.folder.name}"[:60], timeout_min=minutes)
        if cluster == "slurm":
            engine.update_parameters(cpus_per_task=cpus, mem_gb=gib, gpus_per_node=gpus,
                                     **({"slurm_partition": partition} if partition else {}))  # fmt: skip
    except RuntimeError as error:
        raise BenchError(f"executor submitit: {error}: take cluster=local to run jobs on this machine") from error
    return engine


def _watch(job: Any, ended: Callable[[Callable[[], str]], None]) -> None:
    while not job.done():
        time.sleep(POLL)
    ended(job.result)
