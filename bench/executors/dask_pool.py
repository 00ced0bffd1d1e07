"""The executor `dask`: tasks on the workers of a dask cluster (`distributed`)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from bench.contracts.execution import Job, Pool, Task
from bench.errors import BenchError
from bench.executors import remote
from bench.executors.processes import Limited, usual_slots
from bench.executors.remote import Futures
from bench.machine import threads

if TYPE_CHECKING:
    from distributed import Client

MISSING = "executor dask needs the package distributed: pip install 'huebench[dask]'"


class Dask(Limited):
    """Tasks on the cluster whose scheduler is at an address, else on `slots` processes of this
    machine (auto: one a core, or one a GPU)."""

    def __init__(self, *, scheduler: str = "", slots: int | str = "auto") -> None:
        self.scheduler, self.slots = scheduler, slots

    def pool(self, job: Job) -> Pool:
        """A pool over the cluster."""
        request = job.request
        usual = usual_slots(request) if request.device == "cuda" else threads.cores()
        here = usual if self.slots == "auto" else int(self.slots)
        return Cluster(job, self.scheduler, 0 if self.scheduler else here)


class Cluster(Futures):
    """A task whose worker dies is tried once more on another. BenchError where the scheduler is
    lost. here: processes of this machine, if it has the cluster."""

    engine = "dask"

    def __init__(self, job: Job, scheduler: str, here: int) -> None:
        super().__init__(job)
        self.folder, self.scheduler, self.here = job.folder, scheduler, here
        self._open = ExitStack()
        self.client = self._open.enter_context(_client(scheduler, here))

    @property
    def slots(self) -> int:
        """Threads of all workers, now."""
        with self._told():
            return self.here or max(1, self._threads())

    def submit(self, task: Task, ended: Callable[[Callable[[], str]], None]) -> None:
        """A future of the client."""
        text = remote.message(self.folder, task, self.here or 1)
        with self._told():
            future = self.client.submit(perform, text, pure=False)
            future.add_done_callback(lambda done: ended(done.result))

    def end(self) -> None:
        """End the workers' processes of this run, and the cluster if it is this machine's."""
        with suppress(Exception):  # workers that are out of reach end their processes when they end
            self.client.run(remote.end, str(self.folder.resolve()))
        self._open.close()

    def _threads(self) -> int:
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        return sum(worker["nthreads"] for worker in workers)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if self.client.status == "running":
                raise
            raise BenchError(
                f"the dask scheduler {self.scheduler or 'of this run'} is gone: what is finished "
                "stays, and the same command goes on when there is one again"
            ) from error


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
