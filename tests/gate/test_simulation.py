"""How often the gate is wrong, and how often it is right: a small version of `benchmarks/gate.py`."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bench.gate.noninferiority import examine, mirrored, of_mean
from bench.results.ranks import holm

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "gate.py"


@pytest.fixture(scope="module")
def simulation():
    """The benchmark, as a module."""
    spec = importlib.util.spec_from_file_location("gate_benchmark", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("family", "repeats", "most"), [(1, 200, 18), (20, 60, 8)])
def test_equal_runs_are_seldom_called_regressed(simulation, family, repeats, most):
    """At 5 % more hits than that have a probability below 1 %; the seed makes it one of these or
    not, for good."""
    assert stats.binom.sf(most, repeats, 0.05) < 0.01
    assert simulation.false_alarms("equal laws: gamma scores", 60, family, repeats).hits <= most


def test_without_correction_a_family_would_be(simulation):
    """The test above can fail: the smallest of twenty p-values is below 5 % far more often."""
    rng = np.random.default_rng(0)
    draw = simulation.CASES["differences: normal"]
    hits = 0
    for _ in range(40):
        found = [
            e.worse
            for e in examine(
                [of_mean(v) for v in simulation.correlated(draw, rng, 60, 20)], [0.0] * 20
            )
        ]
        hits += min(found) <= 0.05
        assert holm(found).min() >= min(found)
    assert hits >= 8


@pytest.mark.parametrize(
    "case", ["equal laws: gamma scores", "differences: normal", "differences: t(3), heavy tails"]
)
def test_few_false_alarms_of_any_shape(simulation, case):
    """Twice the level would give 60 of 600."""
    found = simulation.false_alarms(case, 60, 1, 600)
    assert stats.binom.sf(found.hits - 1, found.repeats, 0.05) > 0.001


def test_few_false_alarms_of_a_value_of_the_set(simulation):
    found = simulation.set_false_alarms(25, 400)
    assert stats.binom.sf(found.hits - 1, found.repeats, 0.05) > 0.001


def test_a_much_worse_energy_score_is_caught_with_few_photographs(simulation):
    scores = simulation.energy_scores(300, 0.05)
    law, worse = scores["law"], scores["same draws"]
    assert worse.mean() / law.mean() - 1 == pytest.approx(0.05, abs=0.002)
    assert simulation.caught(law, worse, 20, n=200, repeats=100).share >= 0.95
    assert simulation.caught(worse, law, 20, n=200, repeats=100).share == 0


@pytest.mark.slow
@pytest.mark.simulation
def test_a_two_percent_worse_energy_score_is_caught(simulation):
    scores = simulation.energy_scores()
    law, worse = scores["law"], scores["same draws"]
    assert worse.mean() / law.mean() - 1 == pytest.approx(0.02, abs=0.001)
    assert simulation.caught(law, worse, 20, repeats=400).share >= 0.95
    assert simulation.caught(worse, law, 20, repeats=400).share == 0
    (better,) = examine([mirrored(of_mean(worse - law))], [0.0])
    assert better.worse > 0.99


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize(
    "case",
    [
        "equal laws: lognormal scores",
        "differences: t(3), heavy tails",
        "differences: gamma(2), skewed to worse",
    ],
)
def test_false_alarms_are_at_most_five_percent(simulation, case):
    """Within three standard errors, of families of 1 and of 20, at 200 photographs."""
    for family in (1, 20):
        found = simulation.false_alarms(case, 200, family, 1000)
        assert found.share <= 0.05 + 3 * 0.007
