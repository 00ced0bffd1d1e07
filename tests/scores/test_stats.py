"""Intervals against SciPy's, what they promise, and where there are none."""

import math
import tracemalloc
import warnings
from dataclasses import astuple

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.scores import intervals
from bench.scores.intervals import (
    Estimate,
    flatness,
    joint_intervals,
    mean_interval,
    mean_intervals,
    paired_difference,
    seed_split,
    set_interval,
)


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def ratio(columns):
    return {"ratio": columns["above"].mean(-1) / columns["below"].mean(-1)}


def two_columns(n, seed=0):
    shared, above, below = np.random.default_rng(seed).gamma(2, size=(3, n))
    return {"above": shared + above, "below": shared + below}


def bounds(estimate):
    return estimate.low, estimate.high


def without_bounds(estimate):
    return math.isnan(estimate.low) and math.isnan(estimate.high)


def exact(values):
    """Sums and means of eight without rounding: a resample that draws each once ties, which SciPy
    leaves to rounding."""
    return np.round(values * 1024) / 1024


def level(n):
    """What SciPy must be asked for, to get the expanded quantile."""
    quantile = math.sqrt(n / (n - 1)) * scipy.stats.t.ppf(0.975, n - 1)
    return 2 * scipy.special.ndtr(quantile) - 1


# SciPy


@pytest.mark.parametrize("draw", ["normal", "exponential", "standard_cauchy"])
@pytest.mark.parametrize("n", [8, 25, 400])
def test_with_the_same_resamples_the_interval_is_scipy_s_bca(draw, n):
    values = getattr(np.random.default_rng(n), draw)(size=n)
    if n == 8:
        values = exact(values)
    wanted = scipy.stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=intervals.RESAMPLES,
        method="BCa",
        confidence_level=level(n),
        rng=np.random.default_rng(3),
    ).confidence_interval
    got = mean_interval(values, seed=3)
    assert got.mean == pytest.approx(values.mean())
    assert bounds(got) == pytest.approx((wanted.low, wanted.high), rel=1e-9)
    assert got.n == n


@pytest.mark.parametrize("draw", ["normal", "exponential"])
def test_with_other_resamples_it_is_scipy_s_to_within_their_noise(draw):
    values = getattr(np.random.default_rng(1), draw)(size=100)
    wanted = scipy.stats.bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=1)
    tolerance = (
        0.25 * wanted.standard_error
    )  # the noise of 2,000 resamples is about 0.06, and the expansion 0.035
    assert bounds(mean_interval(values)) == pytest.approx(
        tuple(wanted.confidence_interval), abs=tolerance
    )


@pytest.mark.parametrize("n", [8, 150])
def test_the_interval_of_a_set_s_value_is_scipy_s_of_paired_columns(n):
    columns = {name: exact(column) for name, column in two_columns(n).items()}
    wanted = scipy.stats.bootstrap(
        tuple(columns.values()),
        lambda a, b, axis: a.mean(axis) / b.mean(axis),
        paired=True,
        n_resamples=intervals.RESAMPLES,
        method="BCa",
        confidence_level=level(n),
        rng=np.random.default_rng(4),
    ).confidence_interval
    assert bounds(set_interval(ratio, columns, seed=4)["ratio"]) == pytest.approx(
        (wanted.low, wanted.high), rel=1e-9
    )


def test_a_mean_as_a_value_of_a_set_is_a_mean():
    values = np.random.default_rng(0).gamma(2, size=70)
    found = set_interval(lambda columns: {"mean": columns["x"].mean(-1)}, {"x": values}, seed=5)
    assert bounds(found["mean"]) == pytest.approx(bounds(mean_interval(values, seed=5)), rel=1e-9)


# What intervals promise; the whole simulation is in test_stats_simulation.py


