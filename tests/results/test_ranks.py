"""Permutation tests against enumeration and SciPy, Holm's correction against its definition, and
ranks as sets."""

import math
from itertools import product

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.results.ranks import FLIPS, holm, permutation_test, rank_sets
from bench.scores.intervals import FEW


def errors(n=60, seed=0, **gaps):
    """Name -> errors on the same photographs, with what a method adds on top."""
    rng = np.random.default_rng(seed)
    photograph = rng.gamma(2, size=n)
    return {name: photograph + gap + rng.normal(0, 0.1, n) for name, gap in gaps.items()}


# Permutation test


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 11])
@pytest.mark.parametrize("whole", [True, False])
def test_few_photographs_are_enumerated(n, whole):
    first, second = np.random.default_rng(n).normal(0.5, 2, size=(2, n))
    if whole:  # with ties
        first, second = first.round(), second.round()
    gaps = first - second
    means = [abs(np.dot(signs, gaps)) for signs in product((-1, 1), repeat=n)]
    assert permutation_test(first, second) == pytest.approx(
        np.mean(np.array(means) >= abs(gaps.sum()) - 1e-9)
    )


@pytest.mark.parametrize(("n", "tolerance"), [(9, 1e-12), (40, 0.02), (300, 0.02)])
@pytest.mark.parametrize("gap", [0.0, 0.3])
def test_it_is_scipy_s_for_paired_samples(n, tolerance, gap):
    first, second = np.random.default_rng(n).gamma(2, size=(2, n))
    gap *= 4 / math.sqrt(n)
    wanted = scipy.stats.permutation_test(
        (first + gap, second),
        lambda a, b, axis: (a - b).mean(axis),
        rng=1,
        vectorized=True,
        permutation_type="samples",
        n_resamples=10_000,
    )
    assert permutation_test(first + gap, second) == pytest.approx(wanted.pvalue, abs=tolerance)


def test_p_does_not_depend_on_the_order_or_the_unit_and_the_seed_decides():
    first, second = np.random.default_rng(3).normal(0.1, 1, size=(2, 50))
    p = permutation_test(first, second)
    assert p == permutation_test(second, first) == permutation_test(1e-6 * first, 1e-6 * second)
    assert p == permutation_test(first, second, seed=0)
    assert p != permutation_test(first, second, seed=1)


def test_pairing_shows_what_unpaired_values_hide():
    values = errors(a=0, b=0.1)
    assert permutation_test(values["a"], values["b"]) < 0.001
    assert permutation_test(values["a"], np.random.default_rng(0).permutation(values["b"])) > 0.05


def test_a_p_value_is_never_zero():
    assert permutation_test(np.zeros(500), np.ones(500)) == 1 / (FLIPS + 1)


@pytest.mark.parametrize(("n", "p"), [(0, 1), (1, 1), (2, 1), (100, 1)])
def test_equal_values_are_no_evidence(n, p):
    assert permutation_test(np.full(n, 0.1), np.full(n, 0.1)) == p


def test_few_is_the_least_number_of_photographs_that_can_show_anything():
    assert permutation_test(np.zeros(FEW - 1), np.ones(FEW - 1)) == 2 * 0.5 ** (FEW - 1) > 0.05
    assert permutation_test(np.zeros(FEW), np.ones(FEW)) == 2 * 0.5**FEW <= 0.05


def test_a_missing_value_is_not_hidden_and_different_photographs_are_refused():
    assert math.isnan(permutation_test(np.array([1.0, np.nan]), np.zeros(2)))
    assert math.isnan(permutation_test(np.array([1.0, np.inf]), np.zeros(2)))
    with pytest.raises(ValueError, match="same shape"):
        permutation_test(np.zeros(3), np.zeros(2))


def test_equal_methods_are_told_apart_about_as_often_as_the_level_says():
    rng = np.random.default_rng(0)
    alarms = [
        permutation_test(*(rng.gamma(2, size=11) + rng.gamma(1, size=(2, 11)))) <= 0.05
        for _ in range(1500)
    ]
    assert 0.03 < np.mean(alarms) < 0.07


# Holm


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_rejects_what_its_steps_reject(p_values):
    adjusted = holm(p_values)
    for level in (0.01, 0.05, 0.3):
        rejected, left = set(), len(p_values)
        for i in sorted(range(len(p_values)), key=p_values.__getitem__):
            if p_values[i] * left > level:
                break
            rejected.add(i)
            left -= 1
        assert {i for i, p in enumerate(adjusted) if p <= level} == rejected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.randoms())
def test_holm_keeps_the_order_and_lies_between_no_correction_and_bonferroni_s(p_values, random):
    adjusted, p = holm(p_values), np.array(p_values)
    assert (p <= adjusted).all()
    assert (adjusted <= np.minimum(1, len(p) * p)).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()
    places = list(range(len(p)))
    random.shuffle(places)
    assert (holm(p[places]) == adjusted[places]).all()


