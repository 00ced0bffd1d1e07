"""Known law (b): long-range coupling. Two objects of one class, in opposite corners, share one
choice of colour."""

from __future__ import annotations

from collections.abc import Iterable

from bench.hookspecs import hookimpl
from bench.specs import DatasetSpec

from .choices import Choice
from .composition import Scene
from .drawn import SHAPES, TEXTURES, Dice, DrawnSet
from .law_palette import palette

NEAR, FAR = 1, 37
"""First row or column of the corners, of 26 pixels each: at least 10 rows and 10 columns lie
between partners."""


@hookimpl
def bench_register_datasets() -> Iterable[DatasetSpec]:
    """Distant objects that share a choice."""
    yield DatasetSpec(
        name="law-coupled",
        summary="drawn scenes of known law: like objects in opposite corners share one choice of "
        "colour",
        factory="bench.datasets.law_coupled:LawCoupled",
        licence="Apache-2.0: drawn by this project",
        known_law=True,
    )


class LawCoupled(DrawnSet):
    """A pair on one diagonal; on the other nothing, a single object, or a second pair of another
    texture.

    The laws of classes are those of `law-palette`. Whoever colours pixels, or objects, one by one
    can have every marginal right, and still gives partners different colours.
    """

    name = "law-coupled"

    def compose(self, dice: Dice) -> tuple[Scene, tuple[Choice, ...]]:
        diagonals = dice.shuffled(
            [((NEAR, NEAR), (FAR, FAR)), ((NEAR, FAR), (FAR, NEAR))], "diagonals"
        )
        sizes = [2, dice.whole(0, 2, "second group")]
        textures = dice.shuffled(TEXTURES, "textures")
        kinds = [
            (textures[g], SHAPES[dice.whole(0, 2, g, "shape")])
            for g, size in enumerate(sizes)
            if size
        ]
        places = [(g, corner) for g, size in enumerate(sizes) for corner in diagonals[g][:size]]
        things = [
            dice.thing(i, kinds[g], corner, room=26, choice=g + 1)
            for i, (g, corner) in enumerate(places)
        ]
        scene, backdrop = dice.scene(things)
        return scene, (backdrop, *map(palette, kinds))
