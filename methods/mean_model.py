"""The conditional mean by ridge regression, alone and with noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import pairwise
from operator import add
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from bench.contracts import ColorDistribution, FitContext, Method, PreparedSet, SampleSet
from bench.extend import Features, feature_extractor, stored_features
from bench.seeds import normal
from bench.store import stored

from .borrowed import Borrowed
from .controls_model import PointMass
from .nets.ridge import Sums, chosen_ridge

BATCH, FOLDS = 32, 5


class Mean(Method):
    """A place's features and lightness give the colour there, as a difference from the training
    photographs' mean field.

    On two sets of real photographs this had the least error: without lightness, with features
    pooled over the photograph beside or instead, and with principal components of fields as targets
    it was larger, on one set larger than the mean field's. The penalty is chosen by
    cross-validation over photographs: places of one photograph are too much alike for generalised
    cross-validation over rows, and a tenth of a small set is too few.
    """

    def __init__(self, *, features: str) -> None:
        self.features = features

    def incompatible(self, dataset: str, count: int) -> str | None:
        return (
            f"mean needs at least 8 training photographs, there are {count}" if count < 8 else None
        )

    def fit(self, train: PreparedSet, context: FitContext) -> None:
        self.extractor = feature_extractor(context, "features", "take zhang")
        features = stored_features(context, "features", train)
        self.base = _mean_field(train)
        edges = np.linspace(0, len(train), FOLDS + 1).astype(int).tolist()
        self.weights, penalty = chosen_ridge(
            [self._sums(features, train, *fold) for fold in pairwise(edges)]
        )
        self.deviation = self._residuals(features, train)
        context.notes.update(penalty=penalty, residual_deviation=float(self.deviation.mean()))

    def save(self, folder: Path) -> None:
        tensors = {"base": self.base, "weights": self.weights, "deviation": self.deviation}
        save_file(tensors, folder / "mean.safetensors")

    def load(self, folder: Path, context: FitContext) -> None:
        self.extractor = feature_extractor(context, "features", "take zhang")
        tensors = stored.tensors(folder / "mean.safetensors")
        self.base, self.weights, self.deviation = (
            tensors[n] for n in ("base", "weights", "deviation")
        )

    def predict(self, grey: Tensor, seeds: Sequence[int]) -> PointMass:
        return PointMass(self.field(self.extractor.features(grey), grey), seeds)

    def field(self, features: Tensor, grey: Tensor) -> Tensor:
        """Fields `(B, 2, 64, 64)` of features `(B, C, h, w)` and L `(B, 1, 256, 256)`."""
        x = _design(features.float().cpu(), grey.cpu())
        coarse = (x.double() @ self.weights[:-1] + self.weights[-1]).unflatten(
            0, (len(features), *features.shape[2:])
        )
        large = functional.interpolate(
            coarse.permute(0, 3, 1, 2), size=(64, 64), mode="bilinear", align_corners=False
        )
        return (self.base + large).float()

    def _sums(self, features: Features, train: PreparedSet, first: int, last: int) -> Sums:
        """Of the design and of the colours' differences from the mean field, at the features'
        places."""
        return reduce(
            add, (self._batch_sums(features, train, batch) for batch in _batches(first, last))
        )

    def _batch_sums(self, features: Features, train: PreparedSet, batch: slice) -> Sums:
        some = torch.from_numpy(features[batch].astype(np.float32))
        gap = functional.adaptive_avg_pool2d(train.truth(batch) - self.base, _size(some))
        return Sums.of(_design(some, train.grey(batch)), gap.permute(0, 2, 3, 1).flatten(0, 2))

    def _residuals(self, features: Features, train: PreparedSet) -> Tensor:
        """Standard deviation `(2,)` of training colours about the mean, a and b."""
        total = torch.zeros(2, dtype=torch.float64)
        for batch in _batches(0, len(train)):
            gap = train.truth(batch) - self.field(
                torch.from_numpy(features[batch].astype(np.float32)), train.grey(batch)
            )
            total += gap.double().square().mean((2, 3)).sum(0)
        return (total / len(train)).sqrt().float()


class MeanNoise(Borrowed):
    """A law whose mean and variance are about right, and nothing else of it."""

    name, kind, lacks = "mean", Mean, "residuals"
    mean: Mean

    def __init__(self, *, mean: str, scale: float) -> None:
        self.part, self.scale = mean, scale

    def predict(self, grey: Tensor, seeds: Sequence[int]) -> Noise:
        return Noise(self.mean.predict(grey, seeds).field, self.scale * self.mean.deviation, seeds)


class Noise(ColorDistribution):
    """Independent normal numbers about fields `(B, 2, 64, 64)`, of a deviation `(2,)`, a and b."""

    def __init__(self, field: Tensor, deviation: Tensor, seeds: Sequence[int]) -> None:
        self.field, self.deviation, self.seeds = field, deviation, seeds

    def present(self, k: int) -> SampleSet:
        """k draws."""
        return self.sample(k)

    def sample(self, n: int) -> SampleSet:
        """n draws."""
        noise = normal(self.seeds, (n, *self.field.shape[1:]))
        return SampleSet(
            self.field[:, None] + self.deviation[:, None, None] * noise, "iid", n_drawn=n
        )

    def mean(self) -> Tensor:
        """The middle of the noise."""
        return self.field


def _design(features: Tensor, grey: Tensor) -> Tensor:
    """Rows `(B h w, C + 2)`: a place's features, its L and L²."""
    light = functional.adaptive_avg_pool2d(grey / 100, _size(features))
    return torch.cat([features, light, light.square()], dim=1).permute(0, 2, 3, 1).flatten(0, 2)


def _size(features: Tensor) -> tuple[int, int]:
    return features.shape[2], features.shape[3]


def _batches(first: int, last: int) -> Iterator[slice]:
    return (slice(start, min(start + BATCH, last)) for start in range(first, last, BATCH))


def _mean_field(train: PreparedSet) -> Tensor:
    total = torch.zeros(2, 64, 64, dtype=torch.float64)
    for batch in _batches(0, len(train)):
        total += train.truth(batch).double().sum(0)
    return (total / len(train)).float()
