"""Reading one photograph and preparing it under a protocol."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from math import prod
from threading import Lock
from typing import TYPE_CHECKING, Any

from bench.colour import rgb_to_lab, rgb_to_lightness
from bench.machine.memory import GIB, STRIP, NoRoom, claim, strips
from bench.pictures import formats, grey, profiles
from bench.pictures.formats import FORMATS, Unreadable, kind_of
from bench.protocol import Protocol

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

__all__ = [
    "FORMATS",
    "Picture",
    "Prepared",
    "Unreadable",
    "decode",
    "kind_of",
    "opened",
    "prepare",
    "quiet",
    "resize",
]

MOST = GIB
"""Bytes of memory that a photograph may need until it is prepared. Larger ones are read reduced, or
not at all."""
LONGEST = 131_072
"""Pixels of a side: resizing takes memory for each row."""
STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
"""Bytes of a pixel in Pillow's memory; four of all other modes."""
DECODED = 3
"""Bytes of a pixel in what `decode` returns."""
WORKING = 48
"""Bytes of a pixel while a strip of them is converted: most where they are numbers."""
GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F")
ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
ORIENTATION, SUBFILE, DNG, BITS, TILE = 0x112, 0xFE, 0xC612, 0x102, (0x142, 0x143)
"""EXIF's and TIFF's tags."""

logging.getLogger("PIL").addHandler(
    logging.NullHandler()
)  # else its errors about odd files reach the terminal

_lock, _filters, _inside = Lock(), ExitStack(), 0


@dataclass(frozen=True)
class Picture:
    """A decoded photograph, upright: `levels` `(H, W, 3)`, uint8 sRGB. profile: the embedded colour
    profile that they come from; empty where there is none, or none that can be used."""

    levels: np.ndarray
    profile: bytes = b""


@dataclass(frozen=True)
class Prepared:
    """A photograph under a protocol: `grey` `(256, 256)` L in 0..100 and `ab` `(2, 64, 64)`,
    float32 CIELAB.

    `is_grey`: the file holds no colour at all (every pixel has R = G = B).
    """

    grey: np.ndarray
    ab: np.ndarray
    is_grey: bool


def decode(data: bytes, most: int = MOST, after: int = DECODED, reduce: bool = False) -> Picture:
    """A photograph from a file's bytes, in sRGB: its first picture, with EXIF's rotation applied,
    its colour profile followed, and alpha laid on white; palettes, CMYK and more than 8 bits are
    converted. Raises `Unreadable`.

    It and what is done with it must not need more than `most` bytes of memory, of which `after` for
    each pixel when it is decoded. reduce: a JPEG that is too large for that may be read at a half,
    a quarter or an eighth of its size.
    """
    with opened(data) as image:
        _fit(image, len(data), most, after, reduce)
        image.load()
        return _developed(image)


