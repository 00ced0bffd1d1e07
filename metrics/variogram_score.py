"""The variogram score on the 8x8 grid: whether pixels differ from one another as much as they
should."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.contracts import SampleSet, ScoreContext
from bench.extend.metrics import metric, on, shares
from bench.specs import PRESENTED, Parameter

from .energy_score import at_least_two

if TYPE_CHECKING:
    from torch import Tensor

P = Parameter("p", "float", 0.5, "exponent of the differences", minimum=0.01, maximum=4)
CITATION = "Scheuerer & Hamill 2015, Monthly Weather Review 143:1321"


@metric(
    summary="proper score of the differences between pixels on the 8x8 grid, both channels; "
    "sees speckle and "
    "broken coupling; the draws' own noise is taken off",
    parameters=(P,),
    unit="(ab/128)^2p",
    direction="down",
    accepts=frozenset({"iid"}),
    least=2,
    headline="grid",
    variants={"grid": "128 numbers a field: 8x8 points, a and b; all 8,128 pairs, equal weights"},
    formula="mean over pairs i<j of (|y_i − y_j|^p − v̂_ij)² − s²_ij/M, v̂_ij and s²_ij the "
    "mean and the unbiased "
    "variance over draws of |x_i − x_j|^p, p = 0.5, at scale 1/128",
    citation=f"{CITATION}; fair: E(v̂ − v)² = (E v̂ − v)² + s²/M",
    gaming="Blind to a shift of the whole field and to swapped signs: a proper score, but not "
    "a strict one. Read "
    "it beside the energy score. Single values may be below 0, as the correction is right on "
    "average only.",
    checked='scoringrules 0.10 vs_ensemble, estimator="fair"; the correction by simulation',
)
def fair_variogram_score(
    samples: SampleSet, truth: Tensor, context: ScoreContext, *, p: float
) -> Tensor:
    """Of independent draws; at least two."""
    at_least_two(samples.ab, "the fair variogram score")
    return fair_variogram(*_variograms(samples, truth, p, context))


@metric(
    summary="the plain variogram score with the sample set's own weights: for modes, centroids "
    "and point estimates",
    parameters=(P,),
    unit="(ab/128)^2p",
    direction="down",
    accepts=frozenset(PRESENTED),
    variants={"grid": "128 numbers a field: 8x8 points, a and b; all 8,128 pairs, equal weights"},
    formula="mean over pairs i<j of (|y_i − y_j|^p − Σ_m w_m |x_mi − x_mj|^p)², p = 0.5, at "
    "scale 1/128",
    citation=CITATION,
    gaming="As the fair one; and few draws cost more than the same law's many, so numbers of "
    "different k don't compare.",
    checked="scoringrules 0.10 vs_ensemble with ens_w",
    headline="",
)
def variogram_score(
    samples: SampleSet, truth: Tensor, context: ScoreContext, *, p: float
) -> Tensor:
    """Of k weighted fields."""
    return weighted_variogram(*_variograms(samples, truth, p, context), shares(samples))


def fair_variogram(drawn: Tensor, true: Tensor) -> Tensor:
    """Fair variogram score `(B,)` from |x_i − x_j|^p of M >= 2 draws `(B, M, pairs)` and of truths
    `(B, pairs)`.

    With v̂ the draws' mean and s² their law's variance, E(v̂ − v)² = (E v̂ − v)² + s²/M: the last
    term, which alone depends on M, is taken off by its unbiased estimate.
    """
    m, mean = drawn.shape[1], drawn.mean(1)
    variance = (drawn - mean[:, None]).square_().sum(1) / (m - 1)
    return ((true - mean).square() - variance / m).mean(1)


def weighted_variogram(drawn: Tensor, true: Tensor, weights: Tensor) -> Tensor:
    """Plain variogram score `(B,)` from the same of k fields with weights `(B, k)`."""
    return (true - (weights[:, None] @ drawn)[:, 0]).square().mean(1)


def powered_differences(ab: Tensor, p: float) -> Tensor:
    """|x_i − x_j|^p, float64, of all pairs i < j of the 128 numbers of the 8x8 grid: `(..., 8128)` of `(..., 2, h, w)`."""
    import torch

    x = on("grid", ab).double().flatten(-3)
    differences = torch.cat(
        [x[..., i, None] - x[..., i + 1 :] for i in range(x.shape[-1] - 1)], dim=-1
    ).abs_()
    return differences.sqrt_() if p == 0.5 else differences.pow_(p)


def _variograms(
    samples: SampleSet, truth: Tensor, p: float, context: ScoreContext
) -> tuple[Tensor, Tensor]:
    """Of the draws and the truth, at the protocol's scale; made once for both scores."""
    made: tuple[Tensor, Tensor] = context.once(
        f"variograms-{p}",
        lambda: tuple(
            powered_differences(ab, p).div_(context.scale**p) for ab in (samples.ab, truth)
        ),
    )
    return made