@pytest.mark.parametrize("wrong", [np.nan, -0.1, 1.1])
def test_holm_refuses_what_is_no_probability(wrong):
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, wrong])


# Ranks


def test_methods_that_can_not_be_told_apart_share_ranks():
    ranking = rank_sets(errors(far=2, good=0, alike=0.002, middle=1), "down")
    assert set(ranking.best) == {"good", "alike"}
    assert ranking.ranks == {"good": (1, 2), "alike": (1, 2), "middle": (3, 3), "far": (4, 4)}
    assert ranking.order[2:] == ("middle", "far")


def test_up_and_down_are_mirrors():
    values = errors(a=0, b=0.03, c=0.5, d=0.52)
    down, up = rank_sets(values, "down"), rank_sets(values, "up")
    mirrored = rank_sets({name: -column for name, column in values.items()}, "up")
    assert up.order == down.order[::-1]
    assert up.ranks == {name: (5 - high, 5 - low) for name, (low, high) in down.ranks.items()}
    assert mirrored == down
    assert {frozenset(pair): p for pair, p in up.p_values.items()} == {
        frozenset(pair): p for pair, p in down.p_values.items()
    }


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=6),
    st.integers(1, 40),
    st.integers(0, 99),
    st.randoms(),
)
def test_ranks_are_consistent_and_do_not_depend_on_the_order_of_methods(gaps, n, seed, random):
    values = errors(n, seed, **{f"m{i}": gap for i, gap in enumerate(gaps)})
    ranking = rank_sets(values, "down", seed)
    names = list(values)
    random.shuffle(names)
    shuffled = rank_sets({name: values[name] for name in names}, "down", seed)
    assert shuffled.order == ranking.order
    assert shuffled.ranks == ranking.ranks
    assert shuffled.p_values == pytest.approx(ranking.p_values)
    assert sorted(ranking.order) == sorted(values)
    assert [values[name].mean() for name in ranking.order] == sorted(
        column.mean() for column in values.values()
    )
    assert all(
        1 <= low <= place <= high <= len(gaps)
        for place, (low, high) in enumerate(map(ranking.ranks.get, ranking.order), 1)
    )
    assert len(ranking.best) >= 1
    if n < FEW:
        assert ranking.best == ranking.order


def test_p_values_are_those_of_the_pairs_corrected_together():
    values = errors(11, a=0, b=0.1, c=0.12)
    ranking = rank_sets(values, "down")
    alone = [permutation_test(values[first], values[second]) for first, second in ranking.p_values]
    assert list(ranking.p_values.values()) == pytest.approx(holm(alone))
    assert all(values[first].mean() <= values[second].mean() for first, second in ranking.p_values)


def test_many_methods_can_still_be_told_apart():
    gaps = {f"m{i:02}": float(i) for i in range(30)}  # 435 pairs: 10,000 flips could not show any
    ranking = rank_sets(errors(40, **gaps), "down")
    assert ranking.ranks == {name: (i, i) for i, name in enumerate(gaps, 1)}


def test_the_same_seed_gives_the_same_ranking():
    values = errors(a=0, b=0.02, c=0.03)
    assert rank_sets(values, "down", 4) == rank_sets(values, "down", 4)
    assert rank_sets(values, "down", 4) != rank_sets(values, "down", 5)


def test_one_method_is_first_and_equal_ones_share():
    assert rank_sets({"a": np.ones(9)}, "up").ranks == {"a": (1, 1)}
    assert rank_sets({"b": np.ones(9), "a": np.ones(9)}, "up").ranks == {"a": (1, 2), "b": (1, 2)}
    assert rank_sets({"b": np.ones(9), "a": np.ones(9)}, "up").order == ("a", "b")


@pytest.mark.parametrize(
    ("values", "direction", "message"),
    [
        (
            {"good": np.ones(3), "bad": np.array([1, np.nan, np.inf])},
            "down",
            "bad can't be ranked: .* 2 of 3 photographs",
        ),
        (
            {"good": np.ones(3), "bad": np.ones(2)},
            "down",
            "same photographs.*good has 3, bad has 2",
        ),
        ({"good": np.ones(0)}, "down", "one or more: good has 0"),
        ({}, "down", "there are no methods"),
        ({"good": np.ones(3)}, "none", "direction is 'none'"),
        ({"good": np.ones(3)}, "target", "direction is 'target'"),
    ],
)
def test_what_can_not_be_ranked_is_refused_with_the_reason(values, direction, message):
    with pytest.raises(BenchError, match=message):
        rank_sets(values, direction)


def test_the_correction_for_very_many_methods_leaves_something_to_show():
    """528 pairs times the smallest p of 10,000 signs are more than 5 %."""
    names = [f"{i:02}" for i in range(33)]
    found = rank_sets(errors(20, **{name: float(i) for i, name in enumerate(names)}), "down")
    assert found.order == tuple(names)
    assert found.ranks["00"] == (1, 1)
    assert found.ranks["32"] == (33, 33)
