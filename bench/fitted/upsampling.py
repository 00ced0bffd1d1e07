"""From colour fields of 64x64 to photographs of any size: along the edges of the lightness, which
stays as it is.

The guided filter (He, Sun and Tang 2013, TPAMI 35:1397; its fast form, He and Sun 2015,
arXiv:1505.00996) takes ab for a linear function of L in every window. Its slopes are found at the
size of the field, L reduced to it, and enlarged; they say what the details of L, which the reduced
one lacks, add to the enlarged field. The filter alone would smooth the field, too:
`benchmarks/upsampling.py` compares. Colours beyond sRGB lose chroma, never lightness. Works in
strips, so that memory is a few times that of the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bench.colour import in_srgb, lab_to_rgb, rgb_to_lightness

RADIUS = 1
"""Pixels of the field on each side of a window's middle."""
EPSILON = 1e-3
"""Of L in 0..1: what varies less than its root within a window is no edge."""
STRIP = 2**21
"""Pixels that are worked on at a time."""
HALVINGS = 12


@dataclass(frozen=True)
class Guided:
    """A field at any size: the enlarged `field` `(2, h, w)` + `slope` `(2, h, w)` times L / 100
    beyond the enlarged `guide` `(1, h, w)`."""

    field: Tensor
    slope: Tensor
    guide: Tensor


def fit(lightness: Tensor, ab: Tensor) -> Guided:
    """A field `(2, h, w)` under L `(H, W)` in 0..100, as large or larger."""
    guide, field = (
        functional.adaptive_avg_pool2d(
            (lightness.double() / 100)[None], (ab.shape[1], ab.shape[2])
        ),
        ab.double(),
    )
    mean, mean_field = _windows(guide), _windows(field)
    variance = _windows(guide * guide) - mean * mean
    slope = (_windows(guide * field) - mean * mean_field) / (variance + EPSILON)
    return Guided(field.float(), _windows(slope).float(), guide.float())


def colourized(levels: np.ndarray, found: Guided) -> np.ndarray:
    """The picture, uint8 sRGB `(H, W, 3)`, of a grey or colour one of that kind, whose L it keeps."""
    height, width = levels.shape[:2]
    out = np.empty((height, width, 3), np.uint8)
    for rows in _strips(height, width):
        light = torch.from_numpy(rgb_to_lightness(levels[rows] / np.float32(255)))
        field, slope, guide = (
            _enlarged(part, rows, height, width) for part in (found.field, found.slope, found.guide)
        )
        rgb = lab_to_rgb(light, _within_srgb(light, field + slope * (light / 100 - guide)))
        out[rows] = (255 * rgb).round_().to(torch.uint8).permute(1, 2, 0).numpy()
    return out


def _within_srgb(light: Tensor, ab: Tensor) -> Tensor:
    """ab `(2, h, w)` with as much of its chroma as sRGB has at this lightness."""
    beyond = ~in_srgb(light, ab)
    if not beyond.any():
        return ab
    lights, colours = light[beyond][None], ab[:, beyond][:, None]  # a picture of one row
    low, high = torch.zeros_like(lights), torch.ones_like(lights)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        fits = in_srgb(lights, colours * middle)
        low, high = torch.where(fits, middle, low), torch.where(fits, high, middle)
    kept = ab.clone()
    kept[:, beyond] = (colours * low)[:, 0]
    return kept


def _windows(planes: Tensor) -> Tensor:
    """Means of `(c, h, w)` over windows, which are cut at the borders."""
    size = 2 * RADIUS + 1
    return functional.avg_pool2d(planes[None], size, 1, RADIUS, count_include_pad=False)[0]


def _strips(height: int, width: int) -> Iterator[slice]:
    step = max(1, STRIP // width)
    yield from (slice(start, min(start + step, height)) for start in range(0, height, step))


def _enlarged(planes: Tensor, rows: slice, height: int, width: int) -> Tensor:
    """Some rows of `(c, h, w)` enlarged bilinearly to `(height, width)`: the same as of the whole."""
    last = planes.shape[1] - 1
    place = (
        (torch.arange(rows.start, rows.stop, dtype=torch.float64) + 0.5) * (last + 1) / height - 0.5
    ).clamp(0, last)
    first = place.floor().long()
    share = (place - first).float()[:, None]
    lines = planes[:, first] * (1 - share) + planes[:, (first + 1).clamp_max(last)] * share
    return functional.interpolate(
        lines[None], (lines.shape[1], width), mode="bilinear", align_corners=False
    )[0]
