"""Mondrians: overlapping rectangles, each of one reflectance, under light that falls off along a
random direction.

The grey picture shows the rectangles and tells little of their colours, so there are many right
answers.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from bench import keys
from bench.contracts import Dataset
from bench.errors import BenchError

RECIPE = "1"
"""Raise it when the pictures change."""
TRAIN, TEST = 80, 20
SIDE = 96
"""In pixels."""
PATCHES = 24
DARKEST = 60
"""Light in the darkest corner, in percent of the brightest."""


class Mondrian(Dataset):
    """`train-00`, ...; `test-00`, .... The source bytes are PPM files: a header and the pixels,
    alike on every machine."""

    def __init__(self, path: Path | None = None, home: Path | None = None) -> None:
        self.path, self.home = path, home

    def signature(self) -> str:
        return keys.digest_of(["mondrian", RECIPE])

    def files(self) -> list[str]:
        return sorted(
            f"{part}-{number:02}"
            for part, count in (("train", TRAIN), ("test", TEST))
            for number in range(count)
        )

    def read(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        known = self.files()
        for photo in sorted(wanted):
            if photo not in known:
                raise BenchError(f"dataset mondrian has no picture '{photo}'; one is '{known[0]}'")
            yield photo, f"P6 {SIDE} {SIDE} 255\n".encode() + draw(known.index(photo)).tobytes()

    def split(self, ids: Sequence[str]) -> tuple[list[str], list[str]] | None:
        """By name; both parts in an order of no meaning."""
        order = sorted(ids, key=keys.sha256)
        return [i for i in order if i.startswith("train-")], [
            i for i in order if i.startswith("test-")
        ]


def draw(number: int) -> np.ndarray:
    """Picture `(SIDE, SIDE, 3)` uint8. Whole numbers only, so that no machine rounds differently.

    >>> draw(0).shape, draw(0).dtype.name
    ((96, 96, 3), 'uint8')
    """
    dice = np.random.default_rng([int(RECIPE), number])
    picture = np.broadcast_to(dice.integers(60, 240, 3), (SIDE, SIDE, 3)).copy()
    for _ in range(PATCHES):
        top, left = dice.integers(-16, SIDE - 8, 2)
        height, width = dice.integers(16, 49, 2)
        picture[max(top, 0) : top + height, max(left, 0) : left + width] = dice.integers(60, 240, 3)
    lit: np.ndarray = (picture * _light(dice) // 100).astype(np.uint8)
    return lit


def _light(dice: np.random.Generator) -> np.ndarray:
    """Percent `(SIDE, SIDE, 1)`, from `DARKEST` to 100 along a random direction."""
    down, right = dice.integers(-8, 9, 2)
    ramp = down * np.arange(SIDE)[:, None] + right * np.arange(SIDE)[None, :]
    span = max(int(np.ptp(ramp)), 1)
    percent: np.ndarray = DARKEST + (100 - DARKEST) * (ramp - ramp.min()) // span
    return percent[..., None]
