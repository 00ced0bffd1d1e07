"""CIELAB to sRGB and back: D65, 2 degree observer, scikit-image's convention."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


def rgb_to_lab(rgb: np.ndarray) -> np.ndarray:
    """`(..., 3)` sRGB in [0, 1] to `(..., 3)` CIELAB, float32."""
    import numpy as np
    from skimage.color import rgb2lab

    lab: np.ndarray = rgb2lab(np.asarray(rgb, dtype=np.float32))
    return lab.astype(np.float32, copy=False)


def rgb_to_lightness(rgb: np.ndarray) -> np.ndarray:
    """L `(...)` alone of `(..., 3)` sRGB in [0, 1]: the same bits as `rgb_to_lab`'s, in half the
    time."""
    import numpy as np
    from skimage.color import rgb2xyz
    from skimage.color.colorconv import xyz_tristimulus_values

    white = xyz_tristimulus_values(illuminant="D65", observer="2", dtype=np.float32)
    y = rgb2xyz(np.asarray(rgb, dtype=np.float32))[..., 1] / white[1]
    bright = y > 0.008856
    y[bright] = np.cbrt(y[bright])
    y[~bright] = 7.787 * y[~bright] + 16.0 / 116.0
    light: np.ndarray = 116.0 * y - 16.0
    return light


def lab_to_rgb(lightness: Tensor, ab: Tensor) -> Tensor:
    """sRGB `(..., 3, h, w)` in [0, 1] of L `(h, w)` or alike and ab `(..., 2, h, w)`, in ab's
    precision.

    scikit-image's constants; colours outside sRGB are clipped. Much faster than its `lab2rgb`,
    which tests compare it with.
    """
    import torch

    linear = _linear(lightness, ab)
    bright = (
        1.055 * (linear.clamp(min=0.0031308).log() / 2.4).exp() - 0.055
    )  # half the time of a power
    return torch.where(linear > 0.0031308, bright, 12.92 * linear).clamp(0, 1)


def in_srgb(lightness: Tensor, ab: Tensor) -> Tensor:
    """Whether colours are within sRGB, to half of an eight-bit level, `(..., h, w)`: of L `(h, w)`
    or alike and ab `(..., 2, h, w)`."""
    linear = _linear(lightness, ab)
    return ((linear > -SLACK) & (linear < 1 + SLACK)).all(-3)


SLACK = 1e-4
"""Of linear light: less than half a level of eight bits."""


def _linear(lightness: Tensor, ab: Tensor) -> Tensor:
    """Linear light of sRGB's primaries `(..., 3, h, w)`, beyond [0, 1] for colours that sRGB does
    not have."""
    import torch
    from skimage.color.colorconv import rgb_from_xyz, xyz_tristimulus_values

    a, b = ab.unbind(-3)
    y = (lightness.to(ab) + 16) / 116
    f = torch.stack([a / 500 + y, y.expand_as(a), (y - b / 200).clamp(min=0)], -3)
    ratios = torch.where(f > 0.2068966, f * f * f, (f - 16 / 116) / 7.787)
    matrix = torch.from_numpy(
        rgb_from_xyz * xyz_tristimulus_values(illuminant="D65", observer="2")
    ).to(ab)
    return torch.einsum("ij,...jhw->...ihw", matrix, ratios)


def pictures(lightness: np.ndarray, ab: np.ndarray) -> np.ndarray:
    """Colour fields of one grey photograph as sRGB pictures, uint8 `(k, H, W, 3)`.

    lightness: `(H, W)` L in 0..100. ab: `(k, 2, h, w)`, enlarged bilinearly to the size of L, as
    the authors do.
    """
    import numpy as np
    import torch
    from torch.nn.functional import interpolate

    light, fields = (
        torch.tensor(np.asarray(values, dtype=np.float32)) for values in (lightness, ab)
    )
    rgb = lab_to_rgb(
        light, interpolate(fields, lightness.shape, mode="bilinear", align_corners=False)
    )
    levels: np.ndarray = (255 * rgb).round_().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return levels


def picture(lightness: np.ndarray, ab: np.ndarray) -> np.ndarray:
    """One of them: sRGB, uint8 `(H, W, 3)`, of L `(H, W)` and ab `(2, h, w)`."""
    return pictures(lightness, ab[None])[0]
