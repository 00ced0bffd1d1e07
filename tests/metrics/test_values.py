"""The metrics' values against arithmetic and plain NumPy loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.contracts import SampleSet, ScoreContext, colour_weights
from bench.extend.metrics import on
from bench.metrics.absolute_error import AbsoluteError
from bench.metrics.error_of_best import ErrorOfBest
from bench.metrics.variance import variance

SCALE = 128.0


def fields(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).uniform(-90, 90, shape).astype(np.float32))


@pytest.fixture(scope="module")
def colours():
    return colour_weights.fit("channel64", fields(9, 30, 2, 64, 64).numpy(), 1e-5)


def values(metric, samples, truth, colours):
    context = ScoreContext(
        colours,
        np.full(313, 1 / 313),
        SCALE,
        torch.zeros(len(truth), 1, 256, 256),
        range(len(truth)),
    )
    return {(s.variant, s.region): s.values for s in metric.score(samples, truth, context)}


def test_the_truth_has_no_error_and_no_variance(colours):
    truth = fields(0, 3, 2, 64, 64)
    samples = SampleSet(truth[:, None].expand(-1, 5, -1, -1, -1), "iid", n_drawn=5)
    for metric in (AbsoluteError(), ErrorOfBest(), variance.metric()):
        for found in values(metric, samples, truth, colours).values():
            assert np.abs(found).max() <= 1e-6


def test_the_mean_predictor_has_the_mean_absolute_deviation(colours):
    truth = fields(1, 4, 2, 64, 64)
    mean = truth.double().mean(0, keepdim=True).float()
    samples = SampleSet(mean[None].expand(4, 1, -1, -1, -1), "point", n_drawn=1)
    found = values(AbsoluteError(), samples, truth, colours)
    for b in range(4):
        difference = np.abs(truth[b].numpy().astype(float) - mean[0].numpy().astype(float)) / SCALE
        assert found["sum", "all"][b] == pytest.approx(difference.sum() / 64**2, abs=1e-6)
        assert found["mean", "all"][b] == pytest.approx(difference.mean(), abs=1e-6)


@settings(deadline=None, max_examples=15)
@given(shift_a=st.floats(-30, 30, width=16), shift_b=st.floats(-30, 30, width=16))
def test_truth_plus_known_noise_has_the_known_error(shift_a, shift_b):
    truth = torch.round(fields(2, 2, 2, 64, 64))
    noise = torch.tensor([shift_a, shift_b])[None, None, :, None, None]
    samples = SampleSet(
        torch.cat([truth[:, None] + noise, truth[:, None] - noise], 1), "iid", n_drawn=2
    )
    flat = colour_weights.ColourWeights("channel64", np.full((2, 64), 1 / 64))
    error = (abs(shift_a) + abs(shift_b)) / SCALE
    found = values(AbsoluteError(), samples, truth, flat)
    assert found["sum", "all"] == pytest.approx(np.full(2, error), abs=1e-6)
    assert found["sum", "grid"] == pytest.approx(np.full(2, error), abs=1e-6)
    assert found["mean", "all"] == pytest.approx(np.full(2, error / 2), abs=1e-6)
    assert found["weighted-sum", "all"] == pytest.approx(np.full(2, 64 * error), abs=1e-4)
    found = values(variance.metric(), samples, truth, flat)["ab", "all"]
    assert found == pytest.approx(np.full(2, (shift_a**2 + shift_b**2) / 2 / SCALE**2), abs=1e-6)


def test_against_plain_loops(colours):
    truth, ab = fields(3, 2, 2, 64, 64), fields(4, 2, 3, 2, 64, 64)
    samples = SampleSet(ab, "iid", n_drawn=3)
    error, best = (
        values(AbsoluteError(), samples, truth, colours),
        values(ErrorOfBest(), samples, truth, colours),
    )
    for b in range(2):
        per_field, weighted, grid = [], [], []
        for k in range(3):
            total = heavy = points = 0.0
            for row in range(64):
                for column in range(64):
                    for c in range(2):
                        true = float(truth[b, c, row, column])
                        e = abs(float(ab[b, k, c, row, column]) - true) / SCALE
                        total += e
                        heavy += (
                            e / colours.prior[c][min(63, max(0, int(np.floor((true + 128) / 4))))]
                        )
                        if row % 8 == 4 and column % 8 == 4:
                            points += e
            per_field.append(total / 4096)
            weighted.append(heavy / 4096)
            grid.append(points / 64)
        assert error["sum", "all"][b] == pytest.approx(np.mean(per_field), abs=1e-6)
        assert error["weighted-sum", "all"][b] == pytest.approx(np.mean(weighted), rel=1e-6)
        assert error["sum", "grid"][b] == pytest.approx(np.mean(grid), abs=1e-6)
        assert best["sum", "all"][b] == pytest.approx(min(per_field), abs=1e-6)
        assert best["sum", "grid"][b] == pytest.approx(min(grid), abs=1e-6)


def test_the_grid_is_rows_and_columns_4_12_to_60():
    rows = torch.arange(64).float()[:, None].expand(64, 64)
    assert on("grid", rows)[:, 0].tolist() == [4, 12, 20, 28, 36, 44, 52, 60]
    assert on("grid", rows.T)[0].tolist() == [4, 12, 20, 28, 36, 44, 52, 60]


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 1000), k=st.integers(1, 6))
def test_order_of_the_samples_and_the_batch_change_nothing(seed, k):
    truth, ab = fields(seed, 3, 2, 64, 64), fields(seed + 1, 3, k, 2, 64, 64)
    flat = colour_weights.ColourWeights("channel64", np.full((2, 64), 1 / 64))
    for metric in (AbsoluteError(), ErrorOfBest(), variance.metric()):
        whole = values(metric, SampleSet(ab, "iid"), truth, flat)
        turned = values(metric, SampleSet(ab.flip(1), "iid"), truth, flat)
        alone = values(metric, SampleSet(ab[1:2], "iid"), truth[1:2], flat)
        for key in whole:
            assert turned[key] == pytest.approx(whole[key], rel=1e-12)
            assert alone[key] == pytest.approx(whole[key][1:2], rel=1e-12)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 1000))
def test_error_of_best_is_at_most_the_mean_error_and_never_grows_with_k(seed):
    truth, ab = fields(seed, 2, 2, 64, 64), fields(seed + 1, 2, 6, 2, 64, 64)
    flat = colour_weights.ColourWeights("channel64", np.full((2, 64), 1 / 64))
    few = values(ErrorOfBest(), SampleSet(ab[:, :3], "iid"), truth, flat)["sum", "all"]
    many = values(ErrorOfBest(), SampleSet(ab, "iid"), truth, flat)["sum", "all"]
    mean = values(AbsoluteError(), SampleSet(ab, "iid"), truth, flat)["sum", "all"]
    assert (many <= few).all()
    assert (many <= mean).all()
