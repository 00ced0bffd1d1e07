"""The tests behind verdicts: numbers from other code, symmetry, and what they do at edges."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.gate.noninferiority import Decline, band, difference, examine, mirrored, of_mean, of_set

GAPS = np.random.default_rng(1).gamma(2, 0.1, 30) - 0.15


def only(change, margin=0.0, **more):
    return examine([change], [margin], **more)[0]


def plain_tests(gaps, margin, count=4000):
    """p of "the mean is at most the margin": a bootstrap by a loop, Student's, and SciPy's
    permutation test."""
    rng, n = np.random.default_rng(5), len(gaps)
    observed = (gaps.mean() - margin) / (gaps.std(ddof=1) / np.sqrt(n))
    drawn = (gaps[rng.integers(0, n, n)] for _ in range(count))
    ratios = [(some.mean() - gaps.mean()) / (some.std(ddof=1) / np.sqrt(n)) for some in drawn]
    swapped = stats.permutation_test(
        (gaps - margin, np.zeros(n)),
        lambda x, y, axis: (x - y).mean(axis),
        n_resamples=count,
        vectorized=True,
        permutation_type="samples",
        alternative="greater",
        random_state=1,
    )
    return (
        np.mean(np.array(ratios) >= observed),
        stats.ttest_1samp(gaps, margin, alternative="greater").pvalue,
        swapped.pvalue,
    )


@pytest.mark.parametrize("margin", [-0.05, 0.0, 0.02, 0.1])
def test_p_values_are_the_largest_of_a_bootstrap_s_student_s_and_a_permutation_test_s(margin):
    found = only(of_mean(GAPS), margin)
    assert found.worse == pytest.approx(max(plain_tests(GAPS, margin)), abs=0.02)
    assert found.fine == pytest.approx(max(plain_tests(-GAPS, -margin)), abs=0.02)


def test_bounds_hold_student_s_and_agree_with_the_p_values():
    found, test = only(of_mean(GAPS)), stats.ttest_1samp(GAPS, 0)
    low, high = test.confidence_interval(0.9)
    assert found.low <= low + 1e-12
    assert found.high >= high - 1e-12
    assert only(of_mean(GAPS), found.low - 1e-6).worse <= 0.06  # the permutation test has no bounds
    assert only(of_mean(GAPS), found.low + 1e-6).worse >= 0.049
    assert only(of_mean(GAPS), found.high + 1e-6).fine <= 0.06


@given(st.lists(st.floats(-10, 10), min_size=8, max_size=30), st.floats(-1, 1))
@settings(max_examples=30, deadline=None)
def test_swapping_the_runs_swaps_the_claims(values, margin):
    gaps = np.array(values)
    there, back = only(of_mean(gaps), margin), only(mirrored(of_mean(gaps)), -margin)
    assert (there.value, there.worse, there.fine) == pytest.approx(
        (-back.value, back.fine, back.worse)
    )
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert max(there.worse, there.fine) >= 0.5
    assert only(of_mean(gaps), margin + 0.5).worse >= there.worse


def test_a_value_of_a_set_that_is_a_mean_is_tested_as_one():
    rng = np.random.default_rng(3)
    before, after = rng.normal(0, 1, 40), rng.normal(0.3, 1, 40)
    of = difference(lambda columns: {"mean": columns["x"].mean(-1)}, "mean", 1)
    of_a_set = of_set(of, {("before", 0, "x"): before, ("after", 0, "x"): after})
    mean = of_mean(after - before)
    np.testing.assert_allclose(of_a_set.influence, mean.influence, atol=1e-12)
    one, other = only(of_a_set, 0.1), only(mean, 0.1)
    assert (one.value, one.low, one.high, one.worse, one.fine) == pytest.approx(
        (other.value, other.low, other.high, other.worse, other.fine)
    )


def test_both_runs_lose_the_same_photographs():
    """A ratio in which one photograph decides: resampled apart, the change would be far less
    certain."""
    rng = np.random.default_rng(4)
    above, below = rng.gamma(2, size=60), np.ones(60)
    above[7] = 100
    of = difference(lambda columns: {"r": columns["a"].mean(-1) / columns["b"].mean(-1)}, "r", 1)
    later = above + 0.01 * rng.random(60)
    same = {
        ("before", 0, "b"): below,
        ("after", 0, "b"): below,
        ("before", 0, "a"): above,
        ("after", 0, "a"): later,
    }
    found = only(of_set(of, same))
    assert found.low > 0
    assert found.high < 0.01
    assert found.worse < 0.001


def test_seeds_are_averaged_after_combining():
    of = difference(lambda columns: {"square": columns["x"].mean(-1) ** 2}, "square", -1)
    columns = {
        ("before", 0, "x"): np.full(5, 1.0),
        ("before", 1, "x"): np.full(5, 3.0),
        ("after", 0, "x"): np.full(5, 2.0),
        ("after", 1, "x"): np.full(5, 4.0),
    }
    assert of(columns) == pytest.approx(-((4 + 16) / 2 - (1 + 9) / 2))


def test_few_photographs_show_little():
    assert only(of_mean(np.full(4, 1.0))).worse == pytest.approx(0.5**4, abs=0.01)
    assert only(of_mean(np.array([1.0, 1.1, 0.9, 1.05]))).worse == pytest.approx(0.5**4, abs=0.01)
    single = only(of_mean(np.array([1.0])))
    assert (single.worse, single.fine, single.low, single.high) == (1, 1, -math.inf, math.inf)


def test_all_alike_is_as_sure_as_can_be():
    found = only(of_mean(np.full(30, 0.5)), 0.2)
    assert (found.low, found.high, found.worse, found.fine) == (
        0.5,
        0.5,
        pytest.approx(1 / 10_001),
        1,
    )
    at_the_margin = only(of_mean(np.full(30, 0.5)), 0.5)
    assert (at_the_margin.worse, at_the_margin.fine) == (1, 1)


def test_one_photograph_that_changed_shows_nothing():
    gaps = np.zeros(40)
    gaps[3] = 5
    found = only(of_mean(gaps))
    assert found.worse > 0.1
    assert found.fine > 0.5


@pytest.mark.parametrize("changed", [1, 2, 3, 5])
def test_where_few_photographs_changed_the_bound_is_as_for_a_share(changed):
    """The exact bound on the share of photographs that change by 1 (Clopper & Pearson 1934), from
    0.85 to 2 times."""
    gaps = np.zeros(40)
    gaps[:changed] = 1
    exact = stats.beta.ppf(0.95, changed + 1, 40 - changed)
    high = only(of_mean(gaps)).high
    assert 0.85 * exact <= high <= 2 * exact
    assert only(of_mean(gaps), 2 * exact).fine <= 0.05


def test_resamples_without_a_value_count_against_both_claims():
    rng = np.random.default_rng(0)
    change = Decline(1.0, rng.normal(0, 0.1, 30) - 0.0, lambda drawn: np.full(len(drawn), np.nan))
    assert (only(change).worse, only(change).fine) == (1, 1)


def test_in_both_directions_the_smaller_tail_counts_twice():
    up, down = examine([of_mean(GAPS), mirrored(of_mean(GAPS))], [0.01, 0.01])
    both = band(up, down)
    assert both.worse == 2 * min(up.worse, down.worse)
    assert both.fine == max(up.fine, down.fine)


def test_large_families_get_more_resamples():
    strong = of_mean(np.random.default_rng(0).normal(1, 0.1, 50))
    assert only(strong).worse == pytest.approx(1 / 10_001)
    assert only(strong, family=300).worse == pytest.approx(1 / 60_001)
    assert only(strong, family=10**6).worse == pytest.approx(1 / 100_001)
