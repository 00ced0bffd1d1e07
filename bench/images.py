"""Reading one photograph and preparing it under a protocol."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from bench.colour import rgb_to_lab, rgb_to_lightness
from bench.protocol import Protocol

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

MAX_PIXELS = 512_000_000
"""A photograph with more pixels is taken for a decompression bomb and counted as unreadable."""


BROKEN = (OSError, SyntaxError, ValueError, EOFError, TypeError, struct.error)
"""What Pillow raises for damaged files; the last two kinds come from odd EXIF beside a rotation."""

_lock, _filters, _inside = Lock(), ExitStack(), 0


class Unreadable(Exception):
    """A file that is no image, is truncated, or is too large; the message is the reason."""


@dataclass(frozen=True)
class Prepared:
    """A photograph under a protocol: `grey` `(256, 256)` L in 0..100 and `ab` `(2, 64, 64)`, float32 CIELAB.

    `is_grey`: the file holds no colour at all (every pixel has R = G = B).
    """

    grey: np.ndarray
    ab: np.ndarray
    is_grey: bool


def decode(data: bytes) -> Image.Image:
    """An upright RGB image from a file's bytes: EXIF rotation applied, alpha laid on white, palette, CMYK and
    16-bit converted. Raises `Unreadable`."""
    from PIL import Image, ImageOps

    with quiet():
        try:
            with Image.open(io.BytesIO(data)) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise Unreadable(f"{image.width}x{image.height} pixels are more than {MAX_PIXELS}")
                image.load()
                return _to_rgb(ImageOps.exif_transpose(image))
        except (*BROKEN, Image.DecompressionBombError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise Unreadable("not an image" if "cannot identify" in reason else reason) from error


@contextmanager
def quiet() -> Iterator[None]:
    """A block without Pillow's warnings of odd files, and with our limit of pixels instead of its own. Both belong to all threads:
    who enters first sets them, who leaves last sets them back."""
    global _inside
    from PIL import Image

    with _lock:
        if not _inside:
            _filters.enter_context(warnings.catch_warnings())
            _filters.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
            Image.MAX_IMAGE_PIXELS = MAX_PIXELS
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _filters.close()


def prepare(image: Image.Image, protocol: Protocol, authors_crop: int | None = None) -> Prepared:
    """Crop, resize and convert: RGB resized to 64x64 for ab and to 256x256 for L, then CIELAB in float."""
    import numpy as np

    image = _crop(image, protocol, authors_crop)
    levels = np.asarray(image)
    small = resize(levels, protocol.ab_size, protocol.antialias)
    large = resize(levels, protocol.grey_size, protocol.antialias)
    ab = np.ascontiguousarray(rgb_to_lab(small)[..., 1:].transpose(2, 0, 1))
    return Prepared(rgb_to_lightness(large), ab, _is_grey(levels[::16, ::16]) and _is_grey(levels))


def resize(levels: np.ndarray, size: int, antialias: bool) -> np.ndarray:
    """Bilinear resize of `(H, W, C)` to a square, float32, aspect squashed, half-pixel centres; uint8 becomes [0, 1].

    Without antialiasing it is what OpenCV's default does, which the authors used.
    """
    import numpy as np

    if antialias:
        from PIL import Image

        planes = (Image.fromarray(_share(levels[..., c]), mode="F") for c in range(levels.shape[-1]))
        done = [np.asarray(p.resize((size, size), Image.Resampling.BILINEAR)) for p in planes]
        return np.stack(done, axis=-1)
    row, next_row, down = _taps(levels.shape[0], size)
    column, next_column, right = _taps(levels.shape[1], size)
    right, down = right[None, :, None], down[:, None, None]
    top, bottom = (
        _share(levels[rows[:, None], column]) * (1 - right) + _share(levels[rows[:, None], next_column]) * right
        for rows in (row, next_row)
    )
    result: np.ndarray = top * (1 - down) + bottom * down
    return result


def _share(levels: np.ndarray) -> np.ndarray:
    """float32, in [0, 1] where they are uint8."""
    import numpy as np

    if levels.dtype != np.uint8:
        return levels.astype(np.float32)
    return np.divide(levels, np.float32(255), dtype=np.float32)


def _is_grey(levels: np.ndarray) -> bool:
    return bool((levels[..., :1] == levels).all())


def _taps(length: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two neighbours of each output position and the weight of the second."""
    import numpy as np

    position = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
    first = np.floor(position).astype(np.intp)
    return first, np.minimum(first + 1, length - 1), (position - first).astype(np.float32)


def _crop(image: Image.Image, protocol: Protocol, authors_crop: int | None) -> Image.Image:
    width, height = image.size
    if protocol.crop == "square":
        side_x = side_y = min(width, height)
    elif authors_crop is not None:
        side_x, side_y = min(width, authors_crop), min(height, authors_crop)
    else:
        return image
    left, top = (width - side_x) // 2, (height - side_y) // 2
    return image.crop((left, top, left + side_x, top + side_y))


def _to_rgb(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        return _grey16(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _grey16(image: Image.Image) -> Image.Image:
    import numpy as np
    from PIL import Image

    values = np.asarray(image, dtype=np.float64)
    top = 65535.0 if image.mode.startswith("I;16") or values.max(initial=0) > 255 else 255.0
    return Image.fromarray(np.round(255 * np.clip(values / top, 0, 1)).astype(np.uint8)).convert("RGB")
