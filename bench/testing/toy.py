"""Thirty-six small drawn photographs of a known law, on which plugins are checked. Nothing is read
or downloaded.

A photograph is four quarters, each of one colour, and a disc. The disc has one of three colours,
with probabilities that its lightness tells; everything else follows from the grey picture.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench import seeds as numbers
from bench.contracts import Dataset, Law
from bench.specs import DatasetSpec

if TYPE_CHECKING:
    from torch import Tensor

    from bench.pictures.images import Prepared
    from bench.protocol import Protocol

TRAIN, TEST = 24, 12
PALETTE = np.array([(45.0, 25.0), (-40.0, 30.0), (10.0, -45.0)], dtype=np.float32)
LIGHT, DARK = (0.6, 0.3, 0.1), (0.1, 0.3, 0.6)
"""Probabilities of the palette's colours, for a light disc and for a dark one."""
NEAR = 0.5
"""Deviation of a pixel, in ab units, up to which a field is one of the law's."""
SPEC = DatasetSpec(
    name="conformance-toy",
    summary="drawn photographs of a known law, for checks",
    factory="bench.testing.toy:Toy",
    licence="Apache-2.0: drawn by this project",
    known_law=True,
)


class Toy(Dataset):
    """Photographs `toy-00` and on: the first 24 to train, the others to test."""

    def __init__(self, home: Path | None = None) -> None:
        self.home = home

    def signature(self) -> str:
        return "conformance-toy 1"

    def files(self) -> list[str]:
        return [f"toy-{index:02}" for index in range(TRAIN + TEST)]

    def read(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        yield from ((name, name.encode()) for name in sorted(wanted))

    def split(self, ids: Sequence[str]) -> tuple[list[str], list[str]] | None:
        return sorted(ids)[:TRAIN], sorted(ids)[TRAIN:]

    def develop(self, data: bytes, protocol: Protocol, crop: int | None) -> Prepared:
        from bench.pictures.images import Prepared

        photograph = draw(data.decode())
        return Prepared(photograph.grey(), photograph.field(photograph.chosen), is_grey=False)

    def law(self, ids: Sequence[str]) -> Law:
        return ToyLaw([draw(name) for name in ids])


class Photograph:
    """One of them; all that is random about it follows from its name."""

    def __init__(self, name: str) -> None:
        rng = np.random.default_rng(numbers.derive(0, "conformance-toy", name))
        self.quarters = rng.uniform(-45, 45, (4, 2)).astype(np.float32)
        self.light = bool(rng.integers(2))
        self.centre, self.radius = rng.uniform(22, 42, 2), rng.uniform(12, 20)
        self.noise = rng.normal(0, 2, (256, 256))
        self.chosen = int(rng.choice(len(PALETTE), p=self.probabilities))

    @property
    def probabilities(self) -> tuple[float, ...]:
        """Of the disc's colours."""
        return LIGHT if self.light else DARK

    def field(self, colour: int) -> np.ndarray:
        """Colour field `(2, 64, 64)` with a disc of a colour of the palette."""
        colours = np.concatenate([self.quarters, PALETTE[[colour]]])
        return np.ascontiguousarray(colours[self._regions()].transpose(2, 0, 1))

    def grey(self) -> np.ndarray:
        """L `(256, 256)`."""
        lightness = np.append(
            50 + 0.4 * self.quarters[:, 0] + 0.3 * self.quarters[:, 1], 85 if self.light else 15
        )
        large = lightness[self._regions()].repeat(4, 0).repeat(4, 1)
        clipped: np.ndarray = (large + self.noise).clip(0, 100).astype(np.float32)
        return clipped

    def _regions(self) -> np.ndarray:
        """Quarter 0 to 3, or 4 for the disc, `(64, 64)`."""
        row, column = np.mgrid[:64, :64]
        disc = np.hypot(row - self.centre[0], column - self.centre[1]) < self.radius
        regions: np.ndarray = np.where(disc, 4, 2 * (row // 32) + column // 32)
        return regions


@cache
def draw(name: str) -> Photograph:
    """A photograph by its id."""
    return Photograph(name)


class ToyLaw(Law):
    """P(C | G) of some of the photographs: three fields each."""

    def __init__(self, photographs: Sequence[Photograph]) -> None:
        import torch

        fields = [np.stack([p.field(c) for c in range(len(PALETTE))]) for p in photographs]
        self.fields = torch.from_numpy(np.stack(fields))
        self.p = torch.tensor([p.probabilities for p in photographs], dtype=torch.float64)

    def sample(self, n: int, seeds: Sequence[int]) -> Tensor:
        import torch

        chance = numbers.uniform(seeds, (n, 1))[..., 0].double()
        index = (chance[..., None] >= self.p.cumsum(1)[:, None, :-1]).sum(-1)
        return self.fields[torch.arange(len(index))[:, None], index]

    def log_prob(self, ab: Tensor) -> Tensor:
        import math

        import torch

        on = self._on(ab)
        return torch.where(on.any(-1), (on * self.p[:, None]).sum(-1).log(), -math.inf)

    def distance(self, ab: Tensor) -> Tensor:
        n = ab.shape[1]
        share = self._on(ab).double().mean(1)
        missed = 1 - share.sum(1)
        noise = (share * (1 - share)).sum(1) + missed * (1 - missed)
        return (share - self.p).square().sum(1) + missed.square() - noise / (n - 1)

    def modes(self) -> list[tuple[Tensor, Tensor]] | None:
        return list(zip(self.fields, self.p))

    def _on(self, ab: Tensor) -> Tensor:
        """Whether fields `(B, n, 2, h, w)` are the law's, `(B, n, 3)`."""
        return (ab[:, :, None] - self.fields[:, None]).abs().flatten(3).amax(-1) <= NEAR
