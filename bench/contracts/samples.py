"""Sample sets, and distributions over colour fields."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from bench.errors import BenchError
from bench.specs import PRESENTED, Kind

if TYPE_CHECKING:
    import torch


KINDS: tuple[Kind, ...] = (*PRESENTED, "reconstruction")


@dataclass(frozen=True)
class SampleSet:
    """Colour fields for a batch of B photographs, and what they are.

    Parameters
    ----------
    ab : Tensor `(B, k, 2, h, w)`
        The fields: float32, a and b in CIELAB units.
    kind : str
        `iid` draws from one distribution, `modes` of it, `centroids` of clustered draws, `point`
        estimates, or a `reconstruction` that was made with sight of the truth. It must be true:
        metrics trust it.
    weights : Tensor `(B, k)`, optional
        Shares of the k fields, which sum to 1. None: they are equal.
    n_drawn : int
        How many draws stand behind the k fields.
    log_prob : Tensor `(B,)`, optional
        The method's log density of the truth, in nats.

    Raises
    ------
    ValueError
        For another shape, or a kind that there is not.

    Examples
    --------
    >>> import torch
    >>> SampleSet(torch.zeros(2, 5, 2, 64, 64), "iid", n_drawn=5).ab.shape[1]
    5
    """

    ab: torch.Tensor
    kind: Kind
    weights: torch.Tensor | None = None
    n_drawn: int = 0
    log_prob: torch.Tensor | None = None

    def __post_init__(self) -> None:
        if self.ab.ndim != 5 or self.ab.shape[2] != 2:
            raise ValueError(f"SampleSet.ab must be (B, k, 2, h, w), not {tuple(self.ab.shape)}")
        if self.kind not in KINDS:
            raise ValueError(f"SampleSet.kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        if self.weights is not None and self.weights.shape != self.ab.shape[:2]:
            raise ValueError(
                f"SampleSet.weights must be {tuple(self.ab.shape[:2])}, not "
                f"{tuple(self.weights.shape)}"
            )


class ColorDistribution(ABC):
    """P(C | G) for a batch of grey photographs.

    `seeds`, one a photograph, is the only source of randomness: the harness asks for one draw at a
    time through `reseeded`, and then again from the beginning, to see that no draw depends on
    another.
    """

    seeds: Sequence[int]

    @abstractmethod
    def present(self, k: int) -> SampleSet:
        """The k colourizations that the method would show a person.

        Parameters
        ----------
        k : int
            How many, 1 or more.

        Returns
        -------
        SampleSet
            Fields `(B, k, 2, 64, 64)`, of the kind that the method's spec declares.
        """

    def sample(self, n: int) -> SampleSet:
        """n independent draws.

        Parameters
        ----------
        n : int
            How many, 1 or more.

        Returns
        -------
        SampleSet
            Fields `(B, n, 2, 64, 64)` of kind `iid`. The first five of ten are the five.

        Raises
        ------
        BenchError
            Where the method can't draw.
        """
        raise BenchError(f"{type(self).__name__} can't draw independent samples")

    def reseeded(self, seeds: Sequence[int]) -> Self:
        """The same distribution with other seeds, one a photograph."""
        twin = copy.copy(self)
        twin.seeds = seeds
        return twin

    def mean(self) -> torch.Tensor:
        """One point estimate `(B, 2, h, w)`."""
        raise BenchError(f"{type(self).__name__} has no mean")

    def log_prob(self, ab: torch.Tensor) -> torch.Tensor:
        """The log density of colour fields.

        Parameters
        ----------
        ab : Tensor `(B, 2, h, w)`
            One field a photograph, in CIELAB units.

        Returns
        -------
        Tensor `(B,)`
            In nats, in the space that the method's spec names (`density`).

        Raises
        ------
        BenchError
            Where the method has no density.
        """
        raise BenchError(f"{type(self).__name__} has no density")
