"""The CIEDE2000 colour difference."""

from __future__ import annotations

from math import pi, radians

import torch
from torch import Tensor


def ciede2000(first: Tensor, second: Tensor) -> Tensor:
    """ΔE00 `(..., h, w)` of CIELAB pictures `(..., 3, h, w)` that broadcast; k_L = k_C = k_H = 1.

    Sharma, Wu and Dalal 2005, "The CIEDE2000 Color-Difference Formula: Implementation Notes",
    equations 2 to 22. 0 for equal colours; not a metric in the sense of mathematics, and not
    continuous where hues are opposite.
    """
    (l1, a1, b1), (l2, a2, b2) = first.unbind(-3), second.unbind(-3)
    stretch = 1.5 - 0.5 * _saturation((torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2)
    a1, a2 = a1 * stretch, a2 * stretch
    chroma1, chroma2 = torch.hypot(a1, b1), torch.hypot(a2, b2)
    turn, hue = _hues(a1, b1, a2, b2)
    chroma = (chroma1 + chroma2) / 2
    middle = ((l1 + l2) / 2 - 50).square()
    lightness_term = (l2 - l1) / (1 + 0.015 * middle / (20 + middle).sqrt())
    chroma_term = (chroma2 - chroma1) / (1 + 0.045 * chroma)
    hue_term = (
        2 * (chroma1 * chroma2).sqrt() * (turn / 2).sin() / (1 + 0.015 * chroma * _hue_weight(hue))
    )
    rotation = (
        -(radians(60) * (-((hue - radians(275)) / radians(25)).square()).exp()).sin()
        * 2
        * _saturation(chroma)
    )
    squared = (
        lightness_term.square()
        + chroma_term.square()
        + hue_term.square()
        + rotation * chroma_term * hue_term
    )
    return squared.clamp(min=0).sqrt()


def _saturation(chroma: Tensor) -> Tensor:
    """sqrt(C^7 / (C^7 + 25^7))."""
    cube = chroma * chroma * chroma
    power = cube * cube * chroma
    return (power / (power + 25.0**7)).sqrt()


def _hues(a1: Tensor, b1: Tensor, a2: Tensor, b2: Tensor) -> tuple[Tensor, Tensor]:
    """The difference of the hues, in -π..π, and their mean, in 0..2π (equations 10 and 14), in
    radians.

    Hues start at 0, which decides the mean of opposite ones. A colour without chroma needs no rule:
    its hue term is 0.
    """
    h1, h2 = torch.atan2(b1, a1) % (2 * pi), torch.atan2(b2, a2) % (2 * pi)
    turn = h2 - h1
    turn = turn - 2 * pi * (turn / (2 * pi)).round()
    return turn, (h1 + turn / 2) % (2 * pi)


def _hue_weight(hue: Tensor) -> Tensor:
    """T of equation 15."""
    return (
        1
        - 0.17 * (hue - radians(30)).cos()
        + 0.24 * (2 * hue).cos()
        + 0.32 * (3 * hue + radians(6)).cos()
        - 0.20 * (4 * hue - radians(63)).cos()
    )
