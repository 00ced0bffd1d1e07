"""Colour profiles: pictures into sRGB and back, as browsers and viewers show them.

Relative colorimetric with black point compensation. Nearly all photographs have profiles of three
primaries and curves, of which every rendering intent makes the same; what is beyond sRGB is
clipped.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image, ImageCms

MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
"""Colour spaces of profiles, and the modes in which Pillow has their pixels."""
SAME = 1
"""Levels by which a profile's picture may differ from sRGB's and be taken for it: then its pixels
stay as they are."""
STEP = 15
"""Between two levels at which profiles are compared."""
SRGB_GAMMA, SRGB_PRIMARIES = 0.45455, (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
"""What PNG says of sRGB: its gamma, and x, y of its white, red, green and blue."""
D50 = (0.9642, 1.0, 0.8249)
BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))


@dataclass(frozen=True)
class Change:
    """What brings pictures into sRGB. mode: of those that it takes. greys `(256, 3)`: what becomes
    of each level of grey; None where these get colours."""

    mode: str
    transform: ImageCms.ImageCmsTransform
    greys: np.ndarray | None = None

    def applied(self, picture: Image.Image) -> Image.Image:
        """A picture of the mode in sRGB. What had no colour has none: rounding would give it some."""
        import numpy as np
        from PIL import Image

        if self.mode == "L" and self.greys is not None:
            return Image.merge("RGB", [picture.point(self.greys[:, 0].tolist())] * 3)
        made = self.transform.apply(picture)
        if self.mode == "RGB" and self.greys is not None:
            given, levels = np.asarray(picture), np.array(made)
            grey = (given[..., 0] == given[..., 1]) & (given[..., 1] == given[..., 2])
            levels[grey] = self.greys[given[grey][:, 0]]
            made = Image.fromarray(levels)
        return made


def mode_of(profile: bytes) -> str:
    """Pillow's mode of the pixels that a profile is of; empty where it is none, or damaged, or of
    something else."""
    return _read(profile)[0]


def to_srgb(profile: bytes) -> Change | None:
    """What brings pictures of a profile into sRGB; None where they are in it, or nothing can be
    made of the profile."""
    return _read(profile)[1]


@lru_cache(maxsize=32)
def _read(profile: bytes) -> tuple[str, Change | None]:
    own = _opened(profile)
    mode = MODES.get(own.profile.xcolor_space.strip(), "") if own else ""
    transform = _transform(own, srgb(), mode, "RGB") if own and mode else None
    if own is None or transform is None:
        return "", None
    return mode, None if _changes_nothing(transform, mode) else Change(
        mode, transform, _greys(own, mode)
    )


def _greys(own: ImageCms.ImageCmsProfile, mode: str) -> np.ndarray | None:
    """sRGB of all levels of grey, as exactly as the library computes; None where they are coloured
    by more than rounding."""
    import numpy as np
    from PIL import Image, ImageCms

    if (
        mode not in ("RGB", "L")
        or (exact := _transform(own, srgb(), mode, "RGB", ImageCms.Flags.NOOPTIMIZE)) is None
    ):
        return None
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    found = np.asarray(exact.apply(ramp.convert(mode)))[0]
    return (
        np.repeat(found[:, 1:2], 3, axis=1)
        if np.ptp(found.astype(int), axis=1).max() <= SAME
        else None
    )


@lru_cache(maxsize=32)
def from_srgb(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """What brings sRGB pictures into a profile of RGB. None where it leads out of its space only,
    as those of some scanners."""
    own = _opened(profile)
    return _transform(srgb(), own, "RGB", "RGB") if own and mode_of(profile) == "RGB" else None


@lru_cache(maxsize=1)
def srgb() -> ImageCms.ImageCmsProfile:
    """The profile of sRGB."""
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@lru_cache(maxsize=1)
def lab_to_srgb() -> Change | None:
    """What brings CIELAB pictures (D50, as in TIFF) into sRGB."""
    from PIL import ImageCms

    transform = _transform(
        ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), srgb(), "LAB", "RGB"
    )
    return Change("LAB", transform) if transform else None


def of_png(info: Mapping[Any, Any]) -> bytes:
    """A profile of what a PNG says of its colours in gAMA and cHRM; empty where that is nothing, or
    sRGB, or can't be. An embedded profile and sRGB's own chunk go before, as the standard wants."""
    if info.get("icc_profile") or "srgb" in info or not {"gamma", "chromaticity"} & set(info):
        return b""
    gamma, primaries = info.get("gamma", SRGB_GAMMA), info.get("chromaticity", SRGB_PRIMARIES)
    like_srgb = all(abs(a - b) < 0.002 for a, b in zip(primaries, SRGB_PRIMARIES, strict=True))
    if (like_srgb and abs(gamma - SRGB_GAMMA) < 0.001) or not 0.1 <= gamma <= 10:
        return b""
    return made(1 / gamma, primaries)


def made(exponent: float, primaries: Sequence[float]) -> bytes:
    """A profile of RGB: a power law, and x, y of white, red, green and blue. Empty where these span
    nothing."""
    import numpy as np

    white, *corners = (
        (x / y, 1.0, (1 - x - y) / y) if y else (np.nan,) * 3
        for x, y in zip(*[iter(primaries)] * 2, strict=True)
    )
    to_xyz, cones = np.array(corners).T, np.array(BRADFORD)
    if (
        not np.isfinite(to_xyz).all()
        or not np.isfinite(white).all()
        or abs(np.linalg.det(to_xyz)) < 1e-6
    ):
        return b""
    to_xyz = to_xyz * np.linalg.solve(to_xyz, np.array(white))
    adapted = np.linalg.solve(cones, np.diag(cones @ D50 / (cones @ white)) @ cones) @ to_xyz
    if np.abs(adapted).max() > 10:
        return b""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(exponent * 256)) + bytes(2)
    tags = {
        b"wtpt": _xyz(D50),
        **{name + b"XYZ": _xyz(adapted[:, i]) for i, name in enumerate((b"r", b"g", b"b"))},
        **{name + b"TRC": curve for name in (b"r", b"g", b"b")},
    }
    place, table, body = 132 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        table += name + struct.pack(">II", place + len(body), len(content))
        body += content
    head = (
        struct.pack(
            ">I4xI4s4s4s12x4s28x", place + len(body), 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp"
        )
        + _xyz(D50)[8:]
    )
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _xyz(values: Sequence[float] | np.ndarray) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(float(v) * 65536) for v in values))


def _opened(profile: bytes) -> ImageCms.ImageCmsProfile | None:
    from PIL import ImageCms

    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile)) if profile else None
    except (OSError, TypeError, ValueError):
        return None


def _transform(
    own: ImageCms.ImageCmsProfile, to: ImageCms.ImageCmsProfile, mode: str, out: str, how: int = 0
) -> ImageCms.ImageCmsTransform | None:
    from PIL import ImageCms

    try:
        return ImageCms.buildTransform(
            own,
            to,
            mode,
            out,
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION | how,
        )
    except ImageCms.PyCMSError:
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a picture of RGB or grey levels comes out as it is."""
    import numpy as np

    if mode not in ("RGB", "L"):
        return False
    given = _grid() if mode == "RGB" else _grid().convert("L")
    wanted = np.asarray(given.convert("RGB"), dtype=np.int16)
    return bool(np.abs(np.asarray(transform.apply(given), dtype=np.int16) - wanted).max() <= SAME)


def _grid() -> Image.Image:
    import numpy as np
    from PIL import Image

    levels = np.arange(0, 256, STEP, dtype=np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1)
    return Image.fromarray(colours.reshape(len(levels), -1, 3))
