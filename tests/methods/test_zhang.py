"""Zhang's network layer by layer, its targets, and draws from per-pixel distributions."""

import numpy as np
import pytest
import torch
from scipy.stats import chi2_contingency, chisquare
from torch import nn

from bench.contracts.colour_weights import bin_centres
from bench.methods.nets.presets import PRESETS
from bench.methods.nets.zhang import ZhangNet
from bench.methods.zhang_model import PixelDistribution, rebalancing, soft_encode, soft_prior

# Section 11 of the facts: block, output channels, strides, dilation.
TABLE = [
    (1, 64, (1, 2), 1),
    (2, 128, (1, 2), 1),
    (3, 256, (1, 1, 2), 1),
    (4, 512, (1, 1, 1), 1),
    (5, 512, (1, 1, 1), 2),
    (6, 512, (1, 1, 1), 2),
    (7, 512, (1, 1, 1), 1),
]


def logits(seed, *shape, spread=2.0):
    return spread * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def distribution(values, seeds=(1,), temperature=1.0, mean_temperature=0.38):
    return PixelDistribution(values, seeds, temperature, mean_temperature)


def bins(samples):
    """Indices of the drawn colours `(B, n, h, w)`."""
    where = {tuple(c): i for i, c in enumerate(bin_centres().tolist())}
    flat = samples.ab.permute(0, 1, 3, 4, 2)
    index = [where[tuple(c)] for c in flat.reshape(-1, 2).tolist()]
    return np.array(index).reshape(flat.shape[:-1])


@pytest.fixture(scope="module")
def paper_network():
    with torch.device("meta"):
        return ZhangNet(PRESETS["paper"])


@pytest.mark.parametrize(("block", "channels", "strides", "dilation"), TABLE)
def test_the_table_of_layers(paper_network, block, channels, strides, dilation):
    layers = list(getattr(paper_network, f"model{block}"))
    assert [type(m) for m in layers] == [nn.Conv2d, nn.ReLU] * len(strides) + [nn.BatchNorm2d]
    convolutions = layers[:-1:2]
    assert [c.stride for c in convolutions] == [(s, s) for s in strides]
    for convolution in convolutions:
        assert convolution.kernel_size == (3, 3)
        assert convolution.dilation == convolution.padding == (dilation, dilation)
        assert convolution.out_channels == channels
        assert convolution.bias is not None
    assert convolutions[0].in_channels == (1 if block == 1 else TABLE[block - 2][1])
    assert layers[-1].num_features == channels
    assert layers[-1].eps == 1e-5


def test_the_last_block_goes_up_once_and_has_no_norm(paper_network):
    layers = list(paper_network.model8)
    up, second, third, last = layers[::2]
    assert [type(m) for m in layers[1::2]] == [nn.ReLU] * 3
    assert isinstance(up, nn.ConvTranspose2d)
    assert (up.in_channels, up.out_channels, up.kernel_size, up.stride, up.padding) == (
        512,
        256,
        (4, 4),
        (2, 2),
        (1, 1),
    )
    for convolution in (second, third):
        assert (convolution.out_channels, convolution.kernel_size, convolution.dilation) == (
            256,
            (3, 3),
            (1, 1),
        )
    assert (last.in_channels, last.out_channels, last.kernel_size) == (256, 313, (1, 1))


