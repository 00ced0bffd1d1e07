"""Threads of torch. Their number decides how sums are split, and training makes much of the last
bits: so what is computed depends on how many there are, and on nothing that the process did
before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from bench.errors import BenchError

VARIABLE = "BENCH_THREADS"


def wanted() -> int:
    """Threads to fit and sample with: `$BENCH_THREADS`, else the processor cores that this process
    may use."""
    given = os.environ.get(VARIABLE, "").strip()
    if not given:
        return cores()
    if not given.isdecimal() or int(given) < 1:
        raise BenchError(
            f"{VARIABLE}={given} is not a number of threads: set it to 1 or more, or not at all"
        )
    return int(given)


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def pinned(count: int) -> Iterator[None]:
    """A block in which torch and the BLAS of NumPy and SciPy compute with so many threads, and
    scikit-learn with one; afterwards as before.

    Setting the number, to the same as well, also keeps MKL from choosing fewer when the machine is
    busy. Libraries choose by the cores of their process otherwise, which are a slot's share of the
    machine's.
    """
    import scipy.linalg  # noqa: F401  # what is not loaded yet cannot be limited
    import sklearn.cluster  # noqa: F401
    import torch
    from threadpoolctl import threadpool_limits

    begin()
    before = torch.get_num_threads()
    with threadpool_limits({"blas": count, "openmp": 1}):
        torch.set_num_threads(count)  # torch's OpenMP, which the limit counts among the others
        try:
            yield
        finally:
            torch.set_num_threads(before)


@cache
def begin() -> None:
    """The first calls of MKL's product and vector functions, by one thread alone. They choose how
    exact they are then; where two threads of a fresh process made the first call together, one of
    them took square roots with 12 bits (PyTorch 2.13)."""
    import torch

    for kind in (torch.float32, torch.float64):
        few = torch.full((8, 8), 0.5, dtype=kind)  # so few that one thread does it
        few @ few
        for function in (
            torch.sqrt,
            torch.exp,
            torch.expm1,
            torch.log,
            torch.log1p,
            torch.log2,
            torch.log10,
            torch.sin,
            torch.cos,
            torch.tan,
            torch.tanh,
            torch.sinh,
            torch.cosh,
            torch.asin,
            torch.acos,
            torch.atan,
            torch.erf,
            torch.erfc,
            torch.erfinv,
            torch.lgamma,
        ):
            function(few)
