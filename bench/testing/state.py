"""What belongs to the whole process and not to a plugin: random states and settings; and what a
constructor may not do."""

from __future__ import annotations

import itertools
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

WORK = (
    "open",
    "os.mkdir",
    "os.system",
    "subprocess.Popen",
    "socket.connect",
    "os.fork",
    "_thread.start_new_thread",
)
"""Audit events of work on files, processes, threads and the network."""


def random_states() -> dict[str, Any]:
    """The global generators of torch, NumPy and Python, in forms that compare."""
    import numpy as np
    import torch

    name, numbers, *rest = np.random.get_state()  # noqa: NPY002 - the global state itself is what is looked at
    return {
        "torch": torch.get_rng_state().tolist(),
        "NumPy": [name, list(numbers), rest],
        "random": random.getstate(),
    }


@contextmanager
def stirred() -> Iterator[None]:
    """A block with global random states of its own, never the same twice; afterwards they are what
    they were."""
    import numpy as np
    import torch

    before = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002 - the global state itself
    number = next(_STIRS)
    torch.manual_seed(number)
    np.random.seed(number)  # noqa: NPY002
    random.seed(number)
    try:
        yield
    finally:
        torch.set_rng_state(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        random.setstate(before[2])


_STIRS = itertools.count(20_000)


def settings() -> dict[str, Any]:
    """Settings of torch and of the process that a plugin finds and has to leave as they are."""
    import torch

    return {
        "torch.get_num_threads": torch.get_num_threads(),
        "torch.are_deterministic_algorithms_enabled": torch.are_deterministic_algorithms_enabled(),
        "torch.is_deterministic_algorithms_warn_only_enabled": torch.is_deterministic_algorithms_warn_only_enabled(),
        "torch.get_default_dtype": torch.get_default_dtype(),
        "torch.is_grad_enabled": torch.is_grad_enabled(),
        "torch.get_float32_matmul_precision": torch.get_float32_matmul_precision(),
        "torch.backends.cudnn.deterministic": torch.backends.cudnn.deterministic,
        "torch.backends.cudnn.benchmark": torch.backends.cudnn.benchmark,
        "os.getcwd": os.getcwd(),
    }


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The names of what is no longer the same.

    >>> changed({"a": 1, "b": 2}, {"a": 1, "b": 3})
    ['b']
    """
    return [name for name, value in before.items() if after[name] != value]


_RECORDS: list[list[str]] = []
_HOOKED: list[bool] = []


@contextmanager
def recorded_work() -> Iterator[list[str]]:
    """A block in which the process' work on files, processes, threads and the network is recorded,
    by `sys.addaudithook`."""
    if not _HOOKED:
        sys.addaudithook(_record)
        _HOOKED.append(True)
    events: list[str] = []
    _RECORDS.append(events)
    try:
        yield events
    finally:
        _RECORDS.remove(events)


def _record(event: str, arguments: tuple[Any, ...]) -> None:
    if _RECORDS and event in WORK:
        for events in _RECORDS:
            events.append(f"{event} {arguments[0]!r}" if arguments else event)
