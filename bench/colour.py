"""CIELAB to sRGB and back: D65, 2 degree observer, scikit-image's convention."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def rgb_to_lab(rgb: np.ndarray) -> np.ndarray:
    """`(..., 3)` sRGB in [0, 1] to `(..., 3)` CIELAB, float32."""
    import numpy as np
    from skimage.color import rgb2lab

    lab: np.ndarray = rgb2lab(np.asarray(rgb, dtype=np.float32))
    return lab.astype(np.float32, copy=False)


def picture(lightness: np.ndarray, ab: np.ndarray) -> np.ndarray:
    """A grey photograph with a colour field as an sRGB picture, uint8 `(H, W, 3)`.

    lightness: `(H, W)` L in 0..100. ab: `(2, h, w)`, enlarged bilinearly to the size of L, as the authors do
    (section 7 of the facts). Colours outside sRGB are clipped.
    """
    import numpy as np
    from skimage.color import lab2rgb
    from skimage.transform import resize

    size = lightness.shape
    large = [resize(plane, size, order=1, mode="edge", anti_aliasing=False) for plane in np.asarray(ab, np.float64)]
    lab = np.stack([np.asarray(lightness, np.float64), *large], axis=-1)
    import warnings

    with warnings.catch_warnings():  # a colour outside sRGB is expected here, and clipped
        warnings.filterwarnings("ignore", message=".*negative Z values.*")
        rgb = lab2rgb(lab)
    return np.round(255 * np.clip(rgb, 0, 1)).astype(np.uint8)
