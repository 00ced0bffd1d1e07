"""Batches in an order that follows from the seed and the step alone, fetched while the one before
is computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from torch import Tensor

from bench.extend.devices import Sealed, place

Batch = dict[str, Tensor]

AHEAD = 2
"""Batches that are fetched before they are asked for."""


@dataclass(frozen=True)
class Shuffled:
    """Epochs over the rows from `first` on, each in a random order of its own; what is left of an
    epoch is dropped."""

    first: int
    count: int
    size: int
    seed: int

    def __call__(self, step: int) -> np.ndarray:
        epoch, place = divmod(step, self.count // self.size)
        order = _permutation(self.count, self.seed, epoch)[
            place * self.size : (place + 1) * self.size
        ]
        return np.sort(self.first + order)  # in order a memory map is read faster


@dataclass(frozen=True)
class InTurn:
    """The first rows, in parts of about equal size."""

    count: int
    parts: int

    def __call__(self, step: int) -> np.ndarray:
        return np.array_split(np.arange(self.count), self.parts)[step]


class Batches(Sealed):
    """What `fetch(rows)` gives for the rows of each step: with several devices, for this device's
    share of them.

    A thread fetches ahead; what it raises is raised where the batch is asked for. pinned: in memory
    that a GPU reads on its own.
    """

    def __init__(
        self,
        fetch: Callable[[np.ndarray], Batch],
        rows: Callable[[int], np.ndarray],
        steps: range,
        pinned: bool = False,
    ) -> None:
        self.fetch, self.rows, self.steps, self.pinned = fetch, rows, steps, pinned
        self.pool: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Batch]:
        rank, devices = place()
        self.pool = self.pool or ThreadPoolExecutor(1, "fetch")
        waiting: deque[Future[Batch]] = deque()
        for step in self.steps:
            waiting.append(self.pool.submit(self._get, self.rows(step)[rank::devices]))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def close(self) -> None:
        """End the thread, at the latest after the batch that it is fetching."""
        if self.pool:
            self.pool.shutdown(cancel_futures=True)

    def _get(self, rows: np.ndarray) -> Batch:
        batch = self.fetch(rows)
        return {name: value.pin_memory() for name, value in batch.items()} if self.pinned else batch


@lru_cache(2)
def _permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(count)
