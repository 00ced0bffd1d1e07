"""Variance of diverse colourizations (section 7.3, Figure 5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bench.contracts import Metric, SampleSet, Score, ScoreContext
from bench.hookspecs import hookimpl
from bench.specs import PRESENTED, MetricSpec

if TYPE_CHECKING:
    import torch


@hookimpl
def bench_register_metrics() -> Iterable[MetricSpec]:
    """Variance."""
    yield MetricSpec(
        name="variance",
        summary="population variance over the k, averaged over pixels and the two channels",
        factory="bench.metrics.variance:Variance",
        unit="(ab/128)^2",
        direction="none",
        accepts=frozenset(PRESENTED),
        headline="ab",
        variants={"ab": "mean of both channels"},
        formula="mean over pixels and channels of 1/k Σ_m (x_m − x̄)², at scale 1/128",
        citation="Deshpande et al. 2017, section 7.3, Figure 5",
        gaming="Noise has as much of it as one likes; it says nothing of plausibility. The "
        "population form grows with k.",
        checked="a plain loop",
    )


class Variance(Metric):
    """0 where all k fields are the same, or k is 1."""

    def score(self, samples: SampleSet, truth: torch.Tensor, context: ScoreContext) -> list[Score]:
        fields = samples.ab.double() / context.scale
        spread = (fields - fields.mean(1, keepdim=True)).square_()
        return [Score("ab", "all", spread.mean((1, 2, 3, 4)).numpy())]
