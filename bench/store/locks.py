"""Locks between processes and machines that share a store. They end with the process that holds
them, however it ends."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.store import disk

NONE = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP)
"""Errors of a file system that has no locks."""


class Busy(Exception):
    """Someone else holds the lock."""


@contextmanager
def held(
    path: Path, waiting: Callable[[], None] | None = None, wait: bool = True
) -> Iterator[None]:
    """A block that one process at a time is in. `waiting` is called once if another is; without
    `wait`, that is `Busy`.

    The block may remove the file before it ends; whoever waits for it looks again then. OSError
    where it can't be written. Where the file system has no locks, which is said once, nobody waits
    for anybody.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not wait:
            raise Busy from None
        if waiting:
            waiting()
        lock.acquire(poll_interval=0.2)
    except (
        OSError,
        NotImplementedError,
    ) as error:  # older versions of filelock raise the latter for ENOSYS
        if getattr(error, "errno", errno.ENOSYS) not in NONE:
            raise
        disk.say_once(
            path.parent,
            f"store: {path.parent} has no working file locks: two runs may do the same work twice",
        )
    try:
        yield
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether someone holds a lock now."""
    if not path.exists():
        return False
    try:
        with held(path, wait=False):
            return False
    except Busy:
        return True
