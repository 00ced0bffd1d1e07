"""Bootstrap intervals against SciPy's, and what they promise."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.stats import mean_interval, paired_difference


@pytest.mark.parametrize("draw", ["normal", "exponential"])
@pytest.mark.parametrize("n", [25, 400])
def test_the_interval_agrees_with_scipy_s_percentile_bootstrap(draw, n):
    values = getattr(np.random.default_rng(n), draw)(size=n)
    got = mean_interval(values)
    wanted = scipy.stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=1)
    tolerance = 0.25 * wanted.standard_error  # the Monte Carlo error of 2,000 resamples is about 0.06
    assert got.mean == pytest.approx(values.mean())
    assert got.low == pytest.approx(wanted.confidence_interval.low, abs=tolerance)
    assert got.high == pytest.approx(wanted.confidence_interval.high, abs=tolerance)
    assert got.n == n


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says():
    rng, trials = np.random.default_rng(0), 100
    found = [mean_interval(rng.normal(3, 1, 40), seed) for seed in range(trials)]
    assert 0.88 <= sum(e.low <= 3 <= e.high for e in found) / trials <= 0.99


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_the_mean_lies_within_the_interval_and_that_within_the_values(values):
    got = mean_interval(np.array(values))
    slack = 1e-9 * (1 + max(map(abs, values)))
    assert min(values) - slack <= got.low <= got.high <= max(values) + slack
    assert got.mean == pytest.approx(np.mean(values), abs=slack)


def test_more_photographs_narrow_the_interval_by_the_root():
    values = np.random.default_rng(0).normal(size=1600)
    few, many = (mean_interval(values[:n]) for n in (100, 1600))
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(4, rel=0.3)


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(0).normal(size=50)
    assert mean_interval(values, 3) == mean_interval(values, 3)
    assert mean_interval(values, 3) != mean_interval(values, 4)


def test_one_value_has_an_interval_of_no_width_and_none_has_no_interval():
    assert (mean_interval(np.array([2.5])).low, mean_interval(np.array([2.5])).high) == (2.5, 2.5)
    empty = mean_interval(np.array([]))
    assert empty.n == 0
    assert np.isnan([empty.mean, empty.low, empty.high]).all()


def test_a_missing_value_is_not_hidden():
    got = mean_interval(np.array([1.0, np.nan, 2.0]))
    assert np.isnan(got.mean)


def test_a_paired_difference_is_first_minus_second():
    rng = np.random.default_rng(0)
    photograph = rng.normal(0, 10, 200)
    worse, better = photograph + 1 + rng.normal(0, 0.1, 200), photograph
    got, back = paired_difference(worse, better), paired_difference(better, worse)
    assert 0.9 < got.low < got.mean < got.high < 1.1
    assert (back.mean, back.low, back.high) == pytest.approx((-got.mean, -got.high, -got.low))


def test_pairing_removes_what_two_methods_share():
    rng = np.random.default_rng(0)
    photograph = rng.normal(0, 10, 200)
    first, second = (photograph + rng.normal(0, 0.1, 200) for _ in range(2))
    paired, alone = paired_difference(first, second), mean_interval(first)
    assert paired.high - paired.low < (alone.high - alone.low) / 20


def test_values_of_different_photographs_can_not_be_paired():
    with pytest.raises(ValueError, match="same shape"):
        paired_difference(np.zeros(3), np.zeros(4))


def test_an_estimate_prints_with_its_interval():
    assert f"{mean_interval(np.array([1.0, 1.0])):.2f}" == "1.00 [1.00, 1.00]"
