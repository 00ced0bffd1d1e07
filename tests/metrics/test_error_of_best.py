"""Error-of-best's pixel-wise twin and its curve over the number of draws, against loops and brute
force."""

import itertools

import numpy as np
import pytest
import torch

from bench.contracts import SampleSet
from bench.metrics.absolute_error import AbsoluteError
from bench.metrics.error_of_best import ErrorOfBest, PixelErrorOfBest
from bench.metrics.error_of_best_curve import ErrorOfBestCurve, expected_minimum

SCALE = 128.0


@pytest.fixture(
    params=[(1, 1, torch.float32), (2, 5, torch.float64), (3, 7, torch.float32)], ids=str
)
def batch(request, fields):
    count, k, dtype = request.param
    return fields(1, count, k, 2, 64, 64).to(dtype), fields(2, count, 2, 64, 64).to(dtype)


def errors(ab, truth):
    return np.abs(ab.numpy().astype(float) - truth.numpy().astype(float)[:, None]) / SCALE


def test_the_pixel_wise_minimum_is_a_plain_loop(score, batch):
    ab, truth = batch
    found = score(PixelErrorOfBest(), SampleSet(ab, "modes"), truth)
    for b, error in enumerate(errors(ab, truth)):
        total = {"all": 0.0, "grid": 0.0}
        for c, row, column in np.ndindex(2, 64, 64):
            best = min(one[c, row, column] for one in error)
            total["all"] += best / 4096
            total["grid"] += best / 64 * (row % 8 == 4 and column % 8 == 4)
        for region, value in total.items():
            assert found["sum", region][b] == pytest.approx(value, rel=1e-6)
            assert found["mean", region][b] == pytest.approx(value / 2, rel=1e-6)


def test_pixels_choose_for_themselves_what_whole_fields_can_not(score, fields):
    """Either half of the truth is right in one of two fields: nothing is left pixel by pixel, half
    of it by fields."""
    truth = fields(1, 1, 2, 64, 64)
    ab = torch.zeros(1, 2, 2, 64, 64)
    ab[:, 0, ..., :32], ab[:, 1, ..., 32:] = truth[..., :32], truth[..., 32:]
    assert score(PixelErrorOfBest(), ab, truth)["sum", "all"] == [0]
    halves = [float(half.abs().sum()) / 4096 / SCALE for half in (truth[..., :32], truth[..., 32:])]
    assert score(ErrorOfBest(), ab, truth)["sum", "all"] == pytest.approx([min(halves)], rel=1e-6)


def test_the_curve_is_the_mean_over_all_subsets(score, batch):
    ab, truth = batch
    found, m = score(ErrorOfBestCurve(), ab, truth), ab.shape[1]
    assert found.keys() == {("sum", "all", n) for n in range(1, m + 1)}
    for b, error in enumerate(errors(ab, truth).sum(2).mean((-1, -2))):
        for n in range(1, m + 1):
            wanted = np.mean([min(chosen) for chosen in itertools.combinations(error, n)])
            assert found["sum", "all", n][b] == pytest.approx(wanted, rel=1e-6)


def test_the_curve_goes_from_the_mean_error_to_the_error_of_best_of_all(score, fields):
    ab, truth = fields(1, 2, 100, 2, 16, 16), fields(2, 2, 2, 16, 16)
    found = score(ErrorOfBestCurve(), ab, truth)
    assert found["sum", "all", 1] == pytest.approx(
        score(AbsoluteError(), ab, truth)["sum", "all"], rel=1e-9
    )
    assert found["sum", "all", 100] == pytest.approx(
        score(ErrorOfBest(), ab, truth)["sum", "all"], rel=1e-9
    )
    curve = np.stack([found["sum", "all", n] for n in range(1, 101)])
    assert (np.diff(curve, axis=0) < 0).all()


@pytest.mark.parametrize("n", [1, 2, 5, 10, 20])
def test_the_curve_is_unbiased(n):
    """Of 20 uniform numbers, the expected minimum of n is 1 / (n + 1)."""
    found = expected_minimum(torch.from_numpy(np.random.default_rng(0).random((20_000, 20))))[
        :, n - 1
    ].numpy()
    assert abs(found.mean() - 1 / (n + 1)) < 3 * found.std() / 20_000**0.5


def test_draws_alike_have_a_flat_curve_and_bad_numbers_none(score, fields):
    ab, truth = fields(1, 2, 1, 2, 16, 16).repeat(1, 6, 1, 1, 1), fields(2, 2, 2, 16, 16)
    flat = score(ErrorOfBestCurve(), ab, truth)
    for values in flat.values():
        assert values == pytest.approx(flat["sum", "all", 1], rel=1e-12)
    ab[1, 2, 1, 3, 5] = float("nan")  # on the grid as well
    for metric in (ErrorOfBestCurve(), ErrorOfBest(), PixelErrorOfBest()):
        for values in score(metric, ab, truth).values():
            assert np.isfinite(values).tolist() == [True, False]
