"""Grey levels of pictures whose pixels are wide integers or floating-point numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bench.machine.memory import strips
from bench.pictures.formats import Unreadable

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

Levels = Callable[["Image.Image"], "Image.Image"]
"""A picture of numbers, or some of its rows, as one of 8-bit levels."""

RANGES = (1, 255, 65535)
"""What is white in pictures whose files don't say it."""
BITS, SAMPLES, PHOTOMETRIC = 0x102, 0x153, 0x106
"""TIFF's tags: bits of a sample, what it is (1 unsigned, 2 signed, 3 a float), and whether 0 is
white."""


def of(image: Any) -> Levels | None:
    """What makes grey levels of a loaded picture; None where its pixels are no such numbers. Raises
    `Unreadable` where it isn't clear what is white."""
    import numpy as np
    from PIL import Image

    if image.mode not in ("I;16", "I;16B", "I;16L", "I", "F"):
        return None
    tags = image.tag_v2 if image.format == "TIFF" else {}
    bits, kind = (
        int(tags.get(tag, (default,))[0])
        for tag, default in ((BITS, 16), (SAMPLES, 3 if image.mode == "F" else 1))
    )
    transparent, inverted = image.info.get("transparency"), tags.get(PHOTOMETRIC) == 0

    def values(part: Image.Image) -> np.ndarray:
        found = np.asarray(part)
        return found.view(np.uint32) if (image.mode, kind, bits) == ("I", 1, 32) else found

    top = 2.0**bits - 1 if kind == 1 and bits <= 16 else _top(image, values, bits, kind)

    def levels(part: Image.Image) -> Image.Image:
        found = values(part)
        shares = np.clip(found.astype(np.float64) / top, 0, 1)
        grey = Image.fromarray(
            np.round(255 * (1 - shares if inverted else shares)).astype(np.uint8)
        )
        if isinstance(transparent, int):
            grey.putalpha(Image.fromarray(np.where(found == transparent, 0, 255).astype(np.uint8)))
        return grey

    return levels


def _top(
    image: Image.Image, values: Callable[[Image.Image], np.ndarray], bits: int, kind: int
) -> float:
    """What the numbers of a picture go up to, where its file doesn't say: the range whose upper
    half holds the largest."""
    import numpy as np

    low, high, width = 0.0, 0.0, image.width
    name = f"{32 if image.mode == 'F' else bits}-bit {'floats' if kind == 3 else 'integers'}"
    for rows in strips(image.height, width):
        some = values(image.crop((0, rows.start, width, rows.stop)))
        if not np.isfinite(some).all():
            raise Unreadable(f"{name} with NaN or infinity")
        low, high = min(low, float(some.min())), max(high, float(some.max()))
    ranges = [*RANGES] if kind == 3 else sorted({*RANGES[1:], 2 ** (bits - (kind == 2)) - 1})
    for top in ranges:
        if low >= 0 and high <= top and (2 * high >= top or high == 0 or (kind, top) == (3, 1)):
            return float(top)
    clear = ", ".join(f"0..{top}" for top in ranges)
    raise Unreadable(
        f"{name} from {low:g} to {high:g}: it isn't clear which is white; what fills {clear} is "
        "read"
    )