def test_paired_intervals_hold_the_difference_about_as_often_as_they_say():
    rng, repeats, hits = np.random.default_rng(0), 600, 0
    for i in range(repeats):
        shared, first, second = rng.gamma(8, size=50), rng.gamma(2, size=50), rng.gamma(2, size=50)
        found = paired_difference(shared + first + 0.1, shared + second, seed=i // 20)
        hits += found.low <= 0.1 <= found.high
    assert (
        0.92 <= hits / repeats <= 0.98
    )  # 80 % would miss it, and so would unpaired means, with nearly all


def test_an_unpaired_interval_of_correlated_errors_is_another():
    rng = np.random.default_rng(0)
    photograph = rng.normal(0, 10, 200)
    first, second = (photograph + rng.normal(0, 0.1, 200) for _ in range(2))
    paired, shuffled = (
        paired_difference(first, second),
        paired_difference(first, rng.permutation(second)),
    )
    assert paired.mean == pytest.approx(shuffled.mean)
    assert paired.high - paired.low < (shuffled.high - shuffled.low) / 20


def test_the_interval_of_skewed_values_reaches_further_to_their_tail():
    got = mean_interval(np.random.default_rng(0).exponential(size=40))
    assert got.high - got.mean > 1.1 * (got.mean - got.low)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_the_mean_lies_within_the_interval_and_that_within_the_values(values):
    got = mean_interval(np.array(values))
    slack = 1e-9 * (1 + max(map(abs, values)))
    assert min(values) - slack <= got.low <= got.high <= max(values) + slack
    assert got.low - slack <= got.mean <= got.high + slack
    assert got.mean == pytest.approx(np.mean(values), abs=slack)


@pytest.mark.parametrize("unit", [1e-200, 1e-3, 1e100])
def test_the_interval_has_the_unit_of_the_values(unit):
    values = np.random.default_rng(0).gamma(2, size=30)
    scaled, plain = mean_interval(values * unit), mean_interval(values)
    assert bounds(scaled) == pytest.approx((plain.low * unit, plain.high * unit), rel=1e-9, abs=0)


def test_more_photographs_narrow_the_interval_by_the_root():
    values = np.random.default_rng(0).normal(size=1600)
    few, many = (mean_interval(values[:n]) for n in (100, 1600))
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(4, rel=0.3)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    values, columns = np.random.default_rng(0).normal(size=50), two_columns(50)
    assert mean_interval(values, 3) == mean_interval(values, 3)
    assert mean_interval(values, 3) != mean_interval(values, 4)
    assert set_interval(ratio, columns, 3) == set_interval(ratio, columns, 3)
    assert set_interval(ratio, columns, 3) != set_interval(ratio, columns, 4)


def test_many_columns_at_once_are_one_after_the_other():
    values = np.random.default_rng(0).gamma(2, size=(7, 60))
    values[2], values[4, 5] = 1.5, np.nan
    for together, row in zip(mean_intervals(values, 2), values):
        alone = mean_interval(row, 2)
        assert (together.mean, *bounds(together)) == pytest.approx(
            (alone.mean, *bounds(alone)), rel=1e-12, nan_ok=True
        )


def test_series_of_several_lengths_together_equal_each_one():
    rng = np.random.default_rng(3)
    series = [rng.gamma(2, 1, n) for n in (12, 7, 12, 1, 0, 7)]
    for together, alone in zip(joint_intervals(series), map(mean_interval, series), strict=True):
        assert astuple(together) == pytest.approx(astuple(alone), rel=1e-12, nan_ok=True)


def test_a_paired_difference_is_first_minus_second():
    rng = np.random.default_rng(0)
    photograph = rng.normal(0, 10, 200)
    worse, better = photograph + 1 + rng.normal(0, 0.1, 200), photograph
    got, back = paired_difference(worse, better), paired_difference(better, worse)
    assert 0.9 < got.low < got.mean < got.high < 1.1
    assert (back.mean, back.low, back.high) == pytest.approx(
        (-got.mean, -got.high, -got.low), abs=1e-3
    )


def test_values_of_different_photographs_can_not_be_paired_or_combined():
    with pytest.raises(ValueError, match="same shape"):
        paired_difference(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="one length, not 3 and 4"):
        set_interval(ratio, {"above": np.ones(3), "below": np.ones(4)})


# Where there is little, or nothing


def test_no_photographs_have_no_mean_and_one_has_no_interval():
    empty, one = mean_interval(np.array([])), mean_interval(np.array([2.5]))
    assert (empty.n, one.n, one.mean) == (0, 1, 2.5)
    assert math.isnan(empty.mean)
    assert without_bounds(empty)
    assert without_bounds(one)
    assert set_interval(ratio, {"above": np.array([]), "below": np.array([])}) == {}
    assert set_interval(ratio, {}) == {}
    single = set_interval(ratio, {"above": np.array([3.0]), "below": np.array([2.0])})["ratio"]
    assert single.mean == 1.5
    assert without_bounds(single)


def test_two_photographs_give_no_more_than_their_values():
    assert bounds(mean_interval(np.array([1.0, 3.0]))) == (1, 3)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e6])
