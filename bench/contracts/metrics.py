"""Metrics: what they are told, and what they say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch

    from bench.contracts.colour_weights import ColourWeights
    from bench.contracts.datasets import Law
    from bench.contracts.samples import SampleSet


@dataclass(frozen=True)
class ScoreContext:
    """What a metric is told beside the samples and the truth, for the same B photographs.

    weights: colour-rarity weights of the train split. prior: its shares of Zhang's 313 bins,
    floored `(313,)`. scale: ab is divided by it in errors. grey: L `(B, 1, 256, 256)`, 0..100.
    seeds: one a photograph, the same for every method. law: the known P(C | G), if any.
    """

    weights: ColourWeights
    prior: np.ndarray
    scale: float
    grey: torch.Tensor
    seeds: Sequence[int]
    law: Law | None = None
    _made: dict[str, Any] = field(default_factory=dict, repr=False)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` returns, made once for these samples: metrics share costly things, such as
        RGB pictures."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]


@dataclass(frozen=True)
class Score:
    """One named column of per-photograph values: region `all` or `grid`; `variant` tells
    conventions apart.

    n: how many of the samples stand behind a value (0: all of them). NaN where a photograph has no
    value, never where something went wrong.
    """

    variant: str
    region: str
    values: np.ndarray
    n: int = 0


@dataclass(frozen=True)
class SetScore:
    """One value of a whole test set, with the metric's own 95 % interval (NaN: none)."""

    variant: str
    value: float
    low: float = float("nan")
    high: float = float("nan")


class Metric(ABC):
    """A function of sample sets and truths that gives one value a photograph.

    The harness makes a new object for every cell, calls `score` for batch after batch, and `finish`
    at the end.
    """

    @abstractmethod
    def score(self, samples: SampleSet, truth: torch.Tensor, context: ScoreContext) -> list[Score]:
        """Score a batch of photographs.

        Parameters
        ----------
        samples : SampleSet
            Of a kind that the metric's spec accepts.
        truth : Tensor `(B, 2, h, w)`
            The true colour fields, in CIELAB units.
        context : ScoreContext
            Weights, scale, lightness, seeds and, where it is known, the law.

        Returns
        -------
        list of Score
            One for each column that the spec declares (`variants`), with `(B,)` values.

        Raises
        ------
        BenchError
            Where these samples have no score, with the reason: the table says `refused`.
        """

    def combine(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Values of the whole set from the metric's own columns: ratios, distances of moments.

        Parameters
        ----------
        columns : mapping of str to array `(..., N)`
            Variant to values over the N photographs, of region `all`.

        Returns
        -------
        dict of str to array `(...)`
            Variant to value. Photographs are reduced; the harness calls this again with resampled
            ones for the interval.
        """
        return {}

    def finish(self) -> list[SetScore]:
        """Values of the whole set that a few numbers a photograph don't give; the metric brings its
        own interval."""
        return []
