"""Intersection of colour histograms (Swain & Ballard 1991, equation 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.contracts import Metric, SampleSet, Score, ScoreContext

if TYPE_CHECKING:
    from torch import Tensor


class HistogramIntersection(Metric):
    """1 where both have the same colours in the same amounts, 0 where they share none."""

    def __init__(self, *, bins: int = 16) -> None:
        self.bins = bins

    def score(self, samples: SampleSet, truth: Tensor, context: ScoreContext) -> list[Score]:
        each = intersection(samples.ab, truth, self.bins)
        mean = (
            each.mean(1)
            if samples.weights is None
            else (each * samples.weights).sum(1) / samples.weights.sum(1)
        )
        return [Score("mean", "all", mean.numpy()), Score("best", "all", each.amax(1).numpy())]


def intersection(ab: Tensor, truth: Tensor, bins: int) -> Tensor:
    """Of fields `(B, k, 2, h, w)` and the truth `(B, 2, h, w)`: shares `(B, k)`, float64.

    >>> import torch
    >>> grey, blue = torch.zeros(1, 1, 2, 8, 8), torch.tensor([0.0, -60.0]).view(1, 2, 1, 1).expand(1, 2, 8, 8)
    >>> intersection(grey, blue, 16).item(), intersection(blue[:, None], blue, 16).item()
    (0.0, 1.0)
    """
    import torch

    return torch.minimum(_histograms(ab, bins), _histograms(truth[:, None], bins)).sum(-1)


def _histograms(ab: Tensor, bins: int) -> Tensor:
    """Shares of pixels `(B, k, bins * bins)` of fields `(B, k, 2, h, w)`; colours outside [-128,
    128) are in no bin.

    NaN for a field with a NaN: a value of its other pixels would flatter it.
    """
    import torch

    level = ((ab.double() + 128) * bins / 256).floor()
    inside = ((level >= 0) & (level < bins)).all(2)
    number = torch.where(inside, level[:, :, 0] * bins + level[:, :, 1], 0).long().flatten(2)
    shares = torch.zeros(*number.shape[:2], bins * bins, dtype=torch.float64)
    shares.scatter_add_(2, number, inside.flatten(2).double()).div_(number.shape[2])
    return shares.masked_fill_(ab.isnan().flatten(2).any(2)[..., None], torch.nan)