@pytest.mark.parametrize("n", [2, 3, 77])
def test_equal_values_have_an_interval_of_no_width(value, n):
    assert bounds(mean_interval(np.full(n, value))) == pytest.approx((value, value), rel=1e-12)
    constant = {"above": np.full(n, value), "below": np.full(n, 0.3)}
    assert bounds(set_interval(ratio, constant)["ratio"]) == pytest.approx(
        (value / 0.3,) * 2, rel=1e-12
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_missing_value_is_not_hidden(bad):
    got = mean_interval(np.array([1.0, bad, 2.0]))
    assert not math.isfinite(got.mean)
    assert without_bounds(got)
    found = set_interval(ratio, {"above": np.array([1.0, bad, 2.0]), "below": np.ones(3)})["ratio"]
    assert not math.isfinite(found.mean)
    assert without_bounds(found)


@pytest.mark.parametrize("nothing", [np.nan, np.inf])
def test_a_value_that_some_resamples_do_not_have_has_no_interval(nothing):
    def share(columns):
        hits, tries = columns["hits"].sum(-1), columns["tries"].sum(-1)
        return {
            "share": np.divide(hits, tries, out=np.full(np.shape(tries), nothing), where=tries > 0),
            "mean": hits / 9,
        }

    tries = np.zeros(9)
    tries[:2] = 1  # one in ten resamples has none of them, and no jackknife
    found = set_interval(share, {"hits": np.arange(9.0), "tries": tries})
    assert found["share"].mean == 18
    assert without_bounds(found["share"])
    assert found["mean"].low < found["mean"].mean < found["mean"].high


def test_a_value_beyond_all_resampled_ones_has_no_interval():
    found = set_interval(
        lambda columns: {
            "kinds": np.array([len(set(row)) for row in np.atleast_2d(columns["x"])]).squeeze()
        },
        {"x": np.arange(100.0)},
    )["kinds"]
    assert found.mean == 100
    assert without_bounds(found)


def test_memory_stays_flat_with_many_photographs(monkeypatch):
    monkeypatch.setattr(intervals, "RESAMPLES", 400)
    monkeypatch.setattr(intervals, "_GROUPS", 100)
    columns = two_columns(50_000)
    tracemalloc.start()
    try:
        found = set_interval(ratio, columns)["ratio"]
        mean = mean_interval(columns["above"])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100e6  # all resamples of both columns are 320 MB, a jackknife 20 GB
    assert 0.98 < found.low < found.mean < found.high < 1.02
    assert 3.9 < mean.low < mean.mean < mean.high < 4.1


def test_leaving_out_groups_is_like_leaving_out_photographs(monkeypatch):
    columns = {"above": np.random.default_rng(0).lognormal(size=1500), "below": np.ones(1500)}
    grouped = set_interval(ratio, columns)["ratio"]  # two at a time
    monkeypatch.setattr(intervals, "_GROUPS", 1500)
    alone = set_interval(ratio, columns)["ratio"]
    assert bounds(grouped) == pytest.approx(bounds(alone), abs=0.05 * (alone.high - alone.low))
    assert bounds(grouped) != bounds(alone)


# Seeds


def test_the_uncertainty_of_several_trainings_is_split_into_its_parts():
    rng = np.random.default_rng(0)
    values = 2 * rng.normal(size=(60, 1)) + 3 * rng.normal(size=400) + rng.normal(size=(60, 400))
    split = seed_split(values)
    assert split.seed_variance == pytest.approx(4, rel=0.4)  # 60 seeds: a standard error of 18 %
    assert split.image_variance == pytest.approx(9, rel=0.25)
    assert split.rest_variance == pytest.approx(1, rel=0.05)
    assert split.mean.mean == pytest.approx(values.mean())
    variance = split.seed_variance / 60 + split.image_variance / 400 + split.rest_variance / 24_000
    assert split.error == pytest.approx(math.sqrt(variance))


def test_the_parts_are_those_of_a_two_way_analysis_of_variance():
    values = np.random.default_rng(1).normal(size=(3, 8)) + np.arange(3)[:, None] + np.arange(8)
    grand, seeds, images = values.mean(), values.mean(1), values.mean(0)
    between_seeds = 8 * sum((m - grand) ** 2 for m in seeds) / 2
    between_images = 3 * sum((m - grand) ** 2 for m in images) / 7
    rest = (
        sum((values[s, i] - seeds[s] - images[i] + grand) ** 2 for s in range(3) for i in range(8))
        / 14
    )
    split = seed_split(values)
    got = split.seed_variance, split.image_variance, split.rest_variance
    assert got == pytest.approx(((between_seeds - rest) / 8, (between_images - rest) / 3, rest))


def test_trainings_that_agree_add_nothing_and_those_that_do_not_add_much():
    row = np.random.default_rng(0).normal(size=100)
    same, apart = seed_split(np.stack([row] * 3)), seed_split(np.stack([row, row + 1, row - 1]))
    assert (same.seed_variance, same.seed_error) == (0, 0)
    assert bounds(same.mean) == pytest.approx(bounds(mean_interval(row)), abs=0.05)
    assert apart.seed_error == pytest.approx(math.sqrt(1 / 3))
    assert apart.mean.high - apart.mean.mean > 4.3 * math.sqrt(1 / 3)  # t of two degrees of freedom


def test_one_training_has_the_interval_over_photographs():
    row = np.random.default_rng(0).normal(size=30)
    split = seed_split(row[None])
    assert split.mean == mean_interval(row)
    assert split.image_error == pytest.approx(scipy.stats.sem(row))
    assert math.isnan(split.seed_error)
    assert math.isnan(split.error)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((3, 0)),
        np.zeros((0, 3)),
        np.array([[1.0, np.nan], [1, 2]]),
        np.ones((3, 1)),
        np.ones((1, 1)),
    ],
)
def test_trainings_without_photographs_or_with_missing_values_have_no_parts(values):
    split = seed_split(values)
    assert without_bounds(split.mean)
    assert math.isnan(split.seed_variance)


