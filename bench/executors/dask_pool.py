"""The executor `dask`: tasks on the workers of a dask cluster (`distributed`)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from bench.engine.plan import Cell
from bench.engine.schedule import Outcome, Task, drive
from bench.engine.work import Workshop
from bench.errors import BenchError
from bench.executors import remote
from bench.executors.processes import usual_slots
from bench.machine import threads

if TYPE_CHECKING:
    from distributed import Client

MISSING = "executor dask needs the package distributed: pip install 'huebench[dask]'"


def dask(
    workshop: Workshop,
    cells: Iterable[Cell],
    finished: Callable[[Outcome], None],
    scheduler: str = "",
    slots: int | str = "auto",
) -> list[Outcome]:
    """Tasks on the cluster whose scheduler is at an address, else on `slots` processes of this
    machine (auto: one a core, or one a GPU). A task whose worker dies is tried once more on
    another. BenchError where the scheduler is lost."""
    assert workshop.folder is not None
    workshop.rest()
    folder, request = workshop.folder, workshop.plan.request
    usual = usual_slots(request) if request.device == "cuda" else threads.cores()
    here = 0 if scheduler else usual if slots == "auto" else int(slots)
    with _client(scheduler, here) as client:

        def submit(task: Task, ended: Callable[[Callable[[], str]], None]) -> None:
            future = client.submit(perform, remote.message(folder, task, here or 1), pure=False)
            future.add_done_callback(lambda done: ended(done.result))

        def count() -> int:
            return sum(
                worker["nthreads"]
                for worker in client.scheduler_info(n_workers=-1)["workers"].values()
            )

        try:
            return drive(
                workshop,
                cells,
                finished,
                remote.Futures(workshop, submit, lambda: here or count(), "dask"),
            )
        except Exception as error:
            if isinstance(error, BenchError) or client.status == "running":
                raise
            raise BenchError(
                f"the dask scheduler {scheduler or 'of this run'} is gone: what is finished stays, "
                "and the same "
                "command goes on when there is one again"
            ) from error
        finally:
            with suppress(
                Exception
            ):  # workers that are out of reach end their processes when they end
                client.run(remote.end, str(folder.resolve()))


def perform(text: str) -> str:
    """`bench.executors.remote.perform` on a worker; those of a cluster of this machine are
    numbered, and share its cores."""
    from distributed import get_worker

    name = get_worker().name
    return remote.perform(text, name if isinstance(name, int) else 0, keep=True)


@contextmanager
def _client(scheduler: str, slots: int) -> Iterator[Client]:
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise BenchError(MISSING) from error
    with ExitStack() as stack:
        stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": 0}))
        where: Any = scheduler
        if not scheduler:
            where = stack.enter_context(
                LocalCluster(
                    n_workers=slots,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=None,
                    silence_logs=logging.ERROR,
                    host="127.0.0.1",
                )
            )
        try:
            client = stack.enter_context(Client(where, timeout=10, set_as_default=False))
        except (OSError, ValueError) as error:
            raise BenchError(
                f"--scheduler {scheduler}: no dask scheduler answers there: "
                f"{str(error).splitlines()[0]}"
            ) from error
        yield client
