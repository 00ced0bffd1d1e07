"""Error-of-best: the error of the colourization that is nearest to the truth (section 7.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from bench.contracts import Metric, SampleSet, Score, ScoreContext
from bench.extend.metrics import on
from bench.hookspecs import hookimpl
from bench.specs import PRESENTED, MetricSpec

from .absolute_error import absolute_difference

if TYPE_CHECKING:
    import torch

REGIONS = ("all", "grid")


@hookimpl
def bench_register_metrics() -> Iterable[MetricSpec]:
    """Error-of-best in its two forms, which literature gives one name."""
    yield MetricSpec(
        name="error-of-best",
        summary="minimum over the k of a photograph's mean absolute error; rewards the wrong "
        "spread, no ranking by itself",
        factory="bench.metrics.error_of_best:ErrorOfBest",
        unit="ab/128",
        direction="down",
        accepts=frozenset(PRESENTED),
        headline="sum",
        variants={"sum": "of |Δa| + |Δb|", "mean": "of their average"},
        formula="min over m of the mean over pixels of |x_m − y|: one colourization is chosen for "
        "the whole "
        "photograph; regions all and grid",
        citation="Deshpande et al. 2017, section 7.3, Figure 5; why minima over N mislead: Thiede "
        "& Brahma 2019, ICCV",
        gaming="On whole images (many effective dimensions) it rewards too little spread: k copies "
        "of the mean field "
        "beat k draws of the true law. With few dimensions and many draws it rewards too much.",
        checked="a plain loop",
    )
    yield MetricSpec(
        name="error-of-best-pixel",
        summary="the minimum over the k taken at every pixel and channel, as some follow-ups print "
        "it; another metric "
        "than error-of-best",
        factory="bench.metrics.error_of_best:PixelErrorOfBest",
        unit="ab/128",
        direction="down",
        accepts=frozenset(PRESENTED),
        variants={"sum": "of |Δa| + |Δb|", "mean": "of their average"},
        formula="mean over pixels of min over m of |x_m − y|, each channel by itself; regions all "
        "and grid",
        citation="Ardizzone et al. 2019, arXiv:1907.02392 (its released evaluation, there with "
        "squared errors in RGB)",
        gaming="It rewards too much spread: noise of a wider law than the true one hits every "
        "pixel now and then.",
        checked="a plain loop",
    )


class ErrorOfBest(Metric):
    """The minimum is taken per image, over whole fields; the pixel-wise minimum is another metric."""

    def score(self, samples: SampleSet, truth: torch.Tensor, context: ScoreContext) -> list[Score]:
        error = absolute_difference(samples, truth, context)
        return _both(
            {region: on(region, error).mean((-1, -2)).sum(-1).amin(1) for region in REGIONS}
        )


class PixelErrorOfBest(Metric):
    """The minimum is taken at every pixel and channel: what no single colourization need reach."""

    def score(self, samples: SampleSet, truth: torch.Tensor, context: ScoreContext) -> list[Score]:
        error = absolute_difference(samples, truth, context).amin(1)
        return _both({region: on(region, error).mean((-1, -2)).sum(-1) for region in REGIONS})


def _both(errors: Mapping[str, torch.Tensor]) -> list[Score]:
    """Both conventions of errors `(B,)` by region."""
    return [
        score
        for region, error in errors.items()
        for score in (Score("sum", region, error.numpy()), Score("mean", region, error.numpy() / 2))
    ]
