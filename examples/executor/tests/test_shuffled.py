from types import SimpleNamespace

from huebench_shuffled import shuffled

from bench.engine.schedule import Outcome
from bench.testing import parametrize_with_checks


@parametrize_with_checks(["shuffled"])
def test_conformance(check):
    check()


def test_every_cell_is_executed_once_and_outcomes_are_in_the_order_of_the_plan():
    cells = [SimpleNamespace(key=str(number)) for number in range(50)]
    workshop = SimpleNamespace(execute=lambda cell: Outcome(cell, "done"))
    told = []
    outcomes = shuffled(workshop, iter(cells), told.append)
    assert [outcome.cell for outcome in outcomes] == cells
    assert sorted(int(outcome.cell.key) for outcome in told) == list(range(50))
    assert told != outcomes  # in order by chance: once in 50! runs
