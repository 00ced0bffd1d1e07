"""The executor `submitit`: every task is a job of SLURM, or of this machine (`cluster=local`;
`debug`: in this process)."""

from __future__ import annotations

import json
import queue
import threading
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench.contracts.execution import Job, Pool, Task
from bench.engine import rendezvous, request
from bench.errors import BenchError
from bench.executors import remote
from bench.executors.processes import Limited
from bench.executors.remote import Futures
from bench.store.files import write_bytes

MISSING = "executor submitit needs the package submitit: pip install 'huebench[slurm]'"
POLL = 0.5
"""Seconds between looks at a job."""
FIRST_PORT, PORTS = 20_000, 12_000
"""Where processes of one training on several machines meet."""
FAILED = "failed.json"
"""In the folder of such a job: the result of one that failed."""


class Submitit(Limited):
    """Tasks as jobs, `slots` at once; logs are in the run folder, below `jobs`. The other
    parameters are a job's."""

    def __init__(self, *, cluster: str = "slurm", slots: int = 16, **job: Any) -> None:
        self.cluster, self.slots, self.job = cluster, slots, job

    def pool(self, job: Job) -> Pool:
        """A pool over the jobs."""
        return Jobs(job, self)


class Jobs(Futures):
    """A job that is lost is submitted once more."""

    engine, slots = "submitit", 1

    def __init__(self, job: Job, how: Submitit) -> None:
        super().__init__(job)
        self.how, self.slots, machines = how, how.slots, job.request.nodes
        self.one = _engine(job, how.cluster, **how.job)
        self.together = (
            _engine(job, how.cluster, **how.job, count=machines) if machines > 1 else None
        )
        self.begun: list[Any] = []
        self.free: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(self.slots):
            self.free.put(slot)

    def submit(self, task: Task, ended: Callable[[Callable[[], str]], None]) -> None:
        """A job for one task."""
        slot = self.free.get()

        def done(answer: Callable[[], str]) -> None:
            self.free.put(slot)
            ended(answer)

        folder = self.job.folder
        if task.fit and self.together:
            made = self.together.submit(_perform_together, remote.message(folder, task))
        else:
            here = self.slots if self.how.cluster == "local" else 1
            made = self.one.submit(remote.perform, remote.message(folder, task, here), slot)
        self.begun.append(made)
        threading.Thread(target=_watch, args=(made, done), daemon=True).start()

    def end(self) -> None:
        """Cancel what has not ended."""
        for made in self.begun:
            if not made.done():
                made.cancel(check=False)


def _perform_together(text: str) -> str:
    """`bench.executors.remote.perform` in one of a job's processes."""
    from submitit import JobEnvironment

    job, devices = JobEnvironment(), request.read(Path(json.loads(text)["folder"])).devices
    port = (
        FIRST_PORT + zlib.crc32(job.job_id.encode()) % PORTS
    )  # the same on all machines, and another for another job
    rank, local_rank, folder = job.global_rank, job.global_rank % devices, job.paths.folder
    place = rendezvous.variables(rank, local_rank, job.num_tasks, job.hostnames[0], port, folder)
    result = remote.perform(text, variables=place)
    if json.loads(result)["reason"]:
        write_bytes(job.paths.folder / FAILED, result.encode())
    return result


def _engine(
    run: Job,
    cluster: str,
    minutes: int,
    partition: str,
    cpus: int,
    gpus: int,
    gib: float,
    count: int = 1,
) -> Any:
    try:
        from submitit import AutoExecutor
    except ImportError as error:
        raise BenchError(MISSING) from error
    try:
        engine = AutoExecutor(folder=run.folder.resolve() / "jobs" / "%j", cluster=cluster)
        engine.update_parameters(name=f"huebench-{run.folder.name}"[:60], timeout_min=minutes)
        devices = run.request.devices
        if count > 1 and cluster == "local":
            engine.update_parameters(tasks_per_node=count * devices)  # which stand for the machines
        elif count > 1 and cluster == "slurm":
            engine.update_parameters(
                nodes=count, tasks_per_node=devices, slurm_srun_args=["--kill-on-bad-exit=1"]
            )
        elif count > 1:
            raise BenchError(
                f"--nodes {count}: cluster={cluster} is one process, take cluster=slurm or local"
            )
        if cluster != "debug":
            engine.update_parameters(gpus_per_node=gpus)
        if cluster == "slurm":
            engine.update_parameters(
                cpus_per_task=cpus,
                mem_gb=gib,
                **({"slurm_partition": partition} if partition else {}),
            )
    except RuntimeError as error:
        raise BenchError(
            f"executor submitit: {error}: take cluster=local to run jobs on this machine"
        ) from error
    return engine


def _watch(job: Any, ended: Callable[[Callable[[], str]], None]) -> None:
    """Wait for a job. Where one of its processes failed, the others, which wait for it, are ended."""
    failed = job.paths.folder / FAILED
    try:
        while not (job.done() or failed.exists()):
            time.sleep(POLL)
        told = failed.read_text("utf-8") if failed.exists() else ""
    except OSError as error:  # the shared folder is out of reach
        ended(partial(_raise, error))
        return
    ended(lambda: told or job.results()[0])
    if told:
        job.cancel(check=False)


def _raise(error: Exception) -> str:
    raise error
