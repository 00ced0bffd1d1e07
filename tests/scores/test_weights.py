"""Colour-rarity weights against plain loops, and Zhang's 313 bins against their table."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.colour import rgb_to_lab
from bench.contracts import colour_weights
from bench.errors import BenchError

ROWS = [  # (a, b from, b to): step 10, ends included
    (-90, 50, 90),
    (-80, 20, 90),
    (-70, 0, 90),
    (-60, -20, 90),
    (-50, -30, 100),
    (-40, -40, 100),
    (-30, -50, 100),
    (-20, -50, 100),
    (-10, -60, 100),
    (0, -70, 100),
    (10, -80, 90),
    (20, -80, 90),
    (30, -90, 90),
    (40, -100, 90),
    (50, -100, 80),
    (60, -110, 80),
    (70, -110, 80),
    (80, -110, 70),
    (90, -110, 70),
    (100, -90, 0),
]
CENTRES = [(a, b) for a, start, stop in ROWS for b in range(start, stop + 1, 10)]
FLOOR = 1e-5


def fields(count=3, size=5, spread=40.0, seed=0):
    return np.random.default_rng(seed).normal(0, spread, (count, 2, size, size)).astype(np.float32)


def bin_of(value):
    return min(max(int((value + 128) // 4), 0), 63)


def distances(a, b):
    return np.hypot(*(np.array(CENTRES) - [float(a), float(b)]).T)


def nearest(a, b):
    return int(distances(a, b).argmin())


def test_the_313_centres_are_the_published_ones():
    assert len(CENTRES) == 313
    assert colour_weights.bin_centres().tolist() == [list(centre) for centre in CENTRES]


def test_channel64_is_one_over_the_share_of_each_channel_s_bin():
    train, truth = fields(), fields(2, seed=1)
    counts = np.zeros((2, 64))
    for _, channel, *_, value in ((*index, value) for index, value in np.ndenumerate(train)):
        counts[channel, bin_of(value)] += 1
    share = counts / train[:, 0].size
    wanted = np.empty_like(truth)
    for index, value in np.ndenumerate(truth):
        wanted[index] = 1 / max(share[index[1], bin_of(value)], FLOOR)
    got = colour_weights.fit("channel64", train, FLOOR)(torch.from_numpy(truth)).numpy()
    np.testing.assert_allclose(got, wanted, rtol=1e-5)


def test_joint64_is_one_over_the_share_of_the_pair_of_bins():
    train, truth = fields(), fields(2, seed=1)
    counts = np.zeros((64, 64))
    for field in train:
        for a, b in zip(field[0].flat, field[1].flat):
            counts[bin_of(a), bin_of(b)] += 1
    share = counts / counts.sum()
    got = colour_weights.fit("joint64", train, FLOOR)(torch.from_numpy(truth)).numpy()
    for n, i, j in np.ndindex(2, 5, 5):
        wanted = 1 / max(share[bin_of(truth[n, 0, i, j]), bin_of(truth[n, 1, i, j])], FLOOR)
        assert got[n, :, i, j] == pytest.approx([wanted, wanted], rel=1e-5)


def test_zhang313_is_one_over_the_share_of_the_nearest_centre():
    grid = (
        np.random.default_rng(0)
        .choice(np.array(CENTRES, np.float32), (3, 5, 5))
        .transpose(0, 3, 1, 2)
    )
    train = np.ascontiguousarray(
        grid + np.random.default_rng(1).uniform(-4.4, 4.4, grid.shape)
    ).astype(np.float32)
    counts = np.zeros(313)
    for field in train:
        for a, b in zip(field[0].flat, field[1].flat):
            counts[nearest(a, b)] += 1
    share = counts / counts.sum()
    got = colour_weights.fit("zhang313", train, FLOOR)(torch.from_numpy(train)).numpy()
    for n, i, j in np.ndindex(3, 5, 5):
        wanted = 1 / share[nearest(*train[n, :, i, j])]
        assert got[n, :, i, j] == pytest.approx([wanted, wanted], rel=1e-5)


@settings(max_examples=100, deadline=None)
@given(st.floats(-127, 127, width=32), st.floats(-127, 127, width=32))
def test_the_bin_of_any_colour_is_the_nearest_within_the_table_s_step(a, b):
    (got,) = colour_weights.nearest_bin(torch.tensor([a, b]).reshape(2, 1, 1)).flatten().tolist()
    assert distances(a, b)[got] <= distances(a, b).min() + np.sqrt(2) + 1e-4


def test_nearly_all_colours_of_photographs_get_their_nearest_bin():
    ab = rgb_to_lab(np.random.default_rng(0).random((2000, 3)))[:, 1:]
    got = (
        colour_weights.nearest_bin(torch.from_numpy(ab.T.reshape(2, 1, 2000).copy()))
        .flatten()
        .tolist()
    )
    assert np.mean([index != nearest(a, b) for index, (a, b) in zip(got, ab)]) < 0.01


@pytest.mark.parametrize("name", colour_weights.WIDTHS)
def test_the_floor_is_honoured_and_the_prior_otherwise_sums_to_one(name):
    train, unseen = np.full((1, 2, 2, 2), 3.0, np.float32), torch.full((1, 2, 1, 1), -60.0)
    for floor in (1e-5, 1e-2):
        fitted = colour_weights.fit(name, train, floor)
        assert fitted.prior.min() == floor
        assert fitted.prior.size == colour_weights.WIDTHS[name]
        assert fitted(unseen).flatten().tolist() == pytest.approx([1 / floor] * 2)
        assert fitted(torch.from_numpy(train)).flatten().tolist() == [1.0] * 8
    sums = (
        colour_weights.fit(name, fields(), 0.0)
        .prior.reshape(2 if name == "channel64" else 1, -1)
        .sum(axis=1)
    )
    assert sums == pytest.approx(1)


@pytest.mark.parametrize("name", colour_weights.WIDTHS)
def test_weights_have_the_shape_and_type_of_the_colours(name):
    fitted = colour_weights.fit(name, fields(), FLOOR)
    for dtype in (torch.float32, torch.float64):
        got = fitted(torch.zeros(2, 3, 2, 4, 5, dtype=dtype))
        assert got.shape == (2, 3, 2, 4, 5)
        assert got.dtype == dtype


@pytest.mark.parametrize("name", colour_weights.WIDTHS)
def test_colours_beyond_the_table_fall_into_its_end_bins(name):
    fitted = colour_weights.fit(name, fields(spread=80), FLOOR)
    far, end = torch.full((1, 2, 1, 1), 500.0), torch.full((1, 2, 1, 1), 127.0)
    assert torch.equal(fitted(far), fitted(end))
    assert torch.equal(fitted(-far), fitted(torch.full((1, 2, 1, 1), -128.0)))


def test_an_unknown_name_is_refused():
    with pytest.raises(BenchError, match="unknown colour weights 'zhang'"):
        colour_weights.fit("zhang", fields(), FLOOR)


@pytest.mark.parametrize("name", ["channel64", "joint64", "zhang313"])
def test_photographs_are_counted_batch_by_batch_with_the_same_result(name, monkeypatch):
    ab = np.random.default_rng(0).normal(0, 30, (7, 2, 16, 16)).astype(np.float32)
    whole = colour_weights.fit(name, ab, 1e-5)
    monkeypatch.setattr(colour_weights, "_BATCH", 3)
    parts = colour_weights.fit(name, ab, 1e-5)
    assert np.array_equal(whole.prior, parts.prior)
    assert whole.mean == parts.mean
