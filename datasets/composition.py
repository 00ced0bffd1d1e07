"""What the grey picture of a drawn scene shows: a backdrop, and things on it."""

from __future__ import annotations

from dataclasses import dataclass

SIDE = 64
"""Side of the colour field. A pixel of it covers a block of `BLOCK` x `BLOCK` pixels of L, always
of one region."""
BLOCK = 4


@dataclass(frozen=True)
class Thing:
    """An object. top, left, side: its square, in pixels of the colour field. lightness, contrast:
    in L. period: of the texture, in pixels of L. angle: of the texture, in radians. choice: which
    of the scene's colour choices it wears."""

    texture: str
    shape: str
    top: int
    left: int
    side: int
    lightness: float
    contrast: float
    period: float
    angle: float
    choice: int


@dataclass(frozen=True)
class Scene:
    """What the grey picture shows. lightness, slope (L from the middle to an edge), angle: the
    backdrop's ramp. grain: seed of its noise. Choice 0 is the backdrop's colour."""

    lightness: float
    slope: float
    angle: float
    grain: int
    things: tuple[Thing, ...]
