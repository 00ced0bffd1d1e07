"""Spread against skill: whether the draws spread as much as their mean errs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from bench.contracts import Metric, SampleSet, Score, ScoreContext
from bench.hookspecs import hookimpl
from bench.specs import MetricSpec

from .energy_score import at_least_two

if TYPE_CHECKING:
    import numpy as np
    import torch


@hookimpl
def bench_register_metrics() -> Iterable[MetricSpec]:
    """Spread–skill ratio."""
    yield MetricSpec(
        name="spread-skill",
        main="ratio",
        summary="spread of the draws over the error of their mean: 1 where calibrated, below where "
        "they spread too little",
        factory="bench.metrics.spread_skill:SpreadSkill",
        unit="(ab/128)^2; the ratio has none",
        direction="target",
        accepts=frozenset({"iid"}),
        least=2,
        variants={
            "spread": "of a photograph: unbiased variance of the draws, averaged over pixels and "
            "channels, times (M + 1)/M",
            "skill": "of a photograph: squared error of the draws' mean",
            "ratio": "of the set: sqrt(mean spread / mean skill); the target is 1",
        },
        formula="sqrt(mean over photographs of (M + 1)/M · s² / mean over photographs of (x̄ − y)²)",
        citation="Fortin et al. 2014, Journal of Hydrometeorology 15:1708",
        gaming="An average: too much spread here makes up for too little there, and a useless law "
        "with the right "
        "variance (the marginal one) has a ratio of 1.",
        checked="a plain loop; a simulation in which it is 1 for any M",
    )


class SpreadSkill(Metric):
    """Of independent draws; at least two."""

    def score(self, samples: SampleSet, truth: torch.Tensor, context: ScoreContext) -> list[Score]:
        m = at_least_two(samples.ab, "spread")
        draws, true = samples.ab.double() / context.scale, truth.double() / context.scale
        mean = draws.mean(1)
        spread = (draws - mean[:, None]).square_().mean((1, 2, 3, 4)) * (m + 1) / (m - 1)
        skill = (mean - true).square().mean((1, 2, 3))
        return [Score("spread", "all", spread.numpy()), Score("skill", "all", skill.numpy())]

    def combine(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """NaN where every mean is right to the last bit: then there is no skill to compare with."""
        import numpy as np

        spread, skill = columns["spread"].mean(-1), columns["skill"].mean(-1)
        return {
            "ratio": np.sqrt(
                np.divide(spread, skill, out=np.full_like(spread, np.nan), where=skill > 0)
            )
        }
