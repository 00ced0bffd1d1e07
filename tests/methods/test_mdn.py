"""The mixture's losses and density against torch.distributions and loops; presenting it and drawing
from it."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from bench.errors import BenchError
from bench.methods.mdn_model import Mixture, min_loss, mixture_log_prob


class Codec:
    """Codes are the first numbers of a field."""

    d = 3

    def decode(self, code):
        return torch.nn.functional.pad(code, (0, 8 - self.d)).reshape(-1, 2, 2, 2)

    def encode(self, ab):
        code = ab.reshape(len(ab), -1)[:, : self.d]
        return code, torch.zeros_like(code)


def mixture_numbers(seed=0, batch=4, components=5):
    generator = torch.Generator().manual_seed(seed)
    means = 2 * torch.randn(batch, components, 3, generator=generator)
    log_weights = torch.randn(batch, components, generator=generator).log_softmax(1)
    code = torch.randn(batch, 3, generator=generator)
    return means, log_weights, torch.tensor([0.1, 0.5, 2.0]), code


def mixture(means, log_weights, variance, seeds=None):
    return Mixture(means, log_weights, variance, Codec(), seeds or list(range(len(means))))


def codes_of(samples):
    return samples.ab.flatten(2)[..., :3]


def test_the_min_loss_by_a_loop():
    means, log_weights, variance, code = mixture_numbers()
    found = min_loss(means, log_weights, variance, code)
    for i in range(4):
        distances = [
            sum((z - m) ** 2 for z, m in zip(code[i].tolist(), mean)) for mean in means[i].tolist()
        ]
        m = distances.index(min(distances))
        scaled = sum(
            (z - c) ** 2 / (2 * v)
            for z, c, v in zip(code[i].tolist(), means[i, m].tolist(), variance.tolist())
        )
        assert float(found[i]) == pytest.approx(scaled - float(log_weights[i, m]), rel=1e-5)


def test_the_min_loss_moves_only_the_nearest_mean():
    means, log_weights, variance, code = mixture_numbers(1)
    means.requires_grad_()
    min_loss(means, log_weights, variance, code).sum().backward()
    moved = means.grad.abs().sum(2) > 0
    nearest = (means - code[:, None]).square().sum(2).argmin(1)
    assert moved.sum(1).tolist() == [1] * 4
    assert moved.int().argmax(1).tolist() == nearest.tolist()


def test_log_prob_is_that_of_torch():
    means, log_weights, variance, code = mixture_numbers(2)
    exact = MixtureSameFamily(
        Categorical(logits=log_weights), Independent(Normal(means, variance.sqrt()), 1)
    ).log_prob(code)
    torch.testing.assert_close(
        mixture_log_prob(means, log_weights, variance, code), exact, atol=1e-5, rtol=1e-5
    )
    field = Codec().decode(code)
    torch.testing.assert_close(
        mixture(means, log_weights, variance).log_prob(field), exact, atol=1e-5, rtol=1e-5
    )


def test_the_min_loss_bounds_the_exact_one():
    """-log of a sum is no more than -log of one of its terms, but for the Gaussian's constant."""
    means, log_weights, variance, code = mixture_numbers(3)
    constant = 0.5 * (variance.log().sum() + 3 * math.log(2 * math.pi))
    assert (
        -mixture_log_prob(means, log_weights, variance, code)
        <= min_loss(means, log_weights, variance, code) + constant
    ).all()


def test_the_heaviest_components_are_presented_first():
    means, log_weights, variance, _ = mixture_numbers(4)
    presented = mixture(means, log_weights, variance).present(3)
    assert presented.kind == "modes"
    assert presented.n_drawn == 3
    for i in range(4):
        order = sorted(range(5), key=lambda m: -log_weights[i, m])[:3]
        assert torch.equal(codes_of(presented)[i], means[i, order])
        share = log_weights[i, order].exp()
        torch.testing.assert_close(presented.weights[i], share / share.sum())


def test_no_more_can_be_presented_than_there_are():
    one = mixture(*mixture_numbers()[:3])
    assert one.present(5).ab.shape[1] == 5
    with pytest.raises(
        BenchError, match=r"has 5 components and can't present 6: use mdn\[components=6\]"
    ):
        one.present(6)


def test_draws_have_the_weights_and_the_variance():
    means = torch.tensor([[[-50.0, 0, 0], [0, 0, 0], [50, 0, 0]]])
    log_weights = torch.tensor([[0.2, 0.5, 0.3]]).log()
    variance = torch.tensor([0.1, 0.5, 2.0])
    drawn = codes_of(mixture(means, log_weights, variance, [7]).sample(6000))[0]
    component = (drawn[:, :1] - means[0, :, 0]).abs().argmin(1)
    counts = np.bincount(component.numpy(), minlength=3)
    assert chisquare(counts, [1200, 3000, 1800]).pvalue > 1e-3
    residual = drawn - means[0, component]
    np.testing.assert_allclose(residual.var(0), variance, rtol=0.08)
    np.testing.assert_allclose(residual.mean(0), 0, atol=0.08)
    assert np.abs(np.corrcoef(component.numpy(), residual[:, 2].numpy())[0, 1]) < 0.05


def test_draws_come_from_their_seeds():
    means, log_weights, variance, _ = mixture_numbers(5)
    ten, five = (mixture(means, log_weights, variance, [3, 4, 5, 6]).sample(n) for n in (10, 5))
    assert (five.kind, five.n_drawn, five.weights) == ("iid", 5, None)
    assert torch.equal(ten.ab[:, :5], five.ab)
    alone = mixture(means[2:3], log_weights[2:3], variance, [5]).sample(5)
    torch.testing.assert_close(alone.ab[0], five.ab[2])
    other = mixture(means[2:3], log_weights[2:3], variance, [8]).sample(5)
    assert not torch.equal(other.ab, alone.ab)


def test_neighbouring_seeds_draw_different_noise():
    """The noise of seed s must not be the component numbers, or the noise, of another photograph's
    seed."""
    means, log_weights = torch.zeros(2, 1, 3), torch.zeros(2, 1)
    one, other = codes_of(mixture(means, log_weights, torch.ones(3), [10, 11]).sample(200)).unbind()
    assert abs(np.corrcoef(one.flatten(), other.flatten())[0, 1]) < 0.15


class Wide(Codec):
    d = 16

    def decode(self, code):
        return code.reshape(-1, 2, 2, 4)


def test_the_noise_is_not_made_of_the_components_numbers():
    """The same generator's uniform and normal numbers are functions of one another where there are
    at least 16 of them."""
    means, log_weights = torch.zeros(400, 2, 16), torch.tensor([[0.5, 0.5]]).log().expand(400, 2)
    means[:, 1] = 100
    drawn = (
        Mixture(means, log_weights, torch.ones(16), Wide(), range(400))
        .sample(1)
        .ab.reshape(400, 16)
        .double()
    )
    side = (drawn[:, 0] > 50).double()
    noise = drawn - 100 * side[:, None]
    for number in (*noise.T, *noise.square().T):
        assert abs(np.corrcoef(side, number)[0, 1]) < 0.2


def test_the_mean_is_the_weighted_mean():
    means, log_weights, variance, _ = mixture_numbers(6)
    found = mixture(means, log_weights, variance).mean().flatten(1)[:, :3]
    for i in range(4):
        expected = sum(w * m for w, m in zip(log_weights[i].exp(), means[i]))
        torch.testing.assert_close(found[i], expected)
