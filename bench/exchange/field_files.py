"""Colour fields in files of other programs: 8-bit RGB pictures in PNG, and NumPy arrays of ab."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

from bench.pictures.images import Unreadable
from bench.protocol import Protocol

if TYPE_CHECKING:
    import numpy as np

LARGEST = 16 * 2**20
"""Bytes. A picture of 256x256 has 0.2 MB at most, an array in float64 1 MB."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOURS = {0: "grey", 2: "RGB", 3: "a palette", 4: "grey with alpha", 6: "RGB with alpha"}


class WrongSize(Unreadable):
    """Neither the size of the inputs nor that of colour fields."""


class WrongFormat(Unreadable):
    """A file of the right kind that holds something else: grey, 16 bits, integers."""


def inspect(path: Path, protocol: Protocol) -> None:
    """Look at a file's header only. Raises `Unreadable`, or one of its kinds above, with the
    reason."""
    try:
        if path.stat().st_size > LARGEST:
            raise Unreadable(f"more than {LARGEST // 2**20} MB")
        size = _png_size(path) if path.suffix.lower() == ".png" else _npy_size(path)
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from error
    allowed = (protocol.grey_size, protocol.ab_size)
    if size not in [(side, side) for side in allowed]:
        sizes = " or ".join(f"{side}x{side}" for side in allowed)
        raise WrongSize(f"{size[0]}x{size[1]}, not {sizes}")


def read(path: Path, protocol: Protocol) -> np.ndarray:
    """A colour field `(2, 64, 64)` float32, CIELAB units. A picture is resized and converted as the
    protocol does with photographs, and its lightness is dropped; an array of ab is resized
    likewise. Raises `Unreadable`."""
    import numpy as np

    from bench.colour import rgb_to_lab
    from bench.pictures import images

    inspect(path, protocol)
    is_picture = path.suffix.lower() == ".png"
    values = read_rgb(path) if is_picture else _array(path).transpose(1, 2, 0)
    if values.shape[0] != protocol.ab_size:
        values = images.resize(values, protocol.ab_size, protocol.antialias)
    ab = rgb_to_lab(values)[..., 1:] if is_picture else values
    return np.ascontiguousarray(ab.transpose(2, 0, 1), dtype=np.float32)


def read_rgb(path: Path) -> np.ndarray:
    """The pixels `(h, w, 3)` of an inspected PNG, float32 in [0, 1], read as photographs are."""
    import numpy as np

    from bench.pictures import images

    return images.decode(path.read_bytes()).levels.astype(np.float32) / np.float32(255)


def _png_size(path: Path) -> tuple[int, int]:
    """Width and height from the header, which Pillow would give without the depth: it reads 16 bits
    as 8."""
    with path.open("rb") as stream:
        head = stream.read(33)
    if len(head) < 33 or head[:8] != _SIGNATURE or head[12:16] != b"IHDR":
        raise Unreadable(
            "not a PNG file" if head[:8] != _SIGNATURE[: len(head)] or not head else "cut short"
        )
    width, height, depth, colours = struct.unpack(">IIBB", head[16:26])
    if (depth, colours) != (8, 2):
        raise WrongFormat(
            f"{_COLOURS.get(colours, 'unknown colours')}, {depth} bits: write RGB, 8 bits"
        )
    return width, height


def _npy_size(path: Path) -> tuple[int, int]:
    import numpy as np

    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy's errors for strange headers are of any kind
        raise Unreadable(_reason(error)) from error
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        raise WrongFormat(f"{getattr(array, 'dtype', 'no array')}: write ab as float32")
    if array.ndim != 3 or array.shape[0] != 2:
        raise WrongFormat(f"shape {tuple(array.shape)}: write ab as (2, h, w)")
    return int(array.shape[2]), int(array.shape[1])


def _array(path: Path) -> np.ndarray:
    import numpy as np

    array: np.ndarray = np.load(path, allow_pickle=False).astype(np.float32)
    if not np.isfinite(array).all():
        raise Unreadable("not finite: it holds NaN or infinity")
    return array


def _reason(error: Exception) -> str:
    """NumPy's own words advise to unpickle, which nothing here ever does."""
    if "pickle" in str(error).lower() or "object" in str(error).lower():
        return "no plain array of numbers: nothing is ever unpickled; write ab as float32"
    return f"no whole .npy file: {(str(error) or type(error).__name__).splitlines()[0]}"
