"""A process beside another, which sees to it that nothing of it is left: `python -P -m bench.executors.supervisor MODULE STORE
[CORES]`.

It runs `main` of a module in a child, bound to cores (`0,2`) if there are any given. When the child
ends, or when whoever started this process closes its standard input or ends, all that the child
started is killed, also what has left its session and whose parent has ended: Linux hands that to
this process (`PR_SET_CHILD_SUBREAPER`). Elsewhere it is found only as long as its parent lives.
What the child left half built in the folder of a store is removed. This process ends as the child
did.
"""

from __future__ import annotations

import importlib
import os
import select
import signal
import sys
import time
from contextlib import suppress

LONGEST = 10.0
"""Seconds that killing may take: a process that waits for a broken disk may never end."""
_PDEATHSIG, _SUBREAPER = 1, 36
"""Of `prctl`."""
_HEARD = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main() -> None:
    """Start the child, wait, and clear up."""
    module, store, cores = (
        sys.argv[1],
        sys.argv[2],
        [int(core) for core in "".join(sys.argv[3:4]).split(",") if core],
    )
    _prctl(_SUBREAPER, 1)
    number = os.getpid()
    if not (child := os.fork()):
        _begin(number, cores)
        importlib.import_module(module).main()
        return
    ended: dict[int, int] = {}
    asked = _watch(child, ended)
    _clear_up(child, ended)
    _sweep(store, child)
    _leave(-asked or ended.get(child, -int(signal.SIGKILL)))


def _begin(supervisor: int, cores: list[int]) -> None:
    """In the child: a session of its own, so that signals for it and its like don't reach the
    supervisor, without which it ends."""
    os.setsid()
    _prctl(_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(1)
    if cores and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):
            os.sched_setaffinity(0, cores)


def _watch(child: int, ended: dict[int, int]) -> int:
    """Wait until the child ends, or nobody is at the other end of standard input; or the signal
    that this process is sent."""
    told, tell = os.pipe()
    os.set_blocking(told, False)
    os.set_blocking(tell, False)
    for number in _HEARD:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    events = select.poll()
    events.register(0, 0)
    events.register(told, select.POLLIN)
    while _living(ended) and child not in ended:
        happened = dict(events.poll())
        if 0 in happened:
            return 0
        if asked := set(os.read(told, 4096)) - {signal.SIGCHLD} if told in happened else set():
            return min(asked)
    return 0


def _living(ended: dict[int, int]) -> bool:
    """Whether any child is left, an adopted one included; how others have ended is noted, as
    `subprocess` says it."""
    try:
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[found[0]] = os.waitstatus_to_exitcode(found[1])
    except ChildProcessError:
        return False
    return True


def _clear_up(child: int, ended: dict[int, int]) -> None:
    """Kill all that is below. What is adopted meanwhile is found at the next look."""
    if child not in ended:
        with suppress(ProcessLookupError):  # it has just begun, and leads no group yet
            os.killpg(child, signal.SIGKILL)  # first, because it takes no memory
    import psutil

    until = time.monotonic() + LONGEST
    while _living(ended) and time.monotonic() < until:
        for each in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                each.kill()
        time.sleep(0.01)


def _sweep(store: str, child: int) -> None:
    from pathlib import Path

    from bench.store.local import Store

    Store(Path(store)).sweep(child)


def _leave(code: int) -> None:
    if code < 0:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(OSError):  # of SIGKILL there is nothing to set
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
