"""Known law (a): each object takes one colour of its texture's palette, with probabilities that its
shape gives."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from bench.hookspecs import hookimpl
from bench.specs import DatasetSpec

from .choices import Choice, Palette
from .composition import Scene
from .drawn import SHAPES, TEXTURES, Dice, DrawnSet

RED, ORANGE, OCHRE, GREEN = (29.0, 15.5), (23.5, 33.5), (4.0, 48.0), (-34.0, 28.0)
TEAL, BLUE, PURPLE = (-28.0, -7.5), (6.0, -32.5), (37.0, -23.0)
"""ab; inside sRGB for L in 48..78, and at least 32 apart in a palette."""

PALETTES = {
    "stripes": (RED, OCHRE, BLUE),
    "checks": (GREEN, PURPLE),
    "dots": (ORANGE, GREEN, TEAL, PURPLE),
    "shaded": (OCHRE, TEAL),
}
"""By texture. A scene shows no texture twice (`law-coupled`: in no two groups): it has at most 3 *
2 * 4 * 2 modes."""

PROBABILITIES = {
    ("stripes", "disc"): (0.6, 0.3, 0.1),
    ("stripes", "square"): (0.1, 0.6, 0.3),
    ("stripes", "diamond"): (0.3, 0.1, 0.6),
    ("checks", "disc"): (0.8, 0.2),
    ("checks", "square"): (0.5, 0.5),
    ("checks", "diamond"): (0.2, 0.8),
    ("dots", "disc"): (0.4, 0.3, 0.2, 0.1),
    ("dots", "square"): (0.1, 0.2, 0.3, 0.4),
    ("dots", "diamond"): (0.25,) * 4,
    ("shaded", "disc"): (0.3, 0.7),
    ("shaded", "square"): (0.9, 0.1),
    ("shaded", "diamond"): (0.6, 0.4),
}


@hookimpl
def bench_register_datasets() -> Iterable[DatasetSpec]:
    """Objects with a palette each."""
    yield DatasetSpec(
        name="law-palette",
        summary="drawn scenes of known law: 2 to 4 objects, each independently of one colour of "
        "its class's palette",
        factory="bench.datasets.law_palette:LawPalette",
        licence="Apache-2.0: drawn by this project",
        known_law=True,
    )


class LawPalette(DrawnSet):
    """Two to four objects of different textures, each in its own quarter of the picture."""

    name = "law-palette"

    def compose(self, dice: Dice) -> tuple[Scene, tuple[Choice, ...]]:
        corners = dice.shuffled([(top, left) for top in (2, 34) for left in (2, 34)], "corners")
        textures = dice.shuffled(TEXTURES, "textures")[: dice.whole(2, 4, "count")]
        kinds = [
            (texture, SHAPES[dice.whole(0, 2, i, "shape")]) for i, texture in enumerate(textures)
        ]
        things = [
            dice.thing(i, kind, corners[i], room=28, choice=i + 1) for i, kind in enumerate(kinds)
        ]
        scene, backdrop = dice.scene(things)
        return scene, (backdrop, *map(palette, kinds))


@cache
def palette(kind: tuple[str, str]) -> Palette:
    """The law of a class, (texture, shape)."""
    return Palette(PALETTES[kind[0]], PROBABILITIES[kind])
