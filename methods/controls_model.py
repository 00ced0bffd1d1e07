"""Controls that learn no colours of their own: grey, training photographs' fields, and what oracles
are shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch.nn import functional

from bench.contracts import (
    ColorDistribution,
    FitContext,
    Law,
    Method,
    PreparedSet,
    Revealed,
    SampleSet,
)
from bench.data.prepare import reopen
from bench.errors import BenchError
from bench.seeds import uniform
from bench.store import records
from bench.store.files import write_json

SIDE = 16
"""Of the small grey photographs that `knn` compares."""


class Unfitted(Method):
    """A method that learns nothing."""

    def fit(self, train: PreparedSet, context: FitContext) -> None:
        pass

    def save(self, folder: Path) -> None:
        pass

    def load(self, folder: Path, context: FitContext) -> None:
        pass


class Grey(Unfitted):
    """No colour at all."""

    def predict(self, grey: Tensor, seeds: Sequence[int]) -> PointMass:
        return PointMass(torch.zeros(len(grey), 2, 64, 64), seeds)


class Oracle(Unfitted):
    """A control that is shown more than the grey photograph."""

    def predict(self, grey: Tensor, seeds: Sequence[int]) -> ColorDistribution:
        raise BenchError(
            f"{type(self).__name__} can't colourize what it is not shown: ask `reveal`"
        )


class Truth(Oracle):
    """The true colours."""

    def reveal(self, shown: Revealed, seeds: Sequence[int]) -> PointMass:
        if shown.truth is None:
            raise BenchError("truth must be shown the truth")
        return PointMass(shown.truth, seeds)


class TrueLaw(Oracle):
    """The law that the photographs were drawn from."""

    def reveal(self, shown: Revealed, seeds: Sequence[int]) -> LawDistribution:
        if shown.law is None:
            raise BenchError("true-law must be shown the law")
        return LawDistribution(shown.law, seeds)


class TrainedOn(TypedDict):
    """`train.json`: a prepared set."""

    dataset: str
    key: records.Key


class TrainingFields(Method):
    """Colour fields of training photographs, read from the prepared set, which the store keeps: no
    fit holds a copy."""

    train: PreparedSet

    def fit(self, train: PreparedSet, context: FitContext) -> None:
        self.train = train

    def save(self, folder: Path) -> None:
        write_json(folder / "train.json", {"dataset": self.train.dataset, "key": self.train.key})

    def load(self, folder: Path, context: FitContext) -> None:
        found = records.read(folder / "train.json", TrainedOn)
        self.train = reopen(context.store, found["dataset"], found["key"])


class Marginal(TrainingFields):
    """Any training photograph's colours, whatever the grey photograph shows."""

    def predict(self, grey: Tensor, seeds: Sequence[int]) -> RandomField:
        return RandomField(
            self.train.ab,
            np.broadcast_to(np.arange(len(self.train)), (len(grey), len(self.train))),
            seeds,
        )


class Knn(TrainingFields):
    """The colours of one of the training photographs that look most alike in grey."""

    descriptors: np.ndarray

    def __init__(self, *, neighbours: int) -> None:
        self.neighbours = neighbours

    def incompatible(self, dataset: str, count: int) -> str | None:
        return (
            f"knn looks for {self.neighbours} neighbours among {count} photographs"
            if count < self.neighbours
            else None
        )

    def fit(self, train: PreparedSet, context: FitContext) -> None:
        super().fit(train, context)
        batches = (train.grey(slice(start, start + 64)) for start in range(0, len(train), 64))
        self._search(np.concatenate([describe(grey) for grey in batches]))

    def save(self, folder: Path) -> None:
        super().save(folder)
        save_file({"descriptors": self.descriptors}, folder / "descriptors.safetensors")

    def load(self, folder: Path, context: FitContext) -> None:
        super().load(folder, context)
        self._search(load_file(folder / "descriptors.safetensors")["descriptors"])

    def predict(self, grey: Tensor, seeds: Sequence[int]) -> Neighbours:
        return Neighbours(
            self.train.ab, self.tree.kneighbors(describe(grey), return_distance=False), seeds
        )

    def _search(self, descriptors: np.ndarray) -> None:
        self.descriptors = descriptors
        self.tree = NearestNeighbors(n_neighbors=self.neighbours, algorithm="brute").fit(
            descriptors
        )


def describe(grey: Tensor) -> np.ndarray:
    """What `knn` compares `(B, 256)`: L at 16 x 16.

    Not standardised: on two sets of real photographs raw lightness had the lower energy score (8
    and 14 of about 1,000), because exposure tells something about colour. Not features: knn needs
    no training, and they were worse on one set.
    """
    return functional.adaptive_avg_pool2d(grey, SIDE).flatten(1).cpu().numpy()


class PointMass(ColorDistribution):
    """All the probability on one field a photograph, `(B, 2, 64, 64)`."""

    def __init__(self, field: Tensor, seeds: Sequence[int]) -> None:
        self.field, self.seeds = field, seeds

    def present(self, k: int) -> SampleSet:
        """The field, once."""
        return SampleSet(self.field[:, None], "point", n_drawn=1)

    def sample(self, n: int) -> SampleSet:
        """n copies: draws of a law without any spread."""
        return SampleSet(self.field[:, None].expand(-1, n, -1, -1, -1), "iid", n_drawn=n)

    def mean(self) -> Tensor:
        """The field."""
        return self.field


class LawDistribution(ColorDistribution):
    """A known law."""

    def __init__(self, law: Law, seeds: Sequence[int]) -> None:
        self.law, self.seeds = law, seeds

    def present(self, k: int) -> SampleSet:
        """k draws."""
        return self.sample(k)

    def sample(self, n: int) -> SampleSet:
        """n draws of the law."""
        return SampleSet(self.law.sample(n, self.seeds), "iid", n_drawn=n)

    def log_prob(self, ab: Tensor) -> Tensor:
        """What the law says `(B,)`, in nats."""
        return self.law.log_prob(ab[:, None])[:, 0]


class RandomField(ColorDistribution):
    """One of the fields `(N, 2, 64, 64)` in the given rows `(B, m)`, all alike in probability."""

    def __init__(self, fields: np.ndarray, rows: np.ndarray, seeds: Sequence[int]) -> None:
        self.fields, self.rows, self.seeds = fields, rows, seeds

    def present(self, k: int) -> SampleSet:
        """k draws."""
        return self.sample(k)

    def sample(self, n: int) -> SampleSet:
        """n draws, with replacement."""
        numbers = uniform(self.seeds, (n, 1))[..., 0].double().numpy()
        chosen = (numbers * self.rows.shape[1]).astype(np.intp)
        return SampleSet(
            self._read(np.take_along_axis(self.rows, chosen, axis=1)), "iid", n_drawn=n
        )

    def _read(self, rows: np.ndarray) -> Tensor:
        return torch.from_numpy(np.asarray(self.fields[rows]))


class Neighbours(RandomField):
    """The fields of the nearest training photographs, the nearest first."""

    def present(self, k: int) -> SampleSet:
        """The k nearest, as equally likely modes: without replacement they are no independent
        draws."""
        if k > self.rows.shape[1]:
            raise BenchError(
                f"knn has {self.rows.shape[1]} neighbours and can't present {k}: use "
                f"knn[neighbours={k}] or more"
            )
        return SampleSet(self._read(self.rows[:, :k]), "modes", n_drawn=k)
