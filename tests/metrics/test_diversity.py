"""Pairwise distance, colour entropy and effective modes against plain loops and SciPy."""

import itertools

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform
from scipy.stats import entropy

from bench.contracts import SampleSet
from bench.contracts.colour_weights import bin_centres
from bench.metrics.diversity import colour_entropy, effective_modes, pairwise_distance

SCALE = 128.0
ALL = (pairwise_distance.metric(), colour_entropy.metric(), effective_modes.metric())


def some_weights(count, k):
    rows = np.random.default_rng(8).gamma(1.0, size=(count, k))
    return rows / rows.sum(1, keepdims=True)


def bins_of(ab):
    middle = (
        np.floor(ab.astype(np.float64)).reshape(2, -1).T + 0.5
    )  # unit cells: how bins are defined here
    return ((middle[:, None] - bin_centres()[None]) ** 2).sum(-1).argmin(1)


@pytest.fixture(
    params=[(2, 4, torch.float32, False), (1, 2, torch.float64, True), (2, 5, torch.float32, True)],
    ids=str,
)
def batch(request, fields):
    count, k, dtype, weighted = request.param
    ab = (fields(1, count, k, 2, 64, 64) / 6).to(
        dtype
    )  # near enough for kernels to be neither 0 nor 1
    weights = some_weights(count, k) if weighted else np.full((count, k), 1 / k)
    samples = SampleSet(ab, "iid", torch.from_numpy(weights) if weighted else None)
    return (
        samples,
        (fields(2, count, 2, 64, 64) / 3).to(dtype),
        ab.numpy().astype(np.float64),
        weights,
    )


def test_pairwise_distance_is_the_loop_over_pairs(score, batch):
    samples, truth, ab, weights = batch
    found = score(pairwise_distance.metric(), samples, truth)["ab", "all"]
    for fields, share, value in zip(ab, weights, found):
        total = mass = 0.0
        for i, j in itertools.combinations(range(len(fields)), 2):
            distance = np.hypot(*(fields[i] - fields[j])).mean()
            total, mass = total + share[i] * share[j] * distance, mass + share[i] * share[j]
        assert value == pytest.approx(total / mass / SCALE, rel=1e-6)


def test_colour_entropy_is_scipys_of_numpys_histograms(score, batch):
    samples, truth, ab, weights = batch
    found = score(colour_entropy.metric(), samples, truth)
    for b in range(len(ab)):
        bins = np.array([bins_of(field) for field in ab[b]])
        palettes = np.array([np.bincount(row, minlength=313) / 4096 for row in bins])
        assert found["pooled", "all"][b] == pytest.approx(
            entropy(weights[b] @ palettes, base=2), rel=1e-6
        )
        assert found["mean-of-n", "all"][b] == pytest.approx(
            weights[b] @ entropy(palettes, base=2, axis=1), rel=1e-6
        )
        assert found["truth", "all"][b] == pytest.approx(
            entropy(np.bincount(bins_of(truth[b].numpy())), base=2), rel=1e-6
        )
        at_pixels = np.zeros((4096, 313))
        for row, weight in zip(bins, weights[b]):
            at_pixels[np.arange(4096), row] += weight
        assert found["per-pixel", "all"][b] == pytest.approx(
            entropy(at_pixels, base=2, axis=1).mean(), rel=1e-6
        )


@pytest.mark.parametrize("bandwidth", [3.0, 10.0])
def test_effective_modes_are_the_entropy_of_the_kernels_spectrum(score, batch, bandwidth):
    samples, truth, ab, weights = batch
    found = score(effective_modes.metric(bandwidth=bandwidth), samples, truth)["field", "all"]
    for fields, share, value in zip(ab, weights, found):
        squared = squareform(pdist(fields.reshape(len(fields), -1), "sqeuclidean")) / 4096
        kernel = np.exp(-squared / (2 * bandwidth**2)) * np.sqrt(np.outer(share, share))
        assert value == pytest.approx(np.exp(entropy(np.linalg.eigvalsh(kernel))), rel=1e-6)


def test_one_sample_and_samples_alike_have_no_diversity(fields, score):
    truth, one = fields(1, 2, 2, 64, 64), fields(2, 2, 1, 2, 64, 64)
    ten = one.expand(-1, 10, -1, -1, -1)
    whole = SampleSet(fields(3, 2, 3, 2, 64, 64), "modes", torch.tensor([[1.0, 0, 0], [0, 0, 1.0]]))
    for samples in (SampleSet(one, "point"), SampleSet(ten, "iid"), whole):
        assert score(ALL[0], samples, truth)["ab", "all"].tolist() == [0, 0]
        assert score(ALL[1], samples, truth)["per-pixel", "all"] == pytest.approx([0, 0], abs=1e-12)
        assert score(ALL[2], samples, truth)["field", "all"] == pytest.approx([1, 1], abs=1e-9)
    alone, repeated = (score(ALL[1], SampleSet(ab, "iid"), truth) for ab in (one, ten))
    assert repeated["pooled", "all"] == pytest.approx(alone["mean-of-n", "all"], rel=1e-9)


def test_samples_that_are_far_apart_are_as_many_modes_as_there_are(fields, score):
    truth = fields(1, 1, 2, 64, 64)
    colours = torch.tensor([[60.0, 0], [-60, 0], [0, 60], [0, -60]])
    flat = colours[None, :, :, None, None].expand(1, 4, 2, 64, 64)
    assert score(ALL[2], flat, truth)["field", "all"] == pytest.approx([4], rel=1e-6)
    pair = torch.cat([flat[:, :2], flat[:, :2]], 1)  # two modes, twice each
    assert score(ALL[2], pair, truth)["field", "all"] == pytest.approx([2], rel=1e-6)
    found = score(ALL[1], flat, truth)
    assert found["pooled", "all"] == pytest.approx([2], rel=1e-9)
    assert found["per-pixel", "all"] == pytest.approx([2], rel=1e-9)
    assert found["mean-of-n", "all"] == pytest.approx([0], abs=1e-12)
    assert score(ALL[0], pair, truth)["ab", "all"] == pytest.approx([4 / 6 * 120 / SCALE], rel=1e-9)


def test_a_hundred_samples_the_order_and_the_batch(fields, score):
    truth, ab = fields(1, 2, 2, 64, 64), fields(2, 2, 100, 2, 64, 64) / 4
    for metric in ALL:
        whole, turned = (score(metric, samples, truth) for samples in (ab, ab.flip(1)))
        alone = score(metric, ab[1:], truth[1:])
        for key, values in whole.items():
            assert np.isfinite(values).all()
            assert turned[key] == pytest.approx(values, rel=1e-9)
            assert alone[key] == pytest.approx(values[1:], rel=1e-9)
    field = fields(3, 1, 2, 64, 64)[:, None]
    mixed = torch.cat(
        [field.expand(-1, 50, -1, -1, -1), (field + 100).expand(-1, 50, -1, -1, -1)], 1
    )
    assert score(ALL[2], mixed, truth[:1])["field", "all"] == pytest.approx([2], rel=1e-9)
