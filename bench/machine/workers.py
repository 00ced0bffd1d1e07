"""The same work for many items, by several threads of this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 1
"""Items that are taken beyond one for each thread before their results are wanted."""


def in_order(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    threads: int,
    begin: Callable[[], object] | None = None,
) -> Generator[Result, None, None]:
    """The results of `work`, in the order of the items; only a few items and results are held at a
    time, however many there are.

    Items are taken in the caller's thread. `begin` is called in each other thread first. What
    `work` raises is raised in its turn; nothing is begun after that, nor after the iterator is
    closed, which waits for what was begun.
    """
    items = iter(items)
    # where several threads are the first to import parts of one package, one may find it half made
    yield from map(work, islice(items, 1 if threads > 1 else None))
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(threads, initializer=begin)
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) == threads + AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
