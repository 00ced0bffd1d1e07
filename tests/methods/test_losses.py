"""The losses of section 3.1 against plain NumPy loops."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal
from torch.distributions import kl_divergence as exact_kl

from bench.contracts import colour_weights
from bench.data.fields import principal_components
from bench.methods.nets.codes import Balance, code_size, describe_codes, too_few
from bench.methods.nets.losses import (
    DecoderLoss,
    LossChoice,
    fit_loss,
    kl_divergence,
    reparameterise,
)

CHOICE = LossChoice("full", "squared", 0.1, 1e-3, 0.0, "mean")


def choice(**changes):
    return dataclasses.replace(CHOICE, **changes)


def truth_and_field(seed=0, count=2):
    rng = np.random.default_rng(seed)
    return (
        torch.from_numpy(rng.uniform(-0.7, 0.7, (count, 2, 64, 64)).astype(np.float32))
        for _ in range(2)
    )


@pytest.fixture(scope="module")
def training():
    """Fields of 60 photographs: smooth, with a few strong directions."""
    rng = np.random.default_rng(1)
    basis = rng.normal(size=(30, 2 * 64 * 64)) * np.linspace(3, 0.5, 30)[:, None]
    noise = rng.normal(size=(60, 2 * 64 * 64))
    return (
        (rng.normal(size=(60, 30)) @ basis + noise)
        .reshape(60, 2, 64, 64)
        .clip(-100, 100)
        .astype(np.float32)
    )


@pytest.fixture(scope="module")
def colours(training):
    return colour_weights.fit("channel64", training, 1e-9)  # no colour that occurs is rarer


@pytest.fixture(scope="module")
def components(training):
    return principal_components(training, 20, 0)


def loop_l2(d):
    return sum(float(v) ** 2 for v in d.ravel())


def loop_mahalanobis(d, components):
    flat = d.reshape(-1).astype(float)
    squares = [
        sum(a * b for a, b in zip(row.astype(float), flat)) ** 2 for row in components.directions
    ]
    inside = sum(s / float(v) for s, v in zip(squares, components.variances))
    return inside + (loop_l2(d) - sum(squares)) / float(components.variances[19])


def loop_gradient(d):
    d = d.astype(float)
    total = 0.0
    for c in range(2):
        for y in range(64):
            for x in range(64):
                total += (d[c, y, x + 1] - d[c, y, x]) ** 2 if x < 63 else 0
                total += (d[c, y + 1, x] - d[c, y, x]) ** 2 if y < 63 else 0
    return total


def loop_colourfulness(d, truth, colours, divisor, mix):
    total = 0.0
    for c in range(2):
        for value, difference in zip(truth[c].ravel(), d[c].ravel()):
            place = min(max(int(np.floor((np.float32(value) * 128 + 128) / 4)), 0), 63)
            weight = 1 / colours.prior[c, place] / divisor
            total += ((1 - mix) * weight + mix) * float(difference) ** 2
    return total


def occupied(training):
    """Mean number of histogram bins of 4 units in which a channel has any pixel."""
    return np.mean(
        [len(set(np.floor((training[:, c].ravel() + 128) / 4).astype(int))) for c in range(2)]
    )


def test_l2(training):
    truth, field = truth_and_field()
    found = DecoderLoss(choice(loss="l2"), None, None)(field, truth)
    np.testing.assert_allclose(found, [loop_l2(d) for d in (truth - field).numpy()], rtol=1e-5)


def test_mahalanobis(components):
    truth, field = truth_and_field(2)
    found = DecoderLoss(choice(loss="mah"), None, components)(field, truth)
    np.testing.assert_allclose(
        found, [loop_mahalanobis(d, components) for d in (truth - field).numpy()], rtol=1e-4
    )


@pytest.mark.parametrize("norm", ["squared", "root"])
@pytest.mark.parametrize(("mix", "scale"), [(0.0, "mean"), (0.3, "mean"), (0.0, "raw")])
def test_the_full_loss(training, colours, components, norm, mix, scale):
    truth, field = truth_and_field(3)
    loss = DecoderLoss(
        choice(norm=norm, mix=mix, weight_scale=scale, mah=0.2, grad=0.05), colours, components
    )
    divisor = occupied(training) if scale == "mean" else 1.0
    root = np.sqrt if norm == "root" else np.asarray
    for found, t, d in zip(loss(field, truth), truth.numpy(), (truth - field).numpy()):
        expected = root(loop_colourfulness(d, t, colours, divisor, mix)) + 0.05 * root(
            loop_gradient(d)
        )
        assert float(found) == pytest.approx(
            expected + 0.2 * loop_mahalanobis(d, components), rel=1e-4
        )


@pytest.mark.parametrize("norm", ["squared", "root"])
def test_every_term_of_the_full_loss_counts(colours, components, norm):
    """With lambdas at which they are of one size: otherwise the rarest colours drown the others."""
    truth, field = truth_and_field(5, 1)
    difference, root = (truth - field)[0].numpy(), np.sqrt if norm == "root" else np.asarray
    rare = root(loop_colourfulness(difference, truth[0].numpy(), colours, 1.0, 0.0))
    mah, grad = (
        2 * rare / loop_mahalanobis(difference, components),
        4 * rare / root(loop_gradient(difference)),
    )
    loss = DecoderLoss(
        choice(norm=norm, weight_scale="raw", mah=float(mah), grad=float(grad)), colours, components
    )
    assert float(loss(field, truth)[0]) == pytest.approx(7 * rare, rel=1e-4)


def test_mean_weights_are_raw_weights_with_a_mean_of_one(training, colours, components):
    truth = torch.from_numpy(training / 128)
    ones = DecoderLoss(choice(mah=0, grad=0), colours, components)(truth - 1, truth)
    assert float(ones.mean()) == pytest.approx(2 * 64 * 64, rel=1e-4)
    raw = DecoderLoss(choice(mah=0, grad=0, weight_scale="raw"), colours, components)(
        truth - 1, truth
    )
    np.testing.assert_allclose(raw / ones, np.full(60, occupied(training)), rtol=1e-4)


@pytest.mark.parametrize("floor", [1e-3, 1e-2, 1.0])
@pytest.mark.parametrize("name", ["channel64", "joint64", "zhang313"])
def test_mean_weights_have_a_mean_of_one_whatever_the_floor(training, components, name, floor):
    truth = torch.from_numpy(training / 128)
    loss = DecoderLoss(choice(mah=0, grad=0), colour_weights.fit(name, training, floor), components)
    assert float(loss(truth - 1, truth).mean()) == pytest.approx(2 * 64 * 64, rel=1e-3)


def test_the_mean_predictor_is_twenty_by_construction(training, components):
    """Facts, section 3: always the mean of N photographs gives 20 (N - 1) / N, and a residual over
    the 20th variance."""
    truth = torch.from_numpy(training / np.float32(128))
    loss = DecoderLoss(choice(loss="mah"), None, components)(truth.mean(0, keepdim=True), truth)
    residual = (components.total - components.variances.sum()) / components.variances[19]
    assert float(loss.mean()) == pytest.approx((20 + residual) * 59 / 60, rel=1e-3)


def test_the_gradient_ignores_a_constant_shift_and_counts_a_step():
    loss = DecoderLoss(choice(loss="l2"), None, None)
    flat = torch.full((1, 2, 64, 64), 0.3)
    assert float(loss.gradient(flat)) == 0
    step = flat.clone()
    step[:, 0, :, 32:] += 0.5
    assert float(loss.gradient(step)) == pytest.approx(64 * 0.25)


def test_the_root_of_nothing_has_a_finite_gradient(colours, components):
    truth, _ = truth_and_field(4)
    field = truth.clone().requires_grad_()
    DecoderLoss(choice(norm="root"), colours, components)(field, truth).sum().backward()
    assert torch.isfinite(field.grad).all()


def test_components_are_fitted_on_the_training_photographs(house):
    loss = fit_loss(CHOICE, house.train, house.colours, 0)
    assert loss.directions.shape == (20, 8192)
    assert not loss.state_dict()
    assert fit_loss(choice(loss="mah"), house.train, house.colours, 0).weights is None


@pytest.mark.parametrize(
    ("loss", "count", "fits"),
    [("l2", 2, True), ("l2", 1, False), ("mah", 21, True), ("full", 20, False)],
)
def test_how_many_photographs_a_loss_needs(loss, count, fits):
    assert (too_few(loss, count) is None) == fits


def test_kl_divergence():
    generator = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(2, 5, 8, generator=generator).unbind()
    exact = exact_kl(
        Independent(Normal(mean, (log_variance / 2).exp()), 1),
        Independent(Normal(torch.zeros(5, 8), 1.0), 1),
    )
    torch.testing.assert_close(kl_divergence(mean, log_variance), exact)


def test_codes_are_drawn_from_the_posterior():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = reparameterise(
            torch.full((20_000, 2), 3.0), torch.tensor([0.25, 4.0]).log().expand(20_000, 2)
        )
    np.testing.assert_allclose(drawn.mean(0), [3, 3], atol=0.05)
    np.testing.assert_allclose(drawn.var(0), [0.25, 4.0], rtol=0.05)


def test_the_weight_of_the_kl_term():
    one, two = torch.tensor(1000.0), torch.tensor(5.0)
    assert float(Balance(0.1)(one, two, 8192)) == pytest.approx(1000.5)
    auto = Balance("auto")
    assert float(auto(one, two, 100)) == pytest.approx(1000 + 20 * 5)
    auto(2 * one, two, 100)
    assert auto.weight == pytest.approx(0.95 * 20 + 0.05 * 40)
    auto.eval()
    auto(50 * one, two, 100)
    assert auto.weight == pytest.approx(21)


def test_the_size_of_a_code():
    assert [code_size("auto", "lfw"), code_size("auto", "church"), code_size(7, "lfw")] == [
        32,
        64,
        7,
    ]


def test_codes_are_described():
    mean = torch.zeros(1000, 3)
    mean[:, 0] = torch.linspace(-1, 1, 1000)
    found = describe_codes(mean, torch.full((1000, 3), 0.5))
    assert found["active_dimensions"] == 1
    expected = np.mean([np.sqrt(1 / 3 + 0.25), 0.5, 0.5])
    assert found["aggregate_code_std"] == pytest.approx(expected, abs=1e-3)
    assert found["kl_nats"] == pytest.approx(
        0.5 * (1 / 3 + 3 * (0.25 - np.log(0.25) - 1)), abs=1e-3
    )
