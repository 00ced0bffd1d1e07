"""Colour fields at the size of a photograph: along its edges, and with its lightness."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from bench.colour import in_srgb, lab_to_rgb, rgb_to_lab, rgb_to_lightness
from bench.fitted import upsampling


def two_halves(size):
    """A dark red and a bright blue half, whose border is no pixel of the colour field."""
    levels = np.zeros((size, size, 3), np.uint8)
    levels[:, : round(0.43 * size)] = (110, 30, 20)
    levels[:, round(0.43 * size) :] = (150, 190, 240)
    return levels


def reduced(levels, size):
    """A field `(2, size, size)` and L `(256, 256)` of a picture, by area."""
    lab = torch.from_numpy(rgb_to_lab(levels / np.float32(255))).permute(2, 0, 1)[None]
    return functional.adaptive_avg_pool2d(lab, 256)[0, 0], functional.adaptive_avg_pool2d(
        lab, size
    )[0, 1:]


def naive(guide, field, radius, epsilon):
    """The mean slopes of He et al. 2013, equations 5 and 8, window by window."""
    height, width = guide.shape
    slope = np.zeros_like(field)
    windows = {}
    for y in range(height):
        for x in range(width):
            rows, columns = (
                slice(max(0, y - radius), y + radius + 1),
                slice(max(0, x - radius), x + radius + 1),
            )
            windows[y, x] = rows, columns
            g, f = guide[rows, columns], field[:, rows, columns]
            slope[:, y, x] = ((g * f).mean((1, 2)) - g.mean() * f.mean((1, 2))) / (
                g.var() + epsilon
            )
    means = [
        slope[(slice(None), *windows[y, x])].mean((1, 2))
        for y in range(height)
        for x in range(width)
    ]
    return np.stack(means, 1).reshape(2, height, width)


def test_the_slopes_are_those_of_the_paper_s_equations():
    generator = torch.Generator().manual_seed(0)
    light = 100 * torch.rand(20, 24, generator=generator)
    ab = 100 * torch.rand(2, 20, 24, generator=generator) - 50
    found = upsampling.fit(light, ab)
    slope = naive(
        light.double().numpy() / 100, ab.double().numpy(), upsampling.RADIUS, upsampling.EPSILON
    )
    assert np.abs(found.slope.numpy() - slope).max() < 1e-4
    assert torch.equal(found.field, ab)
    assert torch.allclose(100 * found.guide[0], light, atol=1e-4)


@pytest.mark.parametrize("size", [256, 700])
def test_colours_follow_edges_better_than_enlarging_does(size):
    levels = two_halves(size)
    truth = rgb_to_lab(levels / np.float32(255))[..., 1:]
    light, field = reduced(levels, 64)
    guided = rgb_to_lab(
        upsampling.colourized(levels, upsampling.fit(light, field)) / np.float32(255)
    )[..., 1:]
    plain = (
        functional.interpolate(field[None], (size, size), mode="bilinear", align_corners=False)[0]
        .permute(1, 2, 0)
        .numpy()
    )
    assert np.abs(guided - truth).mean() < 0.7 * np.abs(plain - truth).mean()


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(30, 40), (64, 17), (1, 5)]),
    st.sampled_from([10.0, 60.0, 120.0]),
)
def test_the_lightness_stays_as_it_is(seed, shape, strength):
    rng = np.random.default_rng(seed)
    levels = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    field = torch.from_numpy(strength * rng.uniform(-1, 1, (2, 64, 64))).float()
    light = torch.from_numpy(100 * rng.uniform(0, 1, (256, 256)))
    made = upsampling.colourized(levels, upsampling.fit(light, field))
    before, after = (rgb_to_lightness(picture / np.float32(255)) for picture in (levels, made))
    assert made.shape == levels.shape
    assert np.abs(after - before).max() < 0.5  # rounding to eight bits, of all three channels
    assert np.abs(after - before).mean() < 0.15


def test_colours_beyond_srgb_lose_chroma_and_keep_their_hue():
    light = torch.full((1, 3), 50.0)
    ab = torch.tensor([[[10.0, 100.0, -90.0]], [[10.0, 100.0, 20.0]]])
    kept = upsampling._within_srgb(light, ab)
    assert torch.equal(kept[..., 0], ab[..., 0])
    assert in_srgb(light, kept).all()
    for i in (1, 2):
        share = kept[:, 0, i] / ab[:, 0, i]
        assert torch.isclose(share[0], share[1], atol=1e-5)
        assert 0.2 < float(share[0]) < 1
        assert not in_srgb(light, 1.05 * kept)[0, i]


@pytest.mark.parametrize("shape", [(300, 500), (500, 300), (17, 900), (1, 1)])
def test_strips_give_the_same_picture_as_the_whole(shape, monkeypatch):
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    found = upsampling.fit(
        torch.from_numpy(100 * rng.uniform(0, 1, (256, 256))),
        torch.from_numpy(rng.normal(0, 30, (2, 64, 64))),
    )
    whole = upsampling.colourized(levels, found)
    monkeypatch.setattr(upsampling, "STRIP", 7 * shape[1])
    assert np.abs(upsampling.colourized(levels, found).astype(int) - whole).max() <= 1
    rows = upsampling._enlarged(found.slope, slice(0, shape[0]), *shape)
    torch.testing.assert_close(
        rows,
        functional.interpolate(found.slope[None], shape, mode="bilinear", align_corners=False)[0],
        atol=1e-3,
        rtol=1e-4,
    )


def test_a_field_of_no_colour_gives_grey():
    levels = two_halves(100)
    light, _ = reduced(levels, 64)
    made = upsampling.colourized(levels, upsampling.fit(light, torch.zeros(2, 64, 64)))
    assert (made.max(-1).astype(int) - made.min(-1)).max() <= 1


def test_lab_to_rgb_is_clipped_where_in_srgb_says_so():
    light = torch.rand(50, 50, generator=torch.Generator().manual_seed(1)) * 100
    ab = torch.rand(2, 50, 50, generator=torch.Generator().manual_seed(2)) * 200 - 100
    rgb = lab_to_rgb(light, ab)
    edge = ((rgb <= 0) | (rgb >= 1)).any(0)
    assert (in_srgb(light, ab) | edge).all()
