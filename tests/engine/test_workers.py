"""Several threads at the same work: in order, not far ahead, and ended cleanly."""

import threading
import time

import pytest

from bench.machine.workers import AHEAD, in_order

from ..patience import LONG


def slower_for_smaller(number):
    time.sleep(0.002 * (10 - number % 10))
    return number


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 2, 40])
def test_results_come_in_the_order_of_the_items(threads, count):
    assert list(in_order(slower_for_smaller, iter(range(count)), threads)) == list(range(count))


def test_several_items_are_worked_at_together():
    together = threading.Barrier(2, timeout=LONG)
    found = in_order(lambda number: number and together.wait() * 0 + number, range(5), 2)
    assert list(found) == [0, 1, 2, 3, 4]  # a single thread would wait for the second in vain


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_few_items_are_taken_before_their_results_are_wanted(threads):
    taken = []
    found = in_order(lambda number: number, (taken.append(n) or n for n in range(1000)), threads)
    for number in range(100):
        assert next(found) == number
        assert len(taken) <= number + 1 + AHEAD * threads
    found.close()
    assert len(taken) < 120


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_is_raised_in_its_turn_and_ends_the_threads(threads):
    def work(number):
        if number == 7:
            raise ValueError("seven")
        return number

    before = threading.active_count()
    found = in_order(work, range(100), threads)
    assert [next(found) for _ in range(7)] == list(range(7))
    with pytest.raises(ValueError, match="seven"):
        next(found)
    assert threading.active_count() == before


def test_an_error_of_the_items_is_raised_too():
    def items():
        yield from range(5)
        raise OSError("the share is gone")

    before = threading.active_count()
    with pytest.raises(OSError, match="the share is gone"):
        list(in_order(slower_for_smaller, items(), 2))
    assert threading.active_count() == before


def test_who_stops_early_waits_only_for_what_was_begun():
    done = []
    found = in_order(lambda number: done.append(slower_for_smaller(number)), range(1000), 2)
    before = threading.active_count()
    next(found), next(found)
    found.close()
    assert threading.active_count() == before
    ended = len(done)
    time.sleep(0.1)
    assert len(done) == ended < 10
