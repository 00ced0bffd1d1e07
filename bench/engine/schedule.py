"""Tasks: what a run does, cut so that several processes and machines can share it, and what waits
for what.

A task is a fit, or some photographs of a cell to sample and score. `drive` hands tasks that can be
done to a pool, and turns their results into outcomes of cells. One failed cell never stops the
others; a task whose worker was lost is tried once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from bench.engine.plan import Cell, Fit
from bench.errors import StoreLost

if TYPE_CHECKING:
    from bench.engine.work import Workshop

CHUNK = 16
"""Shards of one sampling task: 256 photographs."""


@dataclass(frozen=True)
class Task:
    """A fit by its key, or the shards `start` to `stop` of a cell, counted over its asks. name:
    what people call it. cell: for which it is done first. without: metrics that are left out, and
    why.

    kind: `fit` and `sample`, which pools do; and what a run does before and after these
    (`bench.engine.work.Workshop.perform`): `open`, to prepare the photographs; `method` and
    `metric`, to make one and see whether it can be used; `score` and `report`, to write what
    `given` says.
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


@dataclass(frozen=True)
class Outcome:
    """How a cell ended: `done`, `cached`, `failed` or `incompatible`, with the reason, and the
    traceback if there is one."""

    cell: Cell
    status: str
    reason: str = ""
    seconds: float = 0.0
    trace: str = ""


class Pool(Protocol):
    """Where tasks are done."""

    @property
    def slots(self) -> int:
        """How many tasks it does at once."""

    def start(self, task: Task) -> None:
        """Begin a task."""

    def wait(self) -> tuple[Task, Result]:
        """The next of the begun tasks that ends."""


def drive(
    workshop: Workshop, cells: Iterable[Cell], finished: Callable[[Outcome], None], pool: Pool
) -> list[Outcome]:
    """Execute cells in a pool; `finished` hears of each. Outcomes are in the cells' order."""
    schedule = Schedule(workshop, tuple(cells))
    running, again = 0, set[Task]()
    while True:
        for outcome in schedule.news():
            finished(outcome)
        while running < pool.slots and (task := schedule.next()):
            pool.start(task)
            running += 1
        if not running:
            if not schedule.outcomes_missing():
                return schedule.in_order()
            continue
        task, result = pool.wait()
        running -= 1
        if result.lost and task not in again:
            again.add(task)
            workshop.progress.say(f"{task.name}: {result.reason}; it is tried once more")
            schedule.put_back(task)
        elif result.blamed:
            workshop.leave_out(result)
            schedule.put_back(task)
        elif result.fatal:
            raise StoreLost(result.reason)
        else:
            schedule.done(task, result)


@dataclass
class Schedule:
    """Which tasks wait, run and are done."""

    workshop: Workshop
    cells: tuple[Cell, ...]
    waiting: list[Task] = field(default_factory=list)
    running: set[Task] = field(default_factory=set)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._fits: Mapping[str, Fit] = {
            fit.key: fit for cell in self.cells for fit in cell.fit.chain()
        }
        for cell in self.cells:
            settled = self.workshop.settled(cell)
            if settled:
                self.outcomes[cell.key] = settled
            else:
                self.waiting += list(self._tasks(cell))

    def next(self) -> Task | None:
        """A task that can be done now, in the order of the cells."""
        for task in self.waiting:
            if self._ready(task):
                self.waiting.remove(task)
                begun = replace(task, without=tuple(sorted(self.workshop.left_out.items())))
                self.running.add(begun)
                return begun
        return None

    def put_back(self, task: Task) -> None:
        """It is to be done again."""
        self.running.discard(task)
        self.waiting.insert(0, task)

    def done(self, task: Task, result: Result) -> None:
        """Take note of a result."""
        self.running.discard(task)
        self.seconds[task.cell] = self.seconds.get(task.cell, 0.0) + result.seconds
        if not result.reason:
            self._complete(task.cell)
        elif task.fit:
            self._break(self._fits[task.fit], result)
        else:
            self._fail(task.cell, result)

    def news(self) -> Iterator[Outcome]:
        """Outcomes that were not told yet."""
        for key, outcome in list(self.outcomes.items()):
            if key not in self._told:
                self._told.add(key)
                yield outcome

    def outcomes_missing(self) -> bool:
        """Whether a cell has no outcome, or one that was not told."""
        return len(self._told) < len({cell.key for cell in self.cells})

    def in_order(self) -> list[Outcome]:
        """All outcomes."""
        return [self.outcomes[cell.key] for cell in self.cells]

    def _tasks(self, cell: Cell) -> Iterator[Task]:
        known = {task.fit for task in self.waiting}
        for fit in cell.fit.chain():
            if fit.key not in known and not self.workshop.store.find("fits", fit.key):
                yield Task(f"fitting {fit.label} on {fit.dataset}", cell.key, fit.key, kind="fit")
        count = sum(len(ask.shards) for ask in cell.asks)
        for start in range(0, count, CHUNK):
            yield Task(f"sampling {cell.name}", cell.key, "", start, min(start + CHUNK, count))

    def _ready(self, task: Task) -> bool:
        unmade = {other.fit for other in (*self.waiting, *self.running) if other.fit}
        if task.fit:
            return not any(part.key in unmade for part in self._fits[task.fit].chain()[:-1])
        return not any(part.key in unmade for part in self._cell(task.cell).fit.chain())

    def _complete(self, key: str) -> None:
        left = any(task.cell == key and not task.fit for task in (*self.waiting, *self.running))
        if not left and key not in self.outcomes:
            self.outcomes[key] = Outcome(
                self._cell(key), "done", seconds=self.seconds.get(key, 0.0)
            )

    def _fail(self, key: str, result: Result) -> None:
        self.waiting = [task for task in self.waiting if task.fit or task.cell != key]
        if key not in self.outcomes:
            self.outcomes[key] = Outcome(
                self._cell(key), "failed", result.reason, self.seconds.get(key, 0.0), result.trace
            )

    def _break(self, fit: Fit, result: Result) -> None:
        """A fit failed: so does what needs it."""
        self.workshop.broken[fit.key] = result.reason
        self.waiting = [task for task in self.waiting if task.fit != fit.key]
        needed = Result(f"{fit.label}, which it needs, failed: {result.reason}", trace=result.trace)
        for cell in self.cells:
            if cell.fit.key == fit.key and cell.key not in self.outcomes:
                self._fail(cell.key, result)
        for other in self._fits.values():
            if other.key not in self.workshop.broken and any(
                p.key == fit.key for p in other.requires.values()
            ):
                self._break(other, needed)

    def _cell(self, key: str) -> Cell:
        return next(cell for cell in self.cells if cell.key == key)