# Rank histograms


def test_flatness_is_the_chi_squared_test():
    ranks = np.repeat(np.arange(6), [9, 14, 10, 7, 12, 8])
    got = flatness(np.random.default_rng(0).permutation(ranks), 6)
    statistic = sum((count - 10) ** 2 / 10 for count in (9, 14, 10, 7, 12, 8))
    assert got.counts == (9, 14, 10, 7, 12, 8)
    assert got.statistic == pytest.approx(statistic)
    assert got.p == pytest.approx(scipy.stats.chi2.sf(statistic, 5))


def test_flatness_tells_a_flat_histogram_from_a_bowl():
    rng = np.random.default_rng(0)
    assert flatness(rng.integers(0, 11, 2000), 11).p > 0.01
    assert flatness(np.where(rng.random(2000) < 0.2, 0, rng.integers(0, 11, 2000)), 11).p < 1e-6


def test_flatness_needs_five_ranks_a_bin():
    few, enough = flatness(np.arange(54) % 11, 11), flatness(np.arange(55) % 11, 11)
    assert math.isnan(few.p)
    assert few.reason == "54 ranks in 11 bins: fewer than 5 a bin"
    assert (enough.p, enough.reason) == (1, "")
    assert math.isnan(flatness(np.array([]), 3).p)


@pytest.mark.parametrize("wrong", [-1.0, 3.0, 0.5, np.nan])
def test_flatness_refuses_what_is_no_rank(wrong):
    with pytest.raises(ValueError, match="from 0 to 2"):
        flatness(np.array([0, 1, wrong]), 3)


@pytest.mark.parametrize(
    ("mean", "low", "text"), [(1.0, 1.0, "1.00 [1.00, 2.00]"), (1.0, math.nan, "1.00 [–, 2.00]")]
)
def test_an_estimate_prints_with_its_interval(mean, low, text):
    assert f"{Estimate(mean, low, 2.0, 2):.2f}" == text
