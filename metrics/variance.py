"""Variance of diverse colourizations (section 7.3, Figure 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.contracts import ScoreContext
from bench.extend.metrics import metric
from bench.specs import PRESENTED

if TYPE_CHECKING:
    from torch import Tensor


@metric(
    summary="population variance over the k, averaged over pixels and the two channels",
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
def variance(ab: Tensor, context: ScoreContext) -> Tensor:
    """0 where all k fields are the same, or k is 1."""
    fields = ab.double() / context.scale
    return (fields - fields.mean(1, keepdim=True)).square_().mean((1, 2, 3, 4))
