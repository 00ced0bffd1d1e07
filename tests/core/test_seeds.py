"""One generator a photograph: draws depend on its seed only."""

import hashlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import seeds

DRAWS = pytest.mark.parametrize("draw", [seeds.normal, seeds.uniform], ids=["normal", "uniform"])
SEEDS = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=5, unique=True)
INNER = st.lists(st.integers(1, 9), max_size=3)


@DRAWS
@settings(max_examples=30, deadline=None)
@given(given_seeds=SEEDS, count=st.integers(1, 5), inner=INNER)
def test_the_same_seeds_give_the_same_draws(draw, given_seeds, count, inner):
    first = draw(given_seeds, (count, *inner))
    assert first.shape == (len(given_seeds), count, *inner)
    assert first.dtype == torch.float32
    assert torch.equal(first, draw(given_seeds, (count, *inner)))


@DRAWS
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**63 - 1), inner=INNER)
def test_the_first_five_of_ten_draws_are_the_five(draw, seed, inner):
    assert torch.equal(draw([seed], (10, *inner))[:, :5], draw([seed], (5, *inner)))


@DRAWS
@settings(max_examples=30, deadline=None)
@given(given_seeds=SEEDS, random=st.randoms(use_true_random=False))
def test_draws_do_not_depend_on_the_batch_or_its_order(draw, given_seeds, random):
    alone = {seed: draw([seed], (3, 2, 17))[0] for seed in given_seeds}
    order = random.sample(given_seeds, len(given_seeds))
    assert all(torch.equal(row, alone[seed]) for seed, row in zip(order, draw(order, (3, 2, 17))))


@DRAWS
def test_the_global_generator_is_untouched(draw):
    before = torch.get_rng_state()
    draw([1, 2], (3, 40))
    assert torch.equal(before, torch.get_rng_state())


@DRAWS
def test_the_global_generator_has_no_influence(draw):
    torch.manual_seed(1)
    first = draw([7], (2, 3))
    torch.manual_seed(2)
    assert torch.equal(first, draw([7], (2, 3)))


def test_draws_of_one_photograph_differ_from_each_other_and_from_another_s():
    draws = seeds.normal([1, 2], (3, 4)).reshape(6, 4)
    assert len({tuple(row.tolist()) for row in draws}) == 6


def test_draws_have_the_distribution_they_are_named_for():
    normal, uniform = seeds.normal(range(200), (2, 50)), seeds.uniform(range(200), (2, 50))
    assert abs(normal.mean()) < 0.03
    assert abs(normal.std() - 1) < 0.03
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 0.01


def test_a_derived_seed_is_the_documented_hash():
    digest = hashlib.sha256(b"0\x1fsample\x1fchurch\x1f00001\x1f0").hexdigest()
    assert seeds.derive(0, "sample", "church", "00001", 0) == int(digest[:16], 16) // 2


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.lists(st.integers(0, 99) | st.text("abc", max_size=3), max_size=4))
def test_a_derived_seed_fits_63_bits(base, purpose):
    assert 0 <= seeds.derive(base, *purpose) < 2**63


def test_any_difference_in_purpose_gives_another_seed():
    found = {
        seeds.derive(base, purpose, image, repeat)
        for base in range(3)
        for purpose in ("sample", "fit")
        for image in ("a", "b", "ab")
        for repeat in range(3)
    }
    assert len(found) == 3 * 2 * 3 * 3
    assert seeds.derive(1, "ab", "c") != seeds.derive(1, "a", "bc")
