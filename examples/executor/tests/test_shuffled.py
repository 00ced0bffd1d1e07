from types import SimpleNamespace

from huebench_shuffled import Shuffled

from bench.contracts import Result, Task
from bench.testing import parametrize_with_checks


@parametrize_with_checks(["shuffled"])
def test_conformance(check):
    check()


def test_every_task_is_done_once_and_not_in_the_order_in_which_they_began():
    pool = Shuffled().pool(SimpleNamespace(perform=lambda task: Result(reason=task.name)))
    begun = [Task(str(number)) for number in range(50)]
    for task in begun:
        pool.start(task)
    ended = [pool.wait() for _ in begun]
    assert all(task.name == result.reason for task, result in ended)
    assert sorted(int(task.name) for task, _ in ended) == list(range(50))
    assert [task for task, _ in ended] != begun  # in order by chance: once in 50! runs
