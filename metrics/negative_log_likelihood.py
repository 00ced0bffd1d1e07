"""Negative log-likelihood, where a method has a density."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bench.contracts import Metric, SampleSet, Score, ScoreContext
from bench.errors import BenchError
from bench.hookspecs import hookimpl
from bench.specs import MetricSpec

if TYPE_CHECKING:
    import torch


@hookimpl
def bench_register_metrics() -> Iterable[MetricSpec]:
    """Negative log-likelihood."""
    yield MetricSpec(
        name="negative-log-likelihood",
        summary="minus the log density that the method gives the truth, in the space that the "
        "method names",
        factory="bench.metrics.negative_log_likelihood:NegativeLogLikelihood",
        unit="nats",
        direction="down",
        accepts=frozenset({"iid"}),
        needs=frozenset({"log_prob"}),
        variants={"photograph": "of a whole photograph"},
        formula="−log p(y | G)",
        citation="Gneiting & Raftery 2007, JASA 102:359 (the logarithmic score)",
        gaming="Densities compare within one space only (`bench show METHOD`: density): codes of "
        "one codec, the same "
        "313 bins. A codec that shrinks its codes raises their density; a change of space changes "
        "the number and says "
        "nothing.",
        checked="plain loops over mixtures and bins (tests of the methods)",
    )


class NegativeLogLikelihood(Metric):
    """Stored with the draws; an impossible truth (density 0) has no value that a mean could hold."""

    def score(self, samples: SampleSet, truth: torch.Tensor, context: ScoreContext) -> list[Score]:
        if samples.log_prob is None:
            raise BenchError("the method has no density")
        return [Score("photograph", "all", (-samples.log_prob.double()).numpy())]
