"""Room in memory that several threads share: who needs more than is left waits until others have
given theirs back."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Condition
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

GIB = 2**30
STRIP = 2**20
"""Pixels of a picture that are worked on at a time."""


class NoRoom(Exception):
    """What is needed is more than there is, however long one waits. need: in bytes."""

    def __init__(self, need: int, room: int) -> None:
        super().__init__(f"it needs {need / GIB:.2g} GiB of memory, more than {room / GIB:.2g}")
        self.need = need


class Room:
    """So many bytes for all threads together."""

    def __init__(self, size: float) -> None:
        self.size = int(size)
        self._taken = 0
        self._changed = Condition()

    def take(self, need: int, wait: bool = True) -> None:
        """Wait until there is room, then have it. What is larger than all the room is had alone."""
        with self._changed:
            self._changed.wait_for(
                lambda: not (wait and self._taken) or self._taken + need <= self.size
            )
            self._taken += need

    def give_back(self, taken: int) -> None:
        """Let others have it."""
        with self._changed:
            self._taken -= taken
            self._changed.notify_all()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """A block of this thread in which `claim` takes of this room; it is given back at the
        block's end."""
        held: list[int] = []
        token = _here.set((self, held))
        try:
            yield
        finally:
            _here.reset(token)
            self.give_back(sum(held))


_here: ContextVar[tuple[Room, list[int]] | None] = ContextVar("room", default=None)


def claim(need: int) -> None:
    """Wait for memory, where this thread has entered a room. Raises `NoRoom` where it can't be had.
    Only the first claim in a block waits: two threads that hold something must not wait for one
    another."""
    if (here := _here.get()) is None:
        return
    room, held = here
    if need > room.size:
        raise NoRoom(need, room.size)
    room.take(need, wait=not held)
    held.append(need)


def strips(height: int, width: int) -> Iterator[slice]:
    """The rows of a picture in parts of `STRIP` pixels or less."""
    step = max(1, STRIP // max(1, width))
    yield from (slice(start, min(start + step, height)) for start in range(0, height, step))


def give_back(array: np.ndarray) -> None:
    """Let go of a memory map's pages, which else count as this process' memory until it ends; they
    stay in the system's cache. Nothing to do for other arrays, or where the system has no such
    call."""
    import numpy as np

    owner: object = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)
