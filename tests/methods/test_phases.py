"""Upsampling and convolution in one step, against the two steps one after the other."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from bench.methods.colour_nets import Decoder
from bench.methods.phases import FEW, PhasedDecoder, UpConv
from bench.methods.presets import PRESETS


@given(st.tuples(st.integers(1, 3), st.integers(1, 4), st.sampled_from([1, 2, 3, FEW, FEW + 1]), st.integers(1, 9),
                 st.integers(1, 9)), st.booleans())  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_one_step_is_the_two_steps(shape, bias):
    count, inputs, outputs, height, width = shape
    torch.manual_seed(0)
    conv = nn.Conv2d(inputs, outputs, 5, padding=2, bias=bias).double()
    x = torch.randn(count, inputs, height, width, dtype=torch.float64)
    with torch.inference_mode():
        wanted = conv(functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))
        assert torch.allclose(UpConv(conv)(x), wanted, atol=1e-12, rtol=0)


@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_the_decoder_for_drawing_is_the_decoder(preset):
    torch.manual_seed(0)
    decoder = Decoder(8, PRESETS[preset]).to(memory_format=torch.channels_last)
    code = 8 * torch.randn(5, 8)
    decoder(4 * torch.randn(32, 8))  # norms that do something
    decoder.eval()
    with torch.inference_mode():
        wanted, got = decoder(code), PhasedDecoder(decoder)(code)
    assert (got - wanted).abs().max() < 1e-4 * wanted.std()


def test_in_bfloat16_it_is_as_near_as_the_decoder_and_its_fields_are_float32():
    torch.manual_seed(0)
    decoder = Decoder(8, PRESETS["small"]).to(memory_format=torch.channels_last).eval()
    code = torch.randn(16, 8)
    with torch.inference_mode():
        exact = decoder(code)
        with torch.autocast("cpu", torch.bfloat16):
            rounded, got = decoder(code), PhasedDecoder(decoder)(code)
    assert got.dtype == torch.float32
    assert (got - exact).square().mean() < 2 * (rounded - exact).square().mean()
