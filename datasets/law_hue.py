"""Known law (c): continuous uncertainty. Each object's hue angle is drawn from its class's law on
the circle."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from math import pi

from bench.hookspecs import hookimpl
from bench.specs import DatasetSpec

from .choices import Choice, Hues
from .composition import Scene
from .drawn import SHAPES, TEXTURES, Dice, DrawnSet

CHROMA = 28.0
"""All hues of this chroma are inside sRGB for L in 48..78."""
CENTRES = {"stripes": 0.2 * pi, "checks": 0.7 * pi, "dots": -0.8 * pi, "shaded": -0.3 * pi}
"""Hue angle, atan2(b, a) in radians, of the law's main lobe, by texture: orange, green, teal,
purple."""
LOBES = {
    "disc": ((0.0,), (0.3,), (1.0,)),
    "square": ((0.0,), (0.9,), (1.0,)),
    "diamond": ((0.0, 0.7 * pi), (0.25, 0.4), (0.65, 0.35)),
}
"""By shape: offsets from the centre, standard deviations (radians) and weights of a mixture of
wrapped normals: narrow, wide, or with a second lobe."""


@hookimpl
def bench_register_datasets() -> Iterable[DatasetSpec]:
    """Objects of continuous hue."""
    yield DatasetSpec(
        name="law-hue",
        summary="drawn scenes of known law: 1 to 3 objects, the hue of each from its class's law "
        "on the circle",
        factory="bench.datasets.law_hue:LawHue",
        licence="Apache-2.0: drawn by this project",
        known_law=True,
    )


class LawHue(DrawnSet):
    """One to three objects of any classes, each in its own quarter of the picture, all of one
    chroma."""

    name = "law-hue"

    def compose(self, dice: Dice) -> tuple[Scene, tuple[Choice, ...]]:
        corners = dice.shuffled([(top, left) for top in (2, 34) for left in (2, 34)], "corners")
        count = dice.whole(1, 3, "count")
        kinds = [
            (TEXTURES[dice.whole(0, 3, i, "texture")], SHAPES[dice.whole(0, 2, i, "shape")])
            for i in range(count)
        ]
        things = [
            dice.thing(i, kind, corners[i], room=28, choice=i + 1) for i, kind in enumerate(kinds)
        ]
        scene, backdrop = dice.scene(things)
        return scene, (backdrop, *map(hues, kinds))


@cache
def hues(kind: tuple[str, str]) -> Hues:
    """The law of a class, (texture, shape)."""
    offsets, spreads, weights = LOBES[kind[1]]
    return Hues(tuple(CENTRES[kind[0]] + offset for offset in offsets), spreads, weights, CHROMA)
