"""The known P(C | G) of drawn scenes: independent choices of colour, each for one region or for
several at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bench import seeds as numbers
from bench.contracts import Law
from bench.errors import BenchError

from .choices import Choice

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

MOST = 5
"""Most choices in a scene: so many uniform numbers a draw, whatever the scenes of a batch need."""
EXACT = 0.5
"""Largest deviation, in ab units, of any pixel from a field of the law up to which `log_prob` is
finite."""


@dataclass(frozen=True)
class SceneLaw:
    """P(C | G) of one scene. regions: `(64, 64)` int64. wears: the choice that each region wears."""

    regions: np.ndarray
    wears: tuple[int, ...]
    choices: tuple[Choice, ...]

    def draw(self, uniform: Tensor) -> list[Tensor]:
        """Coordinates of each choice, from uniform numbers `(n, MOST)`."""
        return [choice.draw(uniform[:, c]) for c, choice in enumerate(self.choices)]

    def paint(self, coordinates: Sequence[Tensor]) -> Tensor:
        """Fields `(n, 2, 64, 64)` float64 of coordinates, one `(n,)` for each choice."""
        import torch

        colours = torch.stack(
            [choice.colours(x) for choice, x in zip(self.choices, coordinates)], -1
        )
        fields = (
            colours[..., list(self.wears)] @ self._members
        )  # exact, and much faster than an index
        return fields.unflatten(-1, self.regions.shape)

    def read(self, ab: Tensor) -> list[Tensor]:
        """For each choice, the coordinates whose colour is nearest to the mean over its regions, of
        fields `(n, 2, 64, 64)` float64."""
        import torch

        mean, size = self._means(ab)
        coordinates = []
        for c, choice in enumerate(self.choices):
            weight = size * (torch.tensor(self.wears) == c)
            coordinates.append(choice.nearest(mean @ weight / weight.sum()))
        return coordinates

    def log_prob(self, ab: Tensor) -> Tensor:
        """`(n,)`: the sum over choices, where every pixel is within `EXACT` of the field that they
        paint."""
        import torch

        found = self.read(ab)
        log_prob = torch.stack([choice.log_prob(x) for choice, x in zip(self.choices, found)]).sum(
            0
        )
        exact = (ab - self.paint(found)).abs().flatten(1).amax(1) <= EXACT
        return torch.where(exact, log_prob, -math.inf)

    def distance(self, ab: Tensor) -> float:
        """Half of MMD^2 on all choices at once, plus half of the mean MMD^2 of each."""
        import torch

        found = self.read(ab)
        deviation = self._means((ab - self.paint(found)).square().sum(1, keepdim=True))[0][
            :, 0
        ].sqrt()
        far = deviation > torch.tensor([self.choices[c].tolerance for c in self.wears])
        kernels, embeddings = [], []
        for c, (choice, x) in enumerate(zip(self.choices, found)):
            off = far[:, torch.tensor(self.wears) == c].any(1)
            on = (~off).double()
            kernels.append(on[:, None] * on * choice.kernel(x) + off.double()[:, None] * off)
            embeddings.append(on * choice.embedding(x))
        kernel, embedding = torch.stack(kernels), torch.stack(embeddings)
        norm = torch.tensor([choice.norm() for choice in self.choices], dtype=torch.float64)
        each = _discrepancy(kernel, embedding, norm)
        return float(each.mean() + _discrepancy(kernel.prod(0), embedding.prod(0), norm.prod())) / 2

    def modes(self) -> tuple[Tensor, Tensor] | None:
        """All fields of positive probability, float32, and their probabilities; None where a choice
        is continuous."""
        import torch

        supports = [choice.support() for choice in self.choices]
        known = [s for s in supports if s is not None]
        if len(known) < len(supports):
            return None
        grid = torch.cartesian_prod(*known).unbind(-1)
        log_prob = torch.stack([choice.log_prob(x) for choice, x in zip(self.choices, grid)]).sum(0)
        return self.paint(grid).float(), log_prob.exp()

    def _means(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Means over regions `(n, c, R)` of `(n, c, 64, 64)`, and the regions' sizes `(R,)`."""
        size = self._members.sum(1)
        return values.flatten(2) @ self._members.T / size, size

    @cached_property
    def _members(self) -> Tensor:
        """1 where a pixel belongs to a region, else 0; `(R, 4096)`."""
        import torch

        return (
            torch.nn.functional.one_hot(torch.from_numpy(self.regions).flatten(), len(self.wears))
            .double()
            .T.contiguous()
        )


class DrawnLaw(Law):
    """P(C | G) of a batch of scenes.

    `log_prob` is finite within `EXACT` of the law's fields; hues are counted by their density in
    radians, several objects' by the product. `distance` reads colours within a choice's
    `tolerance`, and compares what it reads by kernels: it is MMD^2, estimated without bias (Gretton
    et al. 2012, Lemma 6, one side known). For a palette that is the sum over colours of (p̂ - p)^2
    - p̂ (1 - p̂) / (n - 1), what is no colour of the palette being one of p = 0. It is between 0
    and 2 in expectation.
    """

    def __init__(self, scenes: Sequence[SceneLaw]) -> None:
        self.scenes = scenes

    def sample(self, n: int, seeds: Sequence[int]) -> Tensor:
        import torch

        uniform = (
            numbers.uniform(seeds, (n, MOST)).double() + 2.0**-25
        )  # the middle of a step of float32's [0, 1)
        fields = torch.empty(len(self.scenes), n, 2, *self.scenes[0].regions.shape)
        for i, (scene, u) in enumerate(zip(self.scenes, uniform, strict=True)):
            fields[i] = scene.paint(scene.draw(u))
        return fields

    def log_prob(self, ab: Tensor) -> Tensor:
        import torch

        return torch.stack(
            [s.log_prob(fields.double()) for s, fields in zip(self.scenes, ab, strict=True)]
        )

    def distance(self, ab: Tensor) -> Tensor:
        import torch

        if ab.shape[1] < 2:
            raise BenchError("the distance to a law needs at least 2 draws of each photograph")
        return torch.tensor(
            [s.distance(f.double()) for s, f in zip(self.scenes, ab, strict=True)],
            dtype=torch.float64,
        )

    def modes(self) -> list[tuple[Tensor, Tensor]] | None:
        found = [s.modes() for s in self.scenes]
        discrete = [m for m in found if m is not None]
        return discrete if len(discrete) == len(found) else None


def _discrepancy(kernel: Tensor, embedding: Tensor, norm: Tensor) -> Tensor:
    """MMD^2 `(...)`: kernel `(..., n, n)` with 1 on the diagonal, embedding `(..., n)`, norm
    `(...)`."""
    n = kernel.shape[-1]
    return (kernel.sum((-1, -2)) - n) / (n * (n - 1)) - 2 * embedding.mean(-1) + norm
