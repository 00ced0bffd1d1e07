"""Upsampling and convolution in one step, against the two steps one after the other."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from bench.methods.nets import fast_decoder
from bench.methods.nets.encoder_decoder import Decoder, block, up
from bench.methods.nets.fast_decoder import (
    BESIDE,
    FEW,
    WIDE,
    OnePixel,
    PackedReLU,
    PhasedDecoder,
    SideBySide,
    UpConv,
)
from bench.methods.nets.presets import PRESETS


@given(
    st.tuples(
        st.integers(1, 3),
        st.integers(1, 4),
        st.sampled_from([1, 2, 3, FEW, FEW + 1]),
        st.integers(1, 9),
        st.integers(1, 9),
    ),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_one_step_is_the_two_steps(shape, bias):
    count, inputs, outputs, height, width = shape
    torch.manual_seed(0)
    conv = nn.Conv2d(inputs, outputs, 5, padding=2, bias=bias).double()
    x = torch.randn(count, inputs, height, width, dtype=torch.float64)
    with torch.inference_mode():
        wanted = conv(
            functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        )
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


@given(
    st.tuples(
        st.integers(1, 2 * BESIDE + 1),
        st.integers(1, 4),
        st.integers(1, 3),
        st.integers(1, 5),
        st.integers(1, WIDE),
    )
)
@settings(max_examples=60, deadline=None)
def test_side_by_side_is_the_convolution(shape):
    count, inputs, outputs, height, width = shape
    torch.manual_seed(0)
    conv = nn.Conv2d(inputs, outputs, 5, padding=2).double()
    x = torch.randn(count, inputs, height, width, dtype=torch.float64)
    with torch.inference_mode():
        assert torch.allclose(SideBySide(conv)(x), conv(x), atol=1e-12, rtol=0)


@pytest.mark.parametrize("kernel", [3, 4, 5])
@pytest.mark.parametrize("factor", [1, 2, 4, 7])
def test_of_one_pixel_it_is_a_matrix_product(kernel, factor):
    torch.manual_seed(0)
    step = nn.Sequential(*block(6, 5, kernel)).double()
    step(torch.randn(9, 6, 4, 4, dtype=torch.float64))  # norms that do something
    step.eval()
    x = torch.randn(3, 6, 1, 1, dtype=torch.float64)
    with torch.inference_mode():
        assert torch.allclose(OnePixel(factor, step)(x), step(up(x, factor)), atol=1e-12, rtol=0)


def test_pytorch_has_what_packing_needs():
    """In the version that is tested; whether the processor has it is another question."""
    assert all(
        hasattr(torch.ops.mkldnn, name)
        for name in (
            "_convolution_pointwise",
            "_reorder_convolution_weight",
            "_is_mkldnn_bf16_supported",
        )
    )


@pytest.mark.skipif(
    not fast_decoder.PACKING, reason="this processor does not compute with bfloat16"
)
def test_packed_kernels_give_the_same_bits(monkeypatch):
    torch.manual_seed(0)
    conv = nn.Conv2d(7, 6, 5, padding=2).to(torch.bfloat16)
    step = PackedReLU(conv)
    for count, height, width in ((3, 8, 8), (1, 16, 16), (5, 4, 90)):
        x = (
            torch.randn(count, 7, height, width)
            .to(torch.bfloat16)
            .contiguous(memory_format=torch.channels_last)
        )
        with torch.inference_mode():
            got = step(x)
            assert torch.equal(got, conv(x).relu())
            assert got.is_contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), monkeypatch.context() as patched:
        patched.setattr(fast_decoder, "PACKING", False)
        assert torch.equal(step(x), got)
