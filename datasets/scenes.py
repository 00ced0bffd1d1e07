"""Drawing a scene: its regions on the grid of the colour field, its lightness, and its colour
field.

Only `paint` is shown colours.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from .composition import BLOCK, SIDE, Scene, Thing


def regions(scene: Scene) -> np.ndarray:
    """The region of every pixel of the colour field `(64, 64)`: 0 is the backdrop, 1 and on the
    objects."""
    found = np.zeros((SIDE, SIDE), np.int64)
    for number, thing in enumerate(scene.things, 1):
        found[_square(thing, 1)][_mask(thing.shape, thing.side)] = number
    return found


def paint(scene: Scene, colours: Sequence[Sequence[float]]) -> np.ndarray:
    """The colour field `(2, 64, 64)` float32 with these ab, one a choice."""
    choice = np.array([0, *(thing.choice for thing in scene.things)])[regions(scene)]
    return np.ascontiguousarray(np.asarray(colours, np.float32)[choice].transpose(2, 0, 1))


def lightness(scene: Scene) -> np.ndarray:
    """L `(256, 256)` float32. Objects lie within 48..78, backdrops within 16..40 or 78..96."""
    size = SIDE * BLOCK
    grain = 0.7 * _noise(scene.grain, 0, 9, size) + 0.3 * _noise(scene.grain, 1, 33, size)
    picture = scene.lightness + scene.slope * _ramp(size, scene.angle) + 4 * grain
    for number, thing in enumerate(scene.things, 1):
        side = thing.side * BLOCK
        pattern = 0.85 * TEXTURES[thing.texture](side, thing) + 0.15 * _noise(
            scene.grain, 1 + number, 17, side
        )
        inside = _mask(thing.shape, thing.side).repeat(BLOCK, 0).repeat(BLOCK, 1)
        picture[_square(thing, BLOCK)][inside] = (thing.lightness + thing.contrast * pattern)[
            inside
        ]
    return picture


def _square(thing: Thing, scale: int) -> tuple[slice, slice]:
    top, left, side = thing.top * scale, thing.left * scale, thing.side * scale
    return slice(top, top + side), slice(left, left + side)


@cache
def _mask(shape: str, side: int) -> np.ndarray:
    """`(side, side)` bool."""
    x = np.abs(np.arange(side) + 0.5 - side / 2) / (side / 2)
    across, down = np.meshgrid(x, x)
    inside: np.ndarray = {
        "square": np.maximum(across, down),
        "disc": np.hypot(across, down),
        "diamond": across + down,
    }[shape] <= 1
    return inside


def _waves(side: int, thing: Thing) -> tuple[np.ndarray, np.ndarray]:
    """Phases along the texture's two axes, `(side, side)`; 0 at the middle."""
    turns = np.pi * side / thing.period
    return turns * _ramp(side, thing.angle), turns * _ramp(side, thing.angle + np.pi / 2)


def _stripes(side: int, thing: Thing) -> np.ndarray:
    return np.tanh(3 * np.sin(_waves(side, thing)[0]))


def _checks(side: int, thing: Thing) -> np.ndarray:
    first, second = _waves(side, thing)
    return np.tanh(5 * np.sin(first) * np.sin(second))


def _dots(side: int, thing: Thing) -> np.ndarray:
    first, second = _waves(side, thing)
    return np.tanh(2.5 * (np.cos(first) + np.cos(second) - 0.6))


def _shaded(side: int, thing: Thing) -> np.ndarray:
    return _ramp(side, thing.angle) / math.sqrt(2)


TEXTURES: dict[str, Callable[[int, Thing], np.ndarray]] = {
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
    "shaded": _shaded,
}
"""Patterns `(side, side)` in -1..1."""


def _ramp(size: int, angle: float) -> np.ndarray:
    """From the middle of a square to its edges -1..1, towards `angle`; `(size, size)`."""
    x = (np.arange(size, dtype=np.float32) + np.float32(0.5 - size / 2)) / np.float32(size / 2)
    ramp: np.ndarray = math.cos(angle) * x[None] + math.sin(angle) * x[:, None]
    return ramp


def _noise(grain: int, layer: int, knots: int, size: int) -> np.ndarray:
    """Smooth noise `(size, size)` in -1..1: random values at knots x knots points, linear between."""
    data = hashlib.shake_256(f"{grain} {layer}".encode()).digest(2 * knots * knots)
    lattice = (
        np.frombuffer(data, "<u2").reshape(knots, knots).astype(np.float32) / np.float32(32767.5)
        - 1
    )
    (before, after), knot = _interpolation(knots, size)
    rows = (
        before[:, None] * lattice[knot] + after[:, None] * lattice[knot + 1]
    )  # a product of matrices has other bits elsewhere
    noise: np.ndarray = rows[:, knot] * before + rows[:, knot + 1] * after
    return noise


@cache
def _interpolation(knots: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Linear interpolation: weights `(2, size)` of the knots before and after each pixel, and the
    number of the first `(size,)`."""
    position = (np.arange(size) + 0.5) * (knots - 1) / size
    knot = position.astype(int)
    after = (position - knot).astype(np.float32)
    return np.stack([1 - after, after]), knot
