"""Clustering the CVAE's draws."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from torch import nn

from bench.errors import BenchError
from bench.methods.cvae_model import CvaeDistribution, _centroids


class Linear(nn.Module):
    """Fields that are linear in code and grey code."""

    def decode(self, code, grey_code):
        weights = torch.linspace(-0.2, 0.2, 3 * 8192).reshape(3, 8192)
        return (code @ weights + grey_code.mean(1, keepdim=True)).tanh().reshape(-1, 2, 64, 64)


def draws(seed, count=128, size=2048, spread=1.0):
    """Draws as a decoder makes them: few directions, a little noise."""
    rng = np.random.default_rng(seed)
    fields = rng.normal(size=(count, 12)) @ rng.normal(size=(12, size)) + 0.1 * rng.normal(
        size=(count, size)
    )
    return (40 + spread * fields).astype(np.float32)


def inertia(fields, centroids):
    return float(np.square(fields[:, None].astype(float) - centroids).sum(2).min(1).sum())


@pytest.mark.parametrize(("seed", "k"), [(0, 5), (1, 5), (2, 8)])
def test_clusters_are_those_of_the_raw_vectors(seed, k):
    fields = draws(seed)
    centroids, shares = _centroids(fields, k, seed)
    raw = KMeans(k, n_init=10, random_state=seed).fit(fields)
    assert inertia(fields, centroids) <= raw.inertia_ * 1.005
    assert shares.sum() == pytest.approx(1)
    assert (np.diff(shares) <= 0).all()


def test_well_separated_clusters_are_found():
    rng = np.random.default_rng(0)
    centres = 100 * rng.normal(size=(3, 500))
    labels = np.repeat([0, 1, 2], [10, 60, 30])
    fields = (centres[labels] + rng.normal(size=(100, 500))).astype(np.float32)
    centroids, shares = _centroids(fields, 3, 2**62 + 1)
    np.testing.assert_allclose(shares, [0.6, 0.3, 0.1])
    np.testing.assert_allclose(
        centroids, [fields[labels == c].mean(0) for c in (1, 2, 0)], rtol=1e-4, atol=1e-3
    )


@pytest.mark.parametrize("distinct", [1, 2, 4])
def test_few_distinct_draws(distinct):
    fields = draws(0, 4)[np.arange(16) % distinct]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        centroids, shares = _centroids(fields, 5, 0)
    assert np.isfinite(centroids).all()
    assert shares.sum() == pytest.approx(1)
    assert (shares > 0).sum() >= distinct
    assert inertia(fields, centroids) == pytest.approx(0, abs=1e-3)


def test_as_many_clusters_as_draws():
    fields = draws(3, 5)
    centroids, shares = _centroids(fields, 5, 0)
    np.testing.assert_allclose(shares, 0.2)
    assert inertia(fields, centroids) == pytest.approx(0, abs=1e-3)


def test_no_more_can_be_presented_than_are_drawn():
    few = CvaeDistribution(Linear().decode, torch.zeros(1, 3), [1], draws=4)
    assert few.present(4).ab.shape[1] == 4
    with pytest.raises(
        BenchError, match=r"clusters 4 draws and can't present 5: use cvae\[draws=5\]"
    ):
        few.present(5)


def test_presenting_clusters_the_draws_of_each_photograph():
    both = CvaeDistribution(
        Linear().decode, torch.tensor([[0.1] * 3, [-0.4] * 3]), [1, 2], draws=40
    )
    presented, drawn = both.present(3), both.sample(40)
    assert (presented.kind, presented.n_drawn) == ("centroids", 40)
    torch.testing.assert_close(presented.weights.sum(1), torch.ones(2))
    weighted = (presented.weights[..., None, None, None] * presented.ab).sum(1)
    torch.testing.assert_close(weighted, drawn.ab.mean(1), atol=1e-3, rtol=1e-3)


def test_draws_come_from_their_seeds():
    both = CvaeDistribution(Linear().decode, torch.zeros(2, 3), [1, 2], draws=40)
    ten, five = both.sample(10), both.sample(5)
    assert (five.kind, five.n_drawn) == ("iid", 5)
    torch.testing.assert_close(
        ten.ab[:, :5], five.ab, atol=1e-3, rtol=0
    )  # kernels round by batch size
    alone = CvaeDistribution(Linear().decode, torch.zeros(1, 3), [2], draws=40).sample(5)
    torch.testing.assert_close(alone.ab[0], five.ab[1], atol=1e-3, rtol=0)
    assert not torch.equal(five.ab[0], five.ab[1])


def test_every_draw_is_decoded_beside_its_own_photographs_code():
    """Fields whose first channel is the code, and whose second one is the grey code."""
    grey_code = torch.tensor([[1.0, 2.0], [-3.0, 5.0]])
    both = CvaeDistribution(
        lambda code, grey: torch.stack([code, grey], dim=1)[:, :, None], grey_code, [1, 2], draws=4
    )
    code, grey = (both.sample(2000).ab[:, :, :, 0] / 128).unbind(2)
    assert torch.equal(grey, grey_code[:, None].expand(-1, 2000, -1))
    np.testing.assert_allclose(code.mean(1), 0, atol=0.1)
    np.testing.assert_allclose(code.std(1), 1, atol=0.07)
