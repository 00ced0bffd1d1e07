"""How often intervals hold the truth, and how often equal methods are called different: what
`benchmarks/coverage.py` prints."""

import importlib.util
import sys
from pathlib import Path

import pytest
from scipy import stats

CASES = ["normal", "gamma(2)", "paired", "ratio of means"]


@pytest.fixture(scope="module")
def simulation():
    spec = importlib.util.spec_from_file_location(
        "coverage_simulation", Path(__file__).parents[2] / "benchmarks" / "coverage.py"
    )
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def as_often_as(found, share):
    """Whether so many hits, or so few, have a probability of 0.1 % or more."""
    few, many = (
        stats.binom.cdf(found.hits, found.repeats, share),
        stats.binom.sf(found.hits - 1, found.repeats, share),
    )
    return min(few, many) > 0.001


@pytest.mark.parametrize("case", CASES)
def test_few_intervals_hold_the_truth_as_often_as_they_say(simulation, case):
    assert as_often_as(simulation.coverage(case, 60, 300), 0.95)


def test_few_tests_of_equal_methods_give_no_more_false_alarms_than_the_level_says(simulation):
    assert as_often_as(simulation.false_alarms(30, 800), 0.05)


def test_few_rankings_of_five_equal_methods_are_seldom_wrong(simulation):
    found = simulation.false_rankings(30, 500)
    assert stats.binom.sf(found.hits - 1, found.repeats, 0.05) > 0.001


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("n", [100, 1000])
@pytest.mark.parametrize("case", CASES)
def test_intervals_hold_the_truth_as_often_as_they_say(simulation, case, n):
    found = simulation.coverage(case, n)
    assert found.repeats == 2000
    assert 0.93 <= found.share <= 0.97


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("n", [12, 100])
def test_equal_methods_give_false_alarms_as_often_as_the_level_says(simulation, n):
    found = simulation.false_alarms(n)
    assert found.repeats >= 10_000
    assert 0.04 <= found.share <= 0.06


@pytest.mark.slow
@pytest.mark.simulation
def test_rankings_of_five_equal_methods_are_wrong_in_at_most_one_of_twenty(simulation):
    found = simulation.false_rankings(100)
    assert found.share <= 0.05 + 3 * found.error


def test_intervals_over_trainings_are_not_too_narrow(simulation):
    assert simulation.coverage("three trainings", 100).share >= 0.93
