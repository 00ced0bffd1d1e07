"""How the tasks of a run are done, and how people hear of it: tasks, their results, the pools that
executors give, and progress."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from bench.contracts.request import Request
    from bench.store.local import Store


class ProgressTask(Protocol):
    """A running bar."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Some steps are done; `note` is shown beside the bar."""


class Progress(Protocol):
    """What shows people how far things are."""

    def task(self, description: str, total: int) -> AbstractContextManager[ProgressTask]:
        """A bar of `total` steps, for the length of a `with` block."""

    def say(self, line: str) -> None:
        """One line of text."""


class Quiet:
    """A `Progress` that shows nothing; for use from Python and in tests."""

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[ProgressTask]:
        """A bar that nobody sees."""
        yield _NoBar()

    def say(self, line: str) -> None:
        """Nothing."""


class _NoBar:
    def advance(self, steps: int = 1, note: str = "") -> None: ...


class Step(Protocol):
    """Hears of what begins."""

    def __call__(self, what: str, limited: bool, blamed: Sequence[str] = ()) -> None:
        """What, whether the limits hold for it, and metrics or reports that can be left out if it
        passes one."""


def unheard(what: str, limited: bool, blamed: Sequence[str] = ()) -> None:
    """A `Step` that nobody hears of."""


@dataclass(frozen=True)
class Task:
    """A fit by its key, or the shards `start` to `stop` of a cell, counted over its asks. name:
    what people call it. cell: for which it is done first. without: metrics that are left out, and
    why.

    kind: `fit` and `sample`, which pools do; and what a run does before and after these: `open`, to
    prepare the photographs; `method` and `metric`, to make one and see whether it can be used;
    `score` and `report`, to write what `given` says.
    """

    name: str
    cell: str = ""
    fit: str = ""
    start: int = 0
    stop: int = 0
    kind: Literal["fit", "sample", "open", "method", "metric", "score", "report"] = "sample"
    given: tuple[str, ...] = ()
    without: tuple[tuple[str, str], ...] = ()

    def message(self) -> dict[str, Any]:
        """What is sent to another process."""
        return asdict(self)


@dataclass(frozen=True)
class Result:
    """How a task ended. trace: of a method's error. lost: its worker went, or a disk or network
    failed, and no method did. fatal: the store can't be used, so nothing else can be done. mistake:
    exit status of one that the user can mend.

    unfit: why a method can't be fitted on these photographs. blamed: what was at work when a step
    passed a limit or its process ended, and can be left out: metrics, reports. looks: of prepared
    photographs (`bench.store.local.Store.looks`).
    """

    reason: str = ""
    seconds: float = 0.0
    trace: str = ""
    lost: bool = False
    fatal: bool = False
    mistake: int = 0
    unfit: str = ""
    blamed: tuple[str, ...] = ()
    looks: tuple[str, ...] = ()


class Helper(Protocol):
    """A process that does tasks of a run, one after the other, under the run's limits. folder: of
    the run, once there is one. checked: looks of things that were held against their digests."""

    folder: Path | None
    checked: Sequence[str]

    def perform(self, task: Task, progress: Progress) -> Result:
        """Have a task done, and show how far it is."""

    def end(self) -> None:
        """End the process, with all that it started. The next task starts it again."""


class Job(Protocol):
    """A run, as an executor sees it (`bench.engine.work.Work`)."""

    store: Store
    progress: Progress
    helper: Helper | None
    """The process that has prepared the run, if there is one."""

    @property
    def folder(self) -> Path:
        """The run's folder."""

    @property
    def request(self) -> Request:
        """What was asked for."""

    def perform(self, task: Task) -> Result:
        """Do a task in this process. What goes wrong in it is in the result.

        Tasks take turns: torch's random state is the process', so two threads that call this at the
        same time are no faster than one. What is to be done at the same time needs processes of its
        own: send them `bench.executors.remote.message(job.folder, task)`, have them call
        `bench.executors.remote.perform`, and read its text, a `Result` as JSON.
        """

    def believed(self, task: Task, result: Result) -> Result:
        """What another process says of a task, unless it says that it is done and the store has
        nothing of it: plugins share that process."""

    def looks(self) -> tuple[str, ...]:
        """How the prepared photographs look, which were held against their digests."""


class Pool(ABC):
    """Where tasks are done, up to `slots` at once."""

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many tasks may be begun and not ended."""

    @abstractmethod
    def start(self, task: Task) -> None:
        """Begin a task."""

    @abstractmethod
    def wait(self) -> tuple[Task, Result]:
        """Wait for the next of the begun tasks that ends.

        Returns
        -------
        tuple of Task and Result
            The task as it was begun, and what came of it. One whose result is `lost` is tried once
            more.
        """

    def end(self) -> None:  # noqa: B027 - most have nothing to end
        """The run needs the pool no longer, or was ended."""


class Executor(ABC):
    """How a run is executed. The constructor takes the declared parameters."""

    @abstractmethod
    def pool(self, job: Job) -> Pool:
        """A pool for the tasks of one run.

        Parameters
        ----------
        job : Job
            The run: what was asked for, its folder and store, and `perform`, which does a task in
            this process.

        Returns
        -------
        Pool
            It is used by one thread, and ended with `end` however the run ends.
        """

    def helper(self, request: Request, store: Store) -> Helper | None:
        """A process that prepares the run, tries its methods and metrics, and writes its tables and
        reports, under the limits of the request; None: this process does. An executor whose spec
        says `limits` has one."""
        return None
