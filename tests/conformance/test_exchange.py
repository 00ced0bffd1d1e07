"""The permutation test of independence: its false alarms, and what it finds."""

import numpy as np
import pytest

from bench.testing.exchange import projected, surprise, with_distances
from bench.testing.rules.draw_rules import LEAST, REPEATS, TOGETHER

SHAPE = (REPEATS, TOGETHER, 5)
LAWS = {
    "normal": lambda rng: rng.normal(size=SHAPE),
    "heavy": lambda rng: rng.standard_t(3, size=SHAPE),
    "discrete": lambda rng: rng.choice(3, p=(0.6, 0.3, 0.1), size=(*SHAPE[:2], 1)) * np.ones(5),
    "correlated": lambda rng: rng.normal(size=(*SHAPE[:2], 1)) + 0.1 * rng.normal(size=SHAPE),
}


def p_value(values, seed=0):
    return surprise(with_distances(values), seed)


@pytest.mark.parametrize("law", LAWS)
def test_independent_draws_are_no_finding(law):
    found = [p_value(LAWS[law](np.random.default_rng(seed)), seed) for seed in range(6)]
    assert min(found) > LEAST
    assert 0.1 < np.mean(found) < 0.9


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS)
def test_p_values_are_uniform_or_larger(law):
    found = np.array(
        [p_value(LAWS[law](np.random.default_rng(1000 + seed)), seed) for seed in range(200)]
    )
    for level in (0.01, 0.05, 0.2):
        assert (found <= level).mean() <= level + 3 * np.sqrt(level * (1 - level) / len(found))


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_draws_that_hang_together_are_found(share):
    rng = np.random.default_rng(1)
    assert p_value(rng.normal(size=SHAPE) + share**0.5 * rng.normal(size=(REPEATS, 1, 5))) <= LEAST


def test_draws_that_avoid_each_other_are_found():
    values = np.random.default_rng(2).normal(size=SHAPE)
    assert p_value(values - 0.8 * values.mean(1, keepdims=True)) <= LEAST


def test_a_law_that_changes_from_draw_to_draw_is_found():
    values = np.random.default_rng(3).normal(size=SHAPE)
    assert p_value(values + 0.5 * np.arange(TOGETHER)[:, None]) <= LEAST
    assert p_value(values * (1 + 0.5 * np.arange(TOGETHER)[:, None])) <= LEAST


def test_no_spread_is_no_finding():
    assert p_value(np.ones(SHAPE)) == 1


def test_projections_are_linear_and_the_first_two_are_means():
    fields = np.random.default_rng(4).normal(size=(3, 2, 2, 8, 8))
    found = projected(fields)
    assert found.shape == (3, 2, 5)
    np.testing.assert_allclose(found[..., :2], fields.mean((-1, -2)))
    np.testing.assert_allclose(projected(2 * fields), 2 * found)
