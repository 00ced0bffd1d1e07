"""The conditional mean: ridge regression from sums, its penalty, and what it finds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch.nn import functional

from bench.contracts.execution import Quiet
from bench.data.prepare import prepare
from bench.data.source import Source
from bench.datasets.demo import Demo
from bench.methods.mean_model import Mean, _design
from bench.methods.nets.ridge import PENALTIES, Sums, chosen_ridge, ridge
from bench.specs import DatasetSpec
from bench.store.local import Store


def test_the_ridge_is_scikit_learns():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6)) * [1, 10, 0.1, 3, 1, 5] + 7
    y = x @ rng.normal(size=(6, 2)) + rng.normal(size=(200, 2)) + 3
    sums = [
        Sums.of(torch.from_numpy(x[i : i + 50]), torch.from_numpy(y[i : i + 50]))
        for i in range(0, 200, 50)
    ]
    for penalty in (1e-6, 0.01, 1.0):
        found = ridge(sum(sums[1:], sums[0]))(penalty).numpy()
        expected = Ridge(penalty * len(x)).fit((x - x.mean(0)) / x.std(0), y)
        np.testing.assert_allclose(found[:-1], expected.coef_.T / x.std(0)[:, None], rtol=1e-6)
        np.testing.assert_allclose(
            x @ found[:-1] + found[-1], expected.predict((x - x.mean(0)) / x.std(0)), rtol=1e-6
        )
        assert sums[0].error(torch.from_numpy(found)) == pytest.approx(
            np.square(y[:50] - x[:50] @ found[:-1] - found[-1]).sum(), rel=1e-8
        )


def test_the_penalty_is_that_of_the_least_error_on_left_out_folds():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 30))
    y = x[:, :1] + 3 * rng.normal(size=(60, 1))
    parts = [slice(i, i + 12) for i in range(0, 60, 12)]
    errors = []
    for penalty in PENALTIES:
        error = 0.0
        for part in parts:
            rest = np.setdiff1d(np.arange(60), np.arange(60)[part])
            mean, deviation = x[rest].mean(0), x[rest].std(0)
            model = Ridge(penalty * len(rest)).fit((x[rest] - mean) / deviation, y[rest])
            error += np.square(
                model.predict((x[part] - mean) / deviation).reshape(-1, 1) - y[part]
            ).sum()
        errors.append(error)
    weights, penalty = chosen_ridge(
        [Sums.of(torch.from_numpy(x[p]), torch.from_numpy(y[p])) for p in parts]
    )
    assert penalty == PENALTIES[int(np.argmin(errors))]
    assert PENALTIES[0] < penalty < PENALTIES[-1]
    whole = Sums.of(torch.from_numpy(x), torch.from_numpy(y))
    torch.testing.assert_close(weights, ridge(whole)(penalty))


class Told:
    """A training set whose colours are a linear function of lightness, place by place, and of the
    place."""

    dataset, key = "told", "told"

    def __init__(self, count, seed=0):
        small = 100 * torch.rand(count, 1, 3, 3, generator=torch.Generator().manual_seed(seed))
        self.light = functional.interpolate(small, size=(256, 256), mode="bicubic")
        light = functional.adaptive_avg_pool2d(self.light, 64)
        self.ab = torch.cat([0.3 * light - 20, 10 - 0.2 * light], dim=1) + torch.linspace(
            -30, 30, 64
        )

    def __len__(self):
        return len(self.light)

    def grey(self, rows):
        return self.light[rows]

    def truth(self, rows):
        return self.ab[rows]


@pytest.mark.parametrize(("count", "most"), [(8, 0.3), (40, 0.05)])
def test_mean_finds_a_linear_law(house, count, most):
    train, test = Told(count), Told(20, seed=1)
    method = Mean(features="")
    method.fit(train, house.context(house.parts("cvae")))
    error = (method.predict(test.light, [0] * len(test)).mean() - test.ab).square().mean()
    assert error < most * (test.ab - train.ab.mean(0)).square().mean()


def test_a_place_is_told_by_its_features_and_its_lightness():
    features, grey = torch.arange(12.0).reshape(1, 3, 2, 2), torch.tensor([[10.0, 30], [50, 80]])
    rows = _design(features, grey.repeat_interleave(128, 0).repeat_interleave(128, 1)[None, None])
    expected = [
        [0, 4, 8, 0.1, 0.01],
        [1, 5, 9, 0.3, 0.09],
        [2, 6, 10, 0.5, 0.25],
        [3, 7, 11, 0.8, 0.64],
    ]
    torch.testing.assert_close(rows, torch.tensor(expected), rtol=1e-3, atol=0)


@pytest.mark.parametrize(("count", "possible"), [(7, False), (8, True)])
def test_mean_needs_eight_photographs(count, possible):
    assert (Mean(features="").incompatible("x", count) is None) == possible


def test_mean_is_nearer_than_grey_and_the_mean_field_on_the_demo_photographs(house, tmp_path):
    ids = [tuple(part[:24]) for part in Demo().split(Demo().files())]
    source, store = (
        Source("demo", DatasetSpec(name="demo", summary="", factory="x:Y"), Demo(), "demo", *ids),
        Store(tmp_path),
    )
    train, test = (
        prepare(source, part, None, house.protocol, store, Quiet()) for part in ("train", "test")
    )
    method = Mean(features="")
    method.fit(train, replace(house.context(house.parts("cvae")), store=store))
    truth = test.truth(slice(None))
    error = (method.predict(test.grey(slice(None)), [0] * len(test)).mean() - truth).square().mean()
    assert error < 0.95 * truth.square().mean()
    assert error < 0.95 * (method.base - truth).square().mean()
