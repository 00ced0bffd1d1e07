"""Executor `shuffled`: cells in random order, to see that no result depends on the order.

Every cell gets its seeds from its photographs, never from what ran before it: two runs agree bit
for bit.
"""

import random
from collections.abc import Callable, Iterable

from bench.engine.plan import Cell
from bench.engine.schedule import Outcome
from bench.engine.work import Workshop
from bench.hookspecs import hookimpl
from bench.specs import ExecutorSpec


@hookimpl
def bench_register_executors() -> Iterable[ExecutorSpec]:
    """One executor."""
    yield ExecutorSpec(
        name="shuffled",
        summary="one cell after the other, in random order",
        factory=f"{__name__}:shuffled",
        licence="Apache-2.0",
        citation="an example",
    )


def shuffled(
    workshop: Workshop, cells: Iterable[Cell], finished: Callable[[Outcome], None]
) -> list[Outcome]:
    """Executes the cells in random order; the outcomes are in the order of the plan."""
    planned = list(cells)
    outcomes: dict[str, Outcome] = {}
    for cell in random.sample(planned, len(planned)):
        outcomes[cell.key] = workshop.execute(cell)
        finished(outcomes[cell.key])
    return [outcomes[cell.key] for cell in planned]
