"""How many threads torch had before changes nothing."""

import pytest
import torch

from bench import threads
from bench.errors import BenchError


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
            raise ValueError

    with pytest.raises(ValueError):
        broken()
    assert (seen, torch.get_num_threads()) == ([before + 1], before)
