"""The executors that come with huebench."""

from __future__ import annotations

from collections.abc import Iterable

from bench.hookspecs import hookimpl
from bench.specs import ExecutorSpec, Parameter

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
        factory="bench.executors.processes:Process",
        licence=licence,
        limits=True,
        parameters=(SLOTS,),
    )
    yield ExecutorSpec(
        name="serial",
        summary="one task after the other, in this process",
        factory="bench.executors.serial:Serial",
        licence=licence,
    )
    yield ExecutorSpec(
        name="dask",
        summary="tasks on the workers of a dask cluster: a running one, or processes of this "
        "machine",
        factory="bench.executors.dask_pool:Dask",
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
        factory="bench.executors.submitit_jobs:Submitit",
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
