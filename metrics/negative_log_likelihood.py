"""Negative log-likelihood, where a method has a density."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.contracts import SampleSet
from bench.errors import BenchError
from bench.extend.metrics import metric

if TYPE_CHECKING:
    from torch import Tensor


@metric(
    summary="minus the log density that the method gives the truth, in the space that the "
    "method names",
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
    headline="",
)
def negative_log_likelihood(samples: SampleSet) -> Tensor:
    """Stored with the draws; an impossible truth (density 0) has no value that a mean could hold."""
    if samples.log_prob is None:
        raise BenchError("the method has no density")
    return -samples.log_prob.double()
