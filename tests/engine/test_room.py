"""Memory that threads share: it is never exceeded together, and nobody waits for ever."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from bench.machine import memory


@pytest.mark.parametrize("threads", [2, 8])
def test_together_they_never_have_more_than_there_is(threads):
    shared, lock, now, most = memory.Room(100), threading.Lock(), [0], [0]

    def work(need):
        with shared.entered():
            memory.claim(need)
            with lock:
                now[0] += need
                most[0] = max(most[0], now[0])
            threading.Event().wait(0.0005)
            with lock:
                now[0] -= need

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, [10, 90, 40, 100, 60, 1] * 30))
    assert 0 < most[0] <= 100
    with shared.entered():
        memory.claim(100)  # all of it is there again


def test_more_than_there_is_can_not_be_had():
    with (
        memory.Room(2 * memory.GIB).entered(),
        pytest.raises(memory.NoRoom, match="needs 3 GiB of memory, more than 2"),
    ):
        memory.claim(3 * memory.GIB)
    memory.claim(3 * memory.GIB)  # where no room was entered there is no limit


def test_it_is_given_back_after_an_error():
    shared = memory.Room(100)
    for _ in range(3):
        with suppress(ZeroDivisionError), shared.entered():
            memory.claim(100)
            raise ZeroDivisionError


def test_two_that_hold_something_do_not_wait_for_one_another():
    shared, both = memory.Room(100), threading.Barrier(2, timeout=60)

    def work(_):
        with shared.entered():
            memory.claim(50)
            both.wait()
            memory.claim(50)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))


def test_what_is_larger_than_all_of_it_is_had_alone():
    shared = memory.Room(100)
    shared.take(500)
    waiting = threading.Thread(target=shared.take, args=(1,))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    shared.give_back(500)
    waiting.join(60)
    assert not waiting.is_alive()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (10, 3), (5, 10**7), (0, 5), (3, 0)])
def test_strips_are_all_rows_once(height, width):
    assert [
        row for part in memory.strips(height, width) for row in range(part.start, part.stop)
    ] == list(range(height))
