"""Error-of-best: the error of the colourization that is nearest to the truth (section 7.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bench.contracts import KINDS, Metric, SampleSet, Score, ScoreContext
from bench.hookspecs import hookimpl
from bench.specs import MetricSpec

from .absolute_error import absolute_difference, on

if TYPE_CHECKING:
    import torch


@hookimpl
def bench_register_metrics() -> Iterable[MetricSpec]:
    """Error-of-best."""
    yield MetricSpec(
        name="error-of-best",
        summary="minimum over the k of a photograph's mean absolute error; rewards the wrong spread, no ranking by itself",
        factory="bench.metrics.error_of_best:ErrorOfBest",
        unit="ab/128",
        direction="down",
        accepts=frozenset(KINDS) - {"reconstruction"},
        citation="Deshpande et al. 2017, section 7.3, Figure 5",
    )


class ErrorOfBest(Metric):
    """The minimum is taken per image, over whole fields; the pixel-wise minimum is another metric."""

    def score(self, samples: SampleSet, truth: torch.Tensor, context: ScoreContext) -> list[Score]:
        error = absolute_difference(samples, truth, context.scale)
        scores = []
        for region in ("all", "grid"):
            best = on(region, error).mean((-1, -2)).sum(-1).amin(1).numpy()
            scores += [Score("sum", region, best), Score("mean", region, best / 2)]
        return scores