def test_features_are_taken_after_the_activation_and_before_the_norm():
    network = ZhangNet(PRESETS["tiny"]).eval()
    grey = 100 * torch.rand(1, 1, 56, 56, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = network.conv7(grey)
        assert features.min() == 0
        torch.testing.assert_close(network.model8(network.model7[6](features)), network(grey))


def test_the_network_sees_lightness_centred_and_scaled():
    network, seen = ZhangNet(PRESETS["tiny"]).eval(), []
    network.model1[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        network(torch.tensor([0.0, 50.0, 100.0, 75.0]).repeat_interleave(4).reshape(1, 1, 4, 4))
    assert seen[0].flatten()[::4].tolist() == [-0.5, 0, 0.5, 0.25]


def test_soft_encoding_by_a_loop():
    centres = bin_centres()
    colours = np.random.default_rng(0).uniform(-80, 80, (50, 2)).astype(np.float32)
    index, share = soft_encode(torch.from_numpy(colours), torch.from_numpy(centres))
    assert index.shape == share.shape == (50, 10)
    for row, colour in enumerate(colours.astype(float)):
        squares = [(a - colour[0]) ** 2 + (b - colour[1]) ** 2 for a, b in centres.astype(float)]
        nearest = sorted(range(313), key=squares.__getitem__)[:10]
        expected = np.array([np.exp(-squares[i] / 50) for i in nearest])
        assert set(index[row].tolist()) == set(nearest)
        assert index[row, 0] == nearest[0]
        by_bin = dict(zip(index[row].tolist(), share[row].tolist()))
        np.testing.assert_allclose(
            [by_bin[i] for i in nearest], expected / expected.sum(), atol=2e-4
        )


def test_the_prior_of_one_colour_is_its_soft_encoding():
    colour = np.array([13.0, -27.0], dtype=np.float32)
    ab = np.broadcast_to(colour[:, None, None], (6, 2, 64, 64)).astype(np.float32)
    prior = soft_prior(_Photos(ab), 0)
    index, share = soft_encode(torch.from_numpy(colour)[None], torch.from_numpy(bin_centres()))
    expected = np.zeros(313)
    expected[index[0].numpy()] = share[0].numpy()
    np.testing.assert_allclose(prior, expected, atol=2e-4)
    assert prior.sum() == pytest.approx(1)


class _Photos:
    def __init__(self, ab):
        self.ab = ab

    def __len__(self):
        return len(self.ab)


@pytest.mark.parametrize("mix", [0.0, 0.25, 0.5, 1.0])
def test_rebalancing_has_a_mean_of_one_under_the_prior(mix):
    prior = np.random.default_rng(0).dirichlet(np.full(313, 0.3))
    factor = rebalancing(prior, mix)
    assert (prior * factor).sum() == pytest.approx(1)
    smoothed = (1 - mix) * prior + mix / 313
    np.testing.assert_allclose(factor[5] / factor[6], smoothed[6] / smoothed[5], rtol=1e-4)


def test_rebalancing_has_the_releases_span():
    """Section 11 of the facts: from 0.0965 for grey, 0.201 of the prior, to 6.17 for the rarest
    colour."""
    prior = np.full(313, (1 - 0.201) / 311)
    prior[0], prior[1] = 0.201, 6.1e-9
    factor = rebalancing(prior, 0.5)
    assert factor[1] / factor[0] == pytest.approx(6.17 / 0.0965, rel=5e-3)
    np.testing.assert_allclose(rebalancing(prior, 1.0), 1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_draws_have_the_softmax_as_their_frequencies(temperature):
    values = logits(0, 1, 313, 1, 1, spread=1.5)
    drawn = bins(distribution(values.expand(1, 313, 64, 64), temperature=temperature).sample(20))
    counts = np.bincount(drawn.ravel(), minlength=313)
    share = (values.flatten() / temperature).double().softmax(0).numpy() * drawn.size
    rare = share < 10
    found, expected = (np.append(c[~rare], c[rare].sum()) for c in (counts, share))
    found, expected = (c[expected > 0] for c in (found, expected))
    assert chisquare(found, expected * found.sum() / expected.sum()).pvalue > 1e-3


def test_every_pixel_has_its_own_distribution():
    values = torch.full((2, 313, 64, 64), -30.0)
    wanted = np.random.default_rng(0).integers(0, 313, (2, 64, 64))
    values.scatter_(1, torch.from_numpy(wanted)[:, None], 30.0)
    drawn = bins(distribution(values, seeds=(1, 2)).sample(3))
    assert (drawn == wanted[:, None]).all()


def test_neighbouring_pixels_and_draws_are_independent():
    values = torch.full((1, 313, 64, 64), -50.0)
    values[:, [3, 50, 150, 300]] = torch.tensor([0.0, 0.5, 1.0, 0.2])[:, None, None]
    drawn = np.unique(bins(distribution(values).sample(8)), return_inverse=True)[1].reshape(
        8, 64, 64
    )
    pairs = [
        (drawn[:, :, ::2], drawn[:, :, 1::2]),
        (drawn[:, ::2], drawn[:, 1::2]),
        (drawn[::2], drawn[1::2]),
    ]
    for one, other in pairs:
        table = np.zeros((4, 4))
        np.add.at(table, (one.ravel(), other.ravel()), 1)
        assert chi2_contingency(table).pvalue > 1e-3


def test_draws_come_from_their_seeds():
    values = logits(1, 2, 313, 8, 8)
    ten, five = (distribution(values, seeds=(4, 9)).sample(n).ab for n in (10, 5))
    assert torch.equal(ten[:, :5], five)
    assert torch.equal(distribution(values[1:], seeds=(9,)).sample(5).ab, five[1:])
    assert not torch.equal(distribution(values, seeds=(5, 9)).sample(5).ab[0], five[0])
    assert not torch.equal(ten[:, 0], ten[:, 1])
    same = distribution(values[:1].expand(2, -1, -1, -1), seeds=(4, 9)).sample(1).ab
    assert not torch.equal(same[0], same[1])


def test_presenting_is_drawing():
    presented = distribution(logits(1, 2, 313, 8, 8), seeds=(4, 9)).present(3)
    assert (presented.kind, presented.n_drawn, presented.weights) == ("iid", 3, None)
    assert presented.ab.shape == (2, 3, 2, 8, 8)


def test_the_mean_is_the_annealed_expectation():
    values = logits(2, 1, 313, 3, 4)
    found = distribution(values, mean_temperature=0.38).mean()
    assert found.shape == (1, 2, 3, 4)
    centres = bin_centres().astype(float)
    for y in range(3):
        for x in range(4):
            raised = [np.exp(v / 0.38) for v in values[0, :, y, x].double().tolist()]
            expected = sum(r * c for r, c in zip(raised, centres)) / sum(raised)
            np.testing.assert_allclose(found[0, :, y, x].numpy(), expected, atol=1e-3)


def test_the_coldest_draws_and_the_coldest_mean_are_the_mode():
    values = logits(3, 1, 313, 16, 16)
    values.scatter_add_(1, values.argmax(1, keepdim=True), torch.ones(1, 1, 16, 16))
    cold = distribution(values, temperature=1e-3, mean_temperature=1e-3)
    mode = cold.mode()
    assert torch.equal(
        mode[0, :, 2, 5], torch.from_numpy(bin_centres())[values[0, :, 2, 5].argmax()]
    )
    assert torch.equal(cold.sample(2).ab, mode[:, None].expand(-1, 2, -1, -1, -1))
    torch.testing.assert_close(cold.mean(), mode)
