"""The continuous ranked probability score, pixel by pixel and channel by channel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bench.contracts import Metric, SampleSet, Score, ScoreContext
from bench.extend.metrics import on
from bench.hookspecs import hookimpl
from bench.specs import MetricSpec

from .energy_score import at_least_two

if TYPE_CHECKING:
    import torch


@hookimpl
def bench_register_metrics() -> Iterable[MetricSpec]:
    """The fair CRPS."""
    yield MetricSpec(
        name="fair-crps",
        summary="proper score of every pixel's and channel's own distribution, averaged; blind to "
        "how pixels hang together",
        factory="bench.metrics.crps:FairCrps",
        unit="ab/128",
        direction="down",
        accepts=frozenset({"iid"}),
        least=2,
        variants={"ab": "mean of both channels", "a": "channel a", "b": "channel b"},
        formula="mean over pixels of 1/M Σ_m |x_m − y| − 1/(2M(M−1)) Σ_{m≠j} |x_m − x_j|, at scale "
        "1/128",
        citation="Gneiting & Raftery 2007, JASA 102:359; Ferro 2014, QJRMS 140:1917 (fair)",
        gaming="It knows marginal distributions only: a sampler that draws every pixel on its own "
        "from the right "
        "marginals is as good as the truth, speckle and all.",
        checked='scoringrules 0.10 crps_ensemble, estimator="fair"',
    )


class FairCrps(Metric):
    """Of independent draws; at least two."""

    def score(self, samples: SampleSet, truth: torch.Tensor, context: ScoreContext) -> list[Score]:
        values = fair_crps(samples.ab, truth) / context.scale
        scores = []
        for region in ("all", "grid"):
            a, b = on(region, values).mean((-1, -2)).unbind(1)
            scores += [
                Score("ab", region, ((a + b) / 2).numpy()),
                Score("a", region, a.numpy()),
                Score("b", region, b.numpy()),
            ]
        return scores


def fair_crps(ab: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Fair CRPS `(B, 2, h, w)`, float64, in units of ab, of draws `(B, M, 2, h, w)`. BenchError for
    M = 1.

    Sorted, the sum over pairs is Σ_i (2i − M − 1) x_(i): M log M instead of M². Of the errors x −
    y, which have the same differences: of the draws themselves, small differences of large numbers
    would be lost.

    >>> import torch
    >>> float(fair_crps(torch.tensor([0.0, 2.0]).reshape(1, 2, 1, 1, 1), torch.ones(1, 1, 1, 1)))
    0.0
    """
    import numpy as np
    import torch

    m = at_least_two(ab, "the fair CRPS")
    ordered = torch.from_numpy(
        np.sort(ab.numpy(), axis=1)
    )  # six times as fast as torch's along this axis
    errors = ordered.double() - truth.double()[:, None]
    rank = 2 * torch.arange(1, m + 1, dtype=torch.float64) - m - 1
    pairs = torch.einsum("m,bm...->b...", rank, errors)
    return errors.abs_().mean(1) - pairs / (m * (m - 1))
