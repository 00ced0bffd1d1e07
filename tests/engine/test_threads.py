"""How many threads torch had before changes nothing."""

import subprocess
import sys

import pytest
import torch

from bench.errors import BenchError
from bench.machine import threads


def test_the_number_is_that_of_the_cores_unless_it_is_given(monkeypatch):
    monkeypatch.delenv(threads.VARIABLE, raising=False)
    assert threads.wanted() == threads.cores() >= 1
    monkeypatch.setenv(threads.VARIABLE, "3")
    assert threads.wanted() == 3


@pytest.mark.parametrize("given", ["0", "-1", "two", "1.5"])
def test_no_number_is_one_line(monkeypatch, given):
    monkeypatch.setenv(threads.VARIABLE, given)
    with pytest.raises(BenchError, match=f"BENCH_THREADS={given} is not a number of threads"):
        threads.wanted()


def test_it_is_left_as_it_was_also_after_an_error():
    before, seen = torch.get_num_threads(), []

    def broken():
        with threads.pinned(before + 1):
            seen.append(torch.get_num_threads())
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        broken()
    assert (seen, torch.get_num_threads()) == ([before + 1], before)


FIRST = """
import torch
from bench.machine import threads
with threads.pinned(2):
    numbers = torch.Generator().manual_seed(0)
    points, places = 30 * torch.randn(16384, 2, generator=numbers), 50 * torch.randn(313, 2, generator=numbers)
    print(bool((torch.cdist(points, places) == torch.cdist(points, places)).all()))
"""


@pytest.mark.slow
def test_the_first_square_roots_of_a_process_are_as_exact_as_the_next():
    """Without the first call by one thread, about every fourth process of several at once differs."""
    for _ in range(8):
        children = [
            subprocess.Popen([sys.executable, "-c", FIRST], stdout=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        assert [child.communicate()[0] for child in children] == ["True\n"] * 4
