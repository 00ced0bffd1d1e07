"""Data sets that are drawn: scenes of textured objects, made in CIELAB, whose P(C | G) is known
exactly.

A scene is a backdrop and a few objects. Its lightness says what each object is: its texture and its
shape are its class, and the class has a law of colours. Position, size, lightness, contrast, period
and angle say nothing. L comes from `scenes.lightness`, which is never shown a colour: no 8-bit RGB
file lies between, so that nothing of the colour leaks into the grey picture.

The source bytes of a scene are its description in canonical JSON, the true colours included. All of
it is a function of (set, `RECIPE`, index) through SHA-256: the same on every machine.
"""

from __future__ import annotations

import json
import math
import re
from abc import abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from bench import keys, seeds
from bench.contracts import Dataset
from bench.errors import BenchError

from .choices import Choice, Palette
from .composition import Scene, Thing

if TYPE_CHECKING:
    from bench.contracts import Law
    from bench.pictures.images import Prepared
    from bench.protocol import Protocol

RECIPE = "1"
"""Raise it when scenes, colours or laws change."""
PAINT = "2"
"""Raise it when the same scenes have other greys."""
TRAIN, TEST = 2000, 500
"""Scenes of the parts; indices 0..1999 and 2000..2499."""
TEXTURES = ("stripes", "checks", "dots", "shaded")
SHAPES = ("disc", "square", "diamond")
DARK, LIGHT = (0.0, -13.0), (0.0, 14.0)
"""ab of a dark backdrop and of a light one: no choice is left there."""

T = TypeVar("T")


@dataclass(frozen=True)
class Dice:
    """Uniform numbers of one scene, each by its name: none depends on which others are asked for,
    or when."""

    name: str
    index: int

    def uniform(self, *what: str | int) -> float:
        """In (0, 1)."""
        return (seeds.derive(0, self.name, RECIPE, self.index, *what) + 0.5) / 2**63

    def between(self, low: float, high: float, *what: str | int) -> float:
        """To four decimals."""
        return round(low + (high - low) * self.uniform(*what), 4)

    def whole(self, low: int, high: int, *what: str | int) -> int:
        """From `low` to `high`, both included."""
        return low + math.floor((high - low + 1) * self.uniform(*what))

    def shuffled(self, items: Sequence[T], *what: str | int) -> list[T]:
        """The items in a random order."""
        return [items[i] for i in sorted(range(len(items)), key=lambda i: self.uniform(*what, i))]

    def thing(
        self, number: int, kind: tuple[str, str], corner: tuple[int, int], room: int, choice: int
    ) -> Thing:
        """Object `number`, of a (texture, shape), somewhere in a square of `room` pixels with this
        (top, left)."""
        side = self.whole(19, room - 2, number, "side")
        down, right = (
            self.whole(0, room - side, number, "down"),
            self.whole(0, room - side, number, "right"),
        )
        return Thing(
            *kind,
            corner[0] + down,
            corner[1] + right,
            side,
            self.between(58, 68, number, "lightness"),
            self.between(7, 10, number, "contrast"),
            self.between(18, 28, number, "period"),
            self.between(0, math.pi, number, "angle"),
            choice,
        )

    def scene(self, things: Sequence[Thing]) -> tuple[Scene, Palette]:
        """The objects on a dark or a light backdrop, and the backdrop's one colour."""
        dark = self.uniform("dark") < 0.5
        lightness = self.between(24, 32, "lightness") if dark else self.between(86, 88, "lightness")
        scene = Scene(
            lightness,
            self.between(0, 2.5, "slope"),
            self.between(-math.pi, math.pi, "slope angle"),
            self.whole(0, 2**32 - 1, "grain"),
            tuple(things),
        )
        return scene, Palette((DARK if dark else LIGHT,), (1.0,))


class DrawnSet(Dataset):
    """Scenes `scene-00000` and on: 2,000 to train and 500 to test. A subclass says how one is
    composed."""

    name: ClassVar[str]

    def __init__(self, path: Path | None = None, home: Path | None = None) -> None:
        self.path = path
        self.home = home

    @abstractmethod
    def compose(self, dice: Dice) -> tuple[Scene, tuple[Choice, ...]]:
        """A scene and its independent colour choices, the backdrop's first."""

    def signature(self) -> str:
        return keys.digest_of([self.name, RECIPE, PAINT])

    def files(self) -> list[str]:
        return [f"scene-{index:05}" for index in range(TRAIN + TEST)]

    def read(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        for scene in sorted(wanted):
            yield scene, keys.canonical(self.describe(scene)).encode()

    def split(self, ids: Sequence[str]) -> tuple[list[str], list[str]] | None:
        """By index; both parts in an order of no meaning."""
        order = sorted(ids, key=keys.sha256)
        return [i for i in order if self._index(i) < TRAIN], [
            i for i in order if self._index(i) >= TRAIN
        ]

    def develop(self, data: bytes, protocol: Protocol, crop: int | None) -> Prepared:
        from bench.pictures.images import Prepared

        from . import scenes

        described = json.loads(data)
        scene = Scene(
            **described["scene"]
            | {"things": tuple(Thing(**t) for t in described["scene"]["things"])}
        )
        return Prepared(
            scenes.lightness(scene), scenes.paint(scene, described["colours"]), is_grey=False
        )

    def law(self, ids: Sequence[str]) -> Law:
        from . import scenes
        from .laws import DrawnLaw, SceneLaw

        composed = [self.compose(Dice(self.name, self._index(i))) for i in ids]
        return DrawnLaw(
            [
                SceneLaw(scenes.regions(scene), (0, *(t.choice for t in scene.things)), choices)
                for scene, choices in composed
            ]
        )

    def describe(self, scene_id: str) -> dict[str, Any]:
        """What a scene is, the ab of its true colours, one a choice, included."""
        import torch

        dice = Dice(self.name, self._index(scene_id))
        scene, choices = self.compose(dice)
        numbers = [
            torch.tensor([dice.uniform("colour", c)], dtype=torch.float64)
            for c in range(len(choices))
        ]
        colours = [
            choice.colours(choice.draw(u))[0].tolist() for choice, u in zip(choices, numbers)
        ]
        return {
            "set": self.name,
            "recipe": RECIPE,
            "paint": PAINT,
            "id": scene_id,
            "scene": vars(scene) | {"things": [vars(t) for t in scene.things]},
            "colours": [[round(x, 4) for x in colour] for colour in colours],
        }

    def _index(self, scene_id: str) -> int:
        found = re.fullmatch("scene-([0-9]{5})", scene_id)
        if not found or int(found[1]) >= TRAIN + TEST:
            raise BenchError(f"dataset {self.name} has no scene '{scene_id}'")
        return int(found[1])
