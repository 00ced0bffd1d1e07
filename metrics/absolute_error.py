"""Mean absolute error of colour fields, plain and weighted, on all pixels and on the 8x8 grid
(section 7.2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bench.contracts import KINDS, Metric, SampleSet, Score, ScoreContext
from bench.extend.metrics import on
from bench.hookspecs import hookimpl
from bench.specs import MetricSpec

if TYPE_CHECKING:
    import torch


@hookimpl
def bench_register_metrics() -> Iterable[MetricSpec]:
    """Absolute error."""
    yield MetricSpec(
        name="absolute-error",
        summary="mean over the k of |da|+|db| (sum) or their average (mean), plain and times the "
        "rarity of the true colour",
        factory="bench.metrics.absolute_error:AbsoluteError",
        unit="ab/128",
        direction="down",
        accepts=frozenset(KINDS),
        headline="sum",
        variants={
            "sum": "of |Δa| + |Δb| (the paper's likely convention)",
            "mean": "of their average",
            "weighted-sum, weighted-mean": "times the rarity of the true colour, 1/p of its bin in "
            "the train split's "
            "histogram",
        },
        formula="mean over the k, and over pixels (region all) or the 8x8 points at rows and "
        "columns 4, 12, …, 60 "
        "(grid), at scale 1/128",
        citation="Deshpande et al. 2017, section 7.2, Tables 1 and 2",
        gaming="Best for the median colour: a method that always gives one dull field beats a true "
        "sampler. Weighted, "
        "a few pixels of rare colours decide.",
        checked="a plain loop",
    )


class AbsoluteError(Metric):
    """Error of a photograph: the mean over its k fields, all alike, of the mean over pixels."""

    def score(self, samples: SampleSet, truth: torch.Tensor, context: ScoreContext) -> list[Score]:
        error = absolute_difference(samples, truth, context).mean(1)
        scores = []
        for prefix, values in (("", error), ("weighted-", error * context.weights(truth))):
            for region in ("all", "grid"):
                total = on(region, values).mean((-1, -2)).sum(-1).numpy()
                scores += [
                    Score(f"{prefix}sum", region, total),
                    Score(f"{prefix}mean", region, total / 2),
                ]
        return scores


def absolute_difference(
    samples: SampleSet, truth: torch.Tensor, context: ScoreContext
) -> torch.Tensor:
    """|C - f| / scale, `(B, k, 2, h, w)` float64, made once for all metrics: read it, don't change it."""
    made: torch.Tensor = context.once(
        "absolute-difference",
        lambda: (samples.ab.double() - truth.double()[:, None]).abs_().div_(context.scale),
    )
    return made
