"""Laws of one colour: a palette, or hues on a circle.

A choice has one coordinate, the index of a colour or a hue angle, so that painting, reading a
field, densities and distances (`laws`) are the same for both.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

BANDWIDTH = 0.5
"""Radians: standard deviation of the kernel that compares hues."""


class Choice(ABC):
    """The law of one colour. Coordinates `(n,)`; uniform numbers in (0, 1) and all values float64.

    tolerance: the largest RMS deviation, in ab units, of a region from its nearest colour of the
    law up to which the distance to the law takes it for that colour. Blur passes; a blend of
    colours, or speckle, does not.
    """

    tolerance: ClassVar[float]

    @abstractmethod
    def draw(self, uniform: Tensor) -> Tensor:
        """Coordinates of the law, from uniform numbers `(n,)`."""

    @abstractmethod
    def colours(self, coordinate: Tensor) -> Tensor:
        """ab `(n, 2)`."""

    @abstractmethod
    def nearest(self, ab: Tensor) -> Tensor:
        """Coordinates of the law's colours that are nearest to ab `(n, 2)`."""

    @abstractmethod
    def log_prob(self, coordinate: Tensor) -> Tensor:
        """Log probability, or density in the coordinate, in nats."""

    @abstractmethod
    def kernel(self, coordinate: Tensor) -> Tensor:
        """A characteristic kernel K between coordinates, `(n, n)`, 1 on the diagonal."""

    @abstractmethod
    def embedding(self, coordinate: Tensor) -> Tensor:
        """E K(coordinate, Y) with Y of this law."""

    @abstractmethod
    def norm(self) -> float:
        """E K(Y, Y') with Y and Y' of this law, independent."""

    def support(self) -> Tensor | None:
        """All coordinates, if there are finitely many."""
        return None


@dataclass(frozen=True)
class Palette(Choice):
    """One of a few colours (ab), with these probabilities. K is 1 for the same colour, else 0.

    The tolerance is half of the least spacing in a palette.
    """

    tolerance = 16.0

    ab: tuple[tuple[float, float], ...]
    probabilities: tuple[float, ...]

    def draw(self, uniform: Tensor) -> Tensor:
        return _which(self._p, uniform)

    def colours(self, coordinate: Tensor) -> Tensor:
        return self._colours[coordinate]

    def nearest(self, ab: Tensor) -> Tensor:
        return (ab[:, None] - self._colours).square().sum(-1).argmin(1)

    def log_prob(self, coordinate: Tensor) -> Tensor:
        return self._p.log()[coordinate]

    def kernel(self, coordinate: Tensor) -> Tensor:
        return (coordinate[:, None] == coordinate).double()

    def embedding(self, coordinate: Tensor) -> Tensor:
        return self._p[coordinate]

    def norm(self) -> float:
        return sum(p * p for p in self.probabilities)

    def support(self) -> Tensor | None:
        import torch

        return torch.arange(len(self.ab))

    @cached_property
    def _p(self) -> Tensor:
        return _tensor(self.probabilities)

    @cached_property
    def _colours(self) -> Tensor:
        return _tensor(self.ab)


@dataclass(frozen=True)
class Hues(Choice):
    """A hue angle in radians, a mixture of wrapped normals, at a fixed chroma. K is a wrapped
    normal density of standard deviation `BANDWIDTH`, over its greatest value.

    The tolerance is smaller than a palette's: a chroma off by half must count as wrong.
    """

    tolerance = 10.0

    centres: tuple[float, ...]
    spreads: tuple[float, ...]
    weights: tuple[float, ...]
    chroma: float

    def draw(self, uniform: Tensor) -> Tensor:
        """One uniform number gives the component, and its place in the component's stretch of (0,
        1) the quantile."""
        import torch

        centre, spread, weight = self._mixture
        component = _which(weight, uniform)
        place = (uniform - (weight.cumsum(0) - weight)[component]) / weight[component]
        return centre[component] + spread[component] * torch.special.ndtri(
            place.clamp(1e-12, 1 - 1e-12)
        )

    def colours(self, coordinate: Tensor) -> Tensor:
        import torch

        return self.chroma * torch.stack([coordinate.cos(), coordinate.sin()], -1)

    def nearest(self, ab: Tensor) -> Tensor:
        import torch

        return torch.atan2(ab[:, 1], ab[:, 0])

    def log_prob(self, coordinate: Tensor) -> Tensor:
        return self._smoothed(coordinate, 0.0).log()

    def kernel(self, coordinate: Tensor) -> Tensor:
        return _wrapped(coordinate[:, None] - coordinate, _tensor(BANDWIDTH)) / self._peak()

    def embedding(self, coordinate: Tensor) -> Tensor:
        return self._smoothed(coordinate, BANDWIDTH) / self._peak()

    def norm(self) -> float:
        centre, spread, weight = self._mixture
        width = (spread[:, None].square() + spread.square() + BANDWIDTH**2).sqrt()
        return float(weight @ _wrapped(centre[:, None] - centre, width) @ weight) / self._peak()

    def _smoothed(self, coordinate: Tensor, width: float) -> Tensor:
        """The density, convolved with a wrapped normal of this standard deviation."""
        centre, spread, weight = self._mixture
        return _wrapped(coordinate[:, None] - centre, (spread.square() + width**2).sqrt()) @ weight

    def _peak(self) -> float:
        return float(_wrapped(_tensor(0.0), _tensor(BANDWIDTH)))

    @cached_property
    def _mixture(self) -> tuple[Tensor, Tensor, Tensor]:
        return _tensor(self.centres), _tensor(self.spreads), _tensor(self.weights)


def _which(probabilities: Tensor, uniform: Tensor) -> Tensor:
    import torch

    return torch.searchsorted(
        probabilities.cumsum(0)[:-1].contiguous(), uniform.contiguous(), right=True
    )


def _wrapped(angle: Tensor, spread: Tensor) -> Tensor:
    """The wrapped normal density at angles, with centre 0; spread at most 2 radians."""
    import torch

    turns = (
        angle[..., None]
        - 2 * math.pi * (angle[..., None] / (2 * math.pi)).round()
        + 2 * math.pi * torch.arange(-4, 5)
    )
    width = spread[..., None]
    return ((turns / width).square() / -2).exp().sum(-1) / (spread * math.sqrt(2 * math.pi))


def _tensor(values: object) -> Tensor:
    import torch

    return torch.as_tensor(values, dtype=torch.float64)
