"""Tasks: what a run does, cut so that several processes and machines can share it, and what waits
for what.

A task is a fit, or some photographs of a cell to sample and score. `drive` hands tasks that can be
done to a pool, and turns their results into outcomes of cells. One failed cell never stops the
others; a task whose worker was lost is tried once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from bench.contracts.execution import Executor, Pool, Result, Task
from bench.engine.plan import Cell, Fit
from bench.engine.work import Work
from bench.errors import StoreLost
from bench.scores.samples import TASK
from bench.store.local import Store


@dataclass(frozen=True)
class Outcome:
    """How a cell ended: `done`, `cached`, `failed` or `incompatible`, with the reason, and the
    traceback if there is one."""

    cell: Cell
    status: str
    reason: str = ""
    seconds: float = 0.0
    trace: str = ""


def drive(
    work: Work, cells: Iterable[Cell], finished: Callable[[Outcome], None], executor: Executor
) -> list[Outcome]:
    """Execute cells in an executor's pool; `finished` hears of each. Outcomes are in the cells'
    order."""
    pool = executor.pool(work)
    try:
        return _drive(work, cells, finished, pool)
    finally:
        pool.end()


def _drive(
    work: Work, cells: Iterable[Cell], finished: Callable[[Outcome], None], pool: Pool
) -> list[Outcome]:
    schedule = Schedule(work, tuple(cells))
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
            work.progress.say(f"{task.name}: {result.reason}; it is tried once more")
            schedule.put_back(task)
        elif result.blamed:
            work.leave_out(result)
            schedule.put_back(task)
        elif result.fatal:
            raise StoreLost(result.reason)
        else:
            schedule.done(task, result)


@dataclass
class Schedule:
    """Which tasks wait, run and are done."""

    work: Work
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
            settled = _settled(cell, self.work.store)
            if settled:
                self.outcomes[cell.key] = settled
            else:
                self.waiting += list(self._tasks(cell))

    def next(self) -> Task | None:
        """A task that can be done now, in the order of the cells."""
        for task in self.waiting:
            if self._ready(task):
                self.waiting.remove(task)
                begun = replace(task, without=tuple(sorted(self.work.left_out.items())))
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
            if fit.key not in known and not self.work.store.find("fits", fit.key):
                yield Task(f"fitting {fit.label} on {fit.dataset}", cell.key, fit.key, kind="fit")
        count = sum(len(ask.shards) for ask in cell.asks)
        for start in range(0, count, TASK):
            yield Task(f"sampling {cell.name}", cell.key, "", start, min(start + TASK, count))

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
        self.work.broken[fit.key] = result.reason
        self.waiting = [task for task in self.waiting if task.fit != fit.key]
        needed = Result(f"{fit.label}, which it needs, failed: {result.reason}", trace=result.trace)
        for cell in self.cells:
            if cell.fit.key == fit.key and cell.key not in self.outcomes:
                self._fail(cell.key, result)
        for other in self._fits.values():
            if other.key not in self.work.broken and any(
                p.key == fit.key for p in other.requires.values()
            ):
                self._break(other, needed)

    def _cell(self, key: str) -> Cell:
        return next(cell for cell in self.cells if cell.key == key)


def _settled(cell: Cell, store: Store) -> Outcome | None:
    """The outcome of a cell for which nothing is to do."""
    if cell.broken:
        return Outcome(cell, "failed", cell.broken)
    if cell.incompatible:
        return Outcome(cell, "incompatible", cell.incompatible)
    return None if cell.missing(store) else Outcome(cell, "cached")
