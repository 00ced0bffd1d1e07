"""Ridge regression from sums over rows: memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import add

import torch
from torch import Tensor

PENALTIES = tuple(10.0 ** (step / 2) for step in range(-12, 5))
"""1e-6 to 100, in units of a standardised input's variance."""


class Sums:
    """The sums over rows `x (n, p)` and `y (n, q)` that a least-squares fit with an intercept
    needs, in float64."""

    def __init__(self, gram: Tensor, cross: Tensor, squares: Tensor) -> None:
        self.gram, self.cross, self.squares = gram, cross, squares

    @classmethod
    def of(cls, x: Tensor, y: Tensor) -> Sums:
        """The sums of some rows."""
        x, y = torch.cat([x.double(), x.new_ones(len(x), 1).double()], dim=1), y.double()
        return cls(x.T @ x, x.T @ y, y.square().sum(0))

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.gram + other.gram, self.cross + other.cross, self.squares + other.squares)

    def __sub__(self, other: Sums) -> Sums:
        return Sums(self.gram - other.gram, self.cross - other.cross, self.squares - other.squares)

    def error(self, weights: Tensor) -> float:
        """Squared error, summed over the rows and outputs, of weights `(p + 1, q)`; the last one is
        the intercept."""
        explained = 2 * (weights * self.cross).sum() - (weights * (self.gram @ weights)).sum()
        return float(self.squares.sum() - explained)


def ridge(sums: Sums) -> Callable[[float], Tensor]:
    """Weights `(p + 1, q)` by penalty, of inputs standardised inside; the intercept is not
    penalised.

    Minimises mean |y - x w - c|^2 + penalty |s w|^2, s the inputs' standard deviations (Hoerl and
    Kennard 1970).
    """
    gram, cross = sums.gram / sums.gram[-1, -1], sums.cross / sums.gram[-1, -1]
    x_mean, y_mean = gram[-1, :-1], cross[-1]
    covariance = gram[:-1, :-1] - torch.outer(x_mean, x_mean)
    deviation = (
        covariance.diagonal().clamp_min(1e-8).sqrt()
    )  # a constant input gets a weight of nearly nothing
    values, vectors = torch.linalg.eigh(covariance / torch.outer(deviation, deviation))
    target = vectors.T @ ((cross[:-1] - torch.outer(x_mean, y_mean)) / deviation[:, None])

    def weights(penalty: float) -> Tensor:
        slope = vectors @ (target / (values.clamp_min(0) + penalty)[:, None]) / deviation[:, None]
        return torch.cat([slope, (y_mean - x_mean @ slope)[None]])

    return weights


def chosen_ridge(folds: Sequence[Sums]) -> tuple[Tensor, float]:
    """Weights of all rows, with the penalty that has the least squared error on each fold when
    fitted on the others."""
    total = reduce(add, folds)
    candidates = [ridge(total - fold) for fold in folds]
    penalty = min(
        PENALTIES,
        key=lambda p: sum(fold.error(c(p)) for fold, c in zip(folds, candidates, strict=True)),
    )
    return ridge(total)(penalty), penalty