@contextmanager
def opened(data: bytes) -> Iterator[Image.Image]:
    """A file's bytes as Pillow's picture, of which the header alone is read. This is the one place
    that opens pictures: only `FORMATS` are tried, and whatever goes wrong in the block is
    `Unreadable`."""
    from PIL import Image, UnidentifiedImageError

    with quiet():
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                yield image
        except (Unreadable, NoRoom):
            raise
        except UnidentifiedImageError as error:
            raise Unreadable(formats.refusal(data)) from error
        except MemoryError as error:
            raise Unreadable("it does not fit into memory") from error
        except Exception as error:  # decoders raise whatever a stranger's bytes lead them to
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise Unreadable(f"a damaged {kind_of(data[: formats.HEAD])} file: {reason}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """A block without Pillow's warnings of odd files, and without its limit of pixels: `decode` has
    its own. Both belong to all threads: who enters first sets them, who leaves last sets them
    back."""
    global _inside
    from PIL import Image

    with _lock:
        if not _inside:
            _filters.enter_context(warnings.catch_warnings())
            _filters.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
            Image.MAX_IMAGE_PIXELS = None
            warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _filters.close()


def prepare(levels: np.ndarray, protocol: Protocol, authors_crop: int | None = None) -> Prepared:
    """Crop, resize and convert `(H, W, 3)` uint8: RGB resized to 64x64 for ab and to 256x256 for L,
    then CIELAB in float."""
    import numpy as np

    levels = _crop(levels, protocol, authors_crop)
    small = resize(levels, protocol.ab_size, protocol.antialias)
    large = resize(levels, protocol.grey_size, protocol.antialias)
    ab = np.ascontiguousarray(rgb_to_lab(small)[..., 1:].transpose(2, 0, 1))
    return Prepared(rgb_to_lightness(large), ab, _is_grey(levels))


def resize(levels: np.ndarray, size: int, antialias: bool) -> np.ndarray:
    """Bilinear resize of `(H, W, C)` to a square, float32, aspect squashed, half-pixel centres;
    uint8 becomes [0, 1].

    Without antialiasing it is what OpenCV's default does, which the authors used.
    """
    import numpy as np

    if antialias:
        return np.stack([_smoothed(levels[..., c], size) for c in range(levels.shape[-1])], axis=-1)
    row, next_row, down = _taps(levels.shape[0], size)
    column, next_column, right = _taps(levels.shape[1], size)
    right, down = right[None, :, None], down[:, None, None]
    top, bottom = (
        _share(levels[rows[:, None], column]) * (1 - right)
        + _share(levels[rows[:, None], next_column]) * right
        for rows in (row, next_row)
    )
    result: np.ndarray = top * (1 - down) + bottom * down
    return result


def _smoothed(plane: np.ndarray, size: int) -> np.ndarray:
    """`(H, W)` resized with antialiasing. Pillow resizes rows first, then columns: parts of a large
    plane give the same bits."""
    import numpy as np
    from PIL import Image

    def resized(values: np.ndarray, height: int) -> np.ndarray:
        return np.asarray(
            Image.fromarray(_share(values), mode="F").resize(
                (size, height), Image.Resampling.BILINEAR
            )
        )

    parts = list(strips(*plane.shape))
    rows = (
        plane
        if len(parts) == 1
        else np.concatenate([resized(plane[part], part.stop - part.start) for part in parts])
    )
    return resized(rows, size)


def _share(levels: np.ndarray) -> np.ndarray:
    """float32, in [0, 1] where they are uint8."""
    import numpy as np

    if levels.dtype != np.uint8:
        return levels.astype(np.float32)
    return np.divide(levels, np.float32(255), dtype=np.float32)


def _is_grey(levels: np.ndarray) -> bool:
    some, *parts = (levels[::16, ::16], *(levels[rows] for rows in strips(*levels.shape[:2])))
    return all(bool((part[..., :1] == part).all()) for part in (some, *parts))


def _taps(length: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two neighbours of each output position and the weight of the second."""
    import numpy as np

    position = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
    first = np.floor(position).astype(np.intp)
    return first, np.minimum(first + 1, length - 1), (position - first).astype(np.float32)


def _crop(levels: np.ndarray, protocol: Protocol, authors_crop: int | None) -> np.ndarray:
    height, width = levels.shape[:2]
    if protocol.crop == "square":
        side_x = side_y = min(width, height)
    elif authors_crop is not None:
        side_x, side_y = min(width, authors_crop), min(height, authors_crop)
    else:
        return levels
    left, top = (width - side_x) // 2, (height - side_y) // 2
    return levels[top : top + side_y, left : left + side_x]


def _fit(image: Image.Image, size: int, most: int, after: int, reduce: bool) -> None:
    """See to it that a photograph can be decoded in `most` bytes, reduced where that may be; wait
    for them."""
    width, height = image.size
    if max(width, height) > LONGEST:
        raise Unreadable(f"{width}x{height} pixels: a side is longer than {LONGEST}")
    stored, own = STORED.get(image.mode, 4), _decoders_own(image)
    for scale in (1, 2, 4, 8) if reduce and image.format in ("JPEG", "MPO") else (1,):
        pixels = -(-width // scale) * -(-height // scale)
        converting = pixels * DECODED + min(pixels, STRIP) * WORKING
        need = size + max(pixels * stored + max(width * height * own, converting), pixels * after)
        if need <= most:
            if scale > 1:
                image.draft(None, (width // scale, height // scale))
            claim(round(need))
            return
    raise Unreadable(
        f"{width}x{height} pixels need {need / GIB:.1f} GiB of memory, more than {most / GIB:g}"
    )


def _decoders_own(image: Any) -> float:
    """Bytes for a pixel that a decoder has beside the picture, measured over files of each kind and
    rounded up."""
    bands = len(image.getbands())
    if image.format in ("JPEG", "MPO") and "progressive" in image.info:  # all coefficients
        (*_, across), (*_, down) = (sorted(layer[i] for layer in image.layer) for i in (1, 2))
        return sum(2 * layer[1] * layer[2] for layer in image.layer) / (across * down)
    if (
        image.format == "TIFF"
    ):  # a strip or a tile, which may be all, or more; and the picture again, where it is turned
        bits = sum(image.tag_v2.get(BITS, (1,))) / 8
        tile = prod(
            int(image.tag_v2.get(tag, side)) for tag, side in zip(TILE, image.size, strict=True)
        )
        return max(bits * max(1, tile / prod(image.size)), 4)
    if image.format == "PPM" and image.tile[0][0].startswith(
        "ppm"
    ):  # written as text, or of another number of levels
        return 8 * bands
    return {"WEBP": 14, "AVIF": 14, "JPEG2000": 6 * bands, "BMP": 2}.get(image.format, 0)


def _developed(image: Image.Image) -> Picture:
    """A loaded picture in sRGB, upright, made in strips: beside it and the result there is little."""
    import numpy as np

    if image.format == "TIFF" and (DNG in image.tag_v2 or int(image.tag_v2.get(SUBFILE, 0)) & 1):  # type: ignore[attr-defined]
        raise Unreadable(
            "a camera's raw file, which is not read, or another TIFF whose first picture is a "
            "preview"
        )
    numbers = grey.of(image)
    profile = _profile(image)
    change = profiles.lab_to_srgb() if image.mode == "LAB" else profiles.to_srgb(profile)
    width, height = image.size
    parts = list(strips(height, width))
    if len(parts) == 1:
        levels = np.asarray(_rgb(image, numbers, change))
    else:
        levels = np.empty((height, width, 3), np.uint8)
        for rows in parts:
            levels[rows] = _rgb(image.crop((0, rows.start, width, rows.stop)), numbers, change)
    return Picture(_upright(levels, image), image.info.get("icc_profile", b"") and profile)


def _profile(image: Image.Image) -> bytes:
    """A picture's colour profile, where it is one of pictures of this kind."""
    own = image.info.get("icc_profile") or (
        profiles.of_png(image.info) if image.format == "PNG" else b""
    )
    mode = profiles.mode_of(own) if isinstance(own, bytes) else ""
    kind = "L" if image.mode in GREY else image.mode if image.mode in ("CMYK", "LAB") else "RGB"
    return own if mode == kind or (mode, kind) == ("RGB", "L") else b""


def _rgb(
    part: Image.Image, numbers: grey.Levels | None, change: profiles.Change | None
) -> Image.Image:
    """Some rows in sRGB, laid on white where they are transparent."""
    from PIL import Image

    part, alpha = numbers(part) if numbers else part, None
    if part.mode in ALPHA or "transparency" in part.info:
        part = part.convert("LA").convert("RGBA") if part.mode == "La" else part.convert("RGBA")
        alpha = part.getchannel("A")
    wanted = change.mode if change else "RGB"
    part = part if part.mode == wanted else part.convert(wanted)
    part = change.applied(part) if change else part
    if alpha is None:
        return part
    part.putalpha(alpha)
    return Image.alpha_composite(Image.new("RGBA", part.size, "white"), part).convert("RGB")


def _upright(levels: np.ndarray, image: Image.Image) -> np.ndarray:
    """Turned as EXIF says; as it lies where EXIF is damaged. (Pillow itself turns TIFFs.)"""
    import numpy as np

    turn: Any = 1
    with suppress(Exception):
        turn = image.getexif().get(ORIENTATION, 1)
    if turn in (5, 6, 7, 8):
        levels = levels.swapaxes(0, 1)
    if turn in (2, 3, 6, 7):
        levels = levels[:, ::-1]
    if turn in (3, 4, 7, 8):
        levels = levels[::-1]
    return np.asarray(levels)
