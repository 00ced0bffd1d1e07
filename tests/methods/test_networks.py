"""Sizes and shapes of the networks at every preset, against the facts."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from bench.methods.nets.encoder_decoder import Decoder, Encoder
from bench.methods.nets.presets import PRESETS, steps
from bench.methods.nets.trunk import Trunk
from bench.methods.nets.zhang import ZhangNet, shrink


def build(make, *arguments):
    """A network without memory for its numbers."""
    with torch.device("meta"):
        return make(*arguments).eval()


def millions(network, norms=True):
    """Weights and biases; the facts' figures of the colour nets leave the norms out."""
    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear) + ((nn.BatchNorm2d,) if norms else ())
    layers = [m for m in network.modules() if isinstance(m, kinds)]
    return sum(p.numel() for m in layers for p in m.parameters(recurse=False)) / 1e6


def meta(*shape):
    return torch.empty(shape, device="meta")


def test_numbers_of_parameters_at_the_papers_sizes():
    paper = PRESETS["paper"]
    assert round(millions(build(Encoder, 64, paper), norms=False), 1) == 14.6
    assert round(millions(build(Decoder, 64, paper), norms=False), 1) == 18.3
    assert round(millions(build(Trunk, (512, 28, 28), 520, paper, 0.25), norms=False), 1) == 117.8
    assert round(millions(build(ZhangNet, paper)), 2) == 32.24


def test_the_readme_says_them():
    text, paper = (Path(__file__).parents[2] / "README.md").read_text(), PRESETS["paper"]
    networks = {
        "VAE encoder": (Encoder, 64, paper),
        "decoder": (Decoder, 64, paper),
        "MDN": (Trunk, (512, 28, 28), 520, paper, 0.25),
        "Zhang's network": (ZhangNet, paper),
    }
    for name, made in networks.items():
        said, digits = re.search(rf"{name} (\d+\.(\d+)) M\b", text).groups()
        assert f"{millions(build(*made)):.{len(digits)}f}" == said


@pytest.mark.parametrize("name", PRESETS)
def test_shapes(name):
    preset = PRESETS[name]
    zhang = build(ZhangNet, preset)
    side, feature_side = preset.grey // 4, preset.grey * 7 // 64
    assert zhang(meta(2, 1, preset.grey, preset.grey)).shape == (2, 313, side, side)
    features = zhang.conv7(meta(2, 1, preset.feature_grey, preset.feature_grey))
    assert features.shape == (2, preset.channels(512), feature_side, feature_side)
    mean, log_variance = build(Encoder, 32, preset)(meta(2, 2, 64, 64))
    assert mean.shape == log_variance.shape == (2, 32)
    assert build(Decoder, 32, preset)(meta(2, 32)).shape == (2, 2, 64, 64)
    assert build(Trunk, features.shape[1:], 9, preset, 0.25)(features).shape == (2, 9)


def test_conv7_at_the_papers_size():
    assert build(ZhangNet, PRESETS["paper"]).conv7(meta(1, 1, 224, 224)).shape == (1, 512, 28, 28)


def test_the_encoder_takes_a_grey_code_at_its_last_layer():
    preset = PRESETS["tiny"]
    with torch.device("meta"):
        encoder = Encoder(8, preset, extra=5)
    assert encoder.code.in_features == 16 * preset.channels(1024) + 5
    assert encoder(meta(3, 2, 64, 64), meta(3, 5))[0].shape == (3, 8)


def test_the_norm_comes_after_the_activation():
    for network in (
        Encoder(8, PRESETS["tiny"]).convolutions,
        Trunk((4, 8, 8), 3, PRESETS["tiny"], 0.1).convolutions,
    ):
        kinds = [type(m) for m in network]
        assert kinds == [nn.Conv2d, nn.ReLU, nn.BatchNorm2d] * (len(kinds) // 3)


def test_the_trunk_ends_in_a_squashed_layer_between_dropouts():
    trunk = Trunk((4, 8, 8), 3, PRESETS["tiny"], 0.1)
    assert [type(m) for m in trunk.full] == [nn.Dropout, nn.Linear, nn.Tanh, nn.Dropout]
    assert [m.p for m in trunk.full[::3]] == [0.1, 0.1]


def test_codes_start_near_the_prior():
    """A tenth of the usual weights: with those the divergence would start near 230 nats."""
    encoder = Encoder(64, PRESETS["tiny"])
    assert encoder.code.weight.abs().max().item() == pytest.approx(
        0.1 / encoder.code.in_features**0.5, rel=0.01
    )
    assert not encoder.code.bias.any()


def test_decoded_fields_are_in_range_and_log_variances_bounded():
    decoder, encoder = Decoder(4, PRESETS["tiny"]), Encoder(4, PRESETS["tiny"])
    field = decoder(100 * torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))
    assert field.abs().max() <= 1
    _, log_variance = encoder(1e6 * field)
    assert log_variance.min() >= -12
    assert log_variance.max() <= 6


def test_shrinking_keeps_the_mean_and_leaves_the_right_size_alone():
    ramp = torch.linspace(0, 100, 256).expand(1, 1, 256, 256)
    assert shrink(ramp, 256) is ramp
    small = shrink(ramp, 64)
    assert small.shape == (1, 1, 64, 64)
    assert float(small.mean()) == pytest.approx(50, abs=1e-3)
    assert np.diff(small[0, 0, 0].numpy()).min() > 0


def test_steps_by_preset_or_as_given():
    assert steps("auto", {"tiny": 3}, "tiny") == 3
    assert steps(7, {"tiny": 3}, "tiny") == 7
