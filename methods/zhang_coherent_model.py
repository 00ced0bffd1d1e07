"""A Gaussian copula over the pixels: Zhang's marginals exactly, the choice of neighbours
correlated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from bench.contracts import ColorDistribution, SampleSet
from bench.contracts.colour_weights import bin_centres
from bench.seeds import normal

from .borrowed import Borrowed
from .zhang_model import PixelDistribution, Quantiles, Zhang


class ZhangCoherent(Borrowed):
    """Another law with the same marginals as its part `zhang`; nothing of its own is fitted."""

    name, kind, lacks = "zhang", Zhang, "distribution for every pixel"
    zhang: Zhang

    def __init__(self, *, zhang: str, length: float) -> None:
        self.part, self.length = zhang, length

    def predict(self, grey: Tensor, seeds: Sequence[int]) -> CoherentDistribution:
        return CoherentDistribution(self.zhang.predict(grey, seeds), self.length, seeds)


class CoherentDistribution(ColorDistribution):
    """The marginals of `pixels`, joined by a Gaussian copula; it has no density in closed form."""

    def __init__(self, pixels: PixelDistribution, length: float, seeds: Sequence[int]) -> None:
        self.pixels, self.length, self.seeds = pixels, length, seeds
        self.quantiles = Quantiles(pixels.logits, pixels.temperature, bin_order())

    def present(self, k: int) -> SampleSet:
        """k draws."""
        return self.sample(k)

    def sample(self, n: int) -> SampleSet:
        """n fields: a smooth Gaussian field, made uniform, then through every pixel's inverse
        distribution function."""
        logits = self.pixels.logits
        field = smooth(normal(self.seeds, (n, *logits.shape[2:])), self.length)
        numbers = torch.special.ndtr(field).float().to(logits.device)
        return SampleSet(self.quantiles(numbers), "iid", n_drawn=n)

    def mean(self) -> Tensor:
        """Zhang's annealed mean: the marginals are the same."""
        return self.pixels.mean()

    def mode(self) -> Tensor:
        """The most likely colour of every pixel."""
        return self.pixels.mode()


def smooth(noise: Tensor, length: float) -> Tensor:
    """White noise `(..., h, w)` through a Gaussian filter, float64, of variance 1 everywhere.

    Away from borders the correlation of pixels d apart is exp(-d^2 / (4 length^2)). At borders the
    filter is cut off and scaled up, so that the variance, and with it every marginal, stays exact.
    """
    rows, columns = (_filter(size, length).to(noise.device) for size in noise.shape[-2:])
    return rows @ noise.double() @ columns.T


def _filter(size: int, length: float) -> Tensor:
    """The filter along one axis `(size, size)`; its rows have the Euclidean norm 1."""
    place = torch.arange(size, dtype=torch.float64)
    weight = (-(place[:, None] - place).square() / (2 * length**2)).exp()
    return weight / weight.norm(dim=1, keepdim=True)


def bin_order() -> np.ndarray:
    """The order of the bins `(313,)` along which distribution functions grow: a path from blue to
    yellow, in strips of two values of b, through which a goes there and back.

    Where the field or a distribution changes a little, the colour should, too. Neighbours on this
    path are neighbours in the plane, and photographs vary most along b. Mean difference of
    neighbouring pixels of draws, in ab units (the truth has 6, independent pixels 67): 16 here, 17
    along a Hilbert curve, 24 by b then a, 24 by hue, 29 by a then b; of pixels 8 apart: 46, 48, 45,
    50, 50.
    """
    a, b = bin_centres().T
    strip = np.floor((b + 10) / 20)
    sense = 1 - 2 * (strip % 2)
    order: np.ndarray = np.lexsort((sense * b, sense * a, strip))
    return order
