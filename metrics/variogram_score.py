"""The variogram score on the 8x8 grid: whether pixels differ from one another as much as they should."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bench.contracts import KINDS, Metric, SampleSet, Score, ScoreContext
from bench.hookspecs import hookimpl
from bench.specs import MetricSpec, Parameter

from .absolute_error import on
from .energy_score import at_least_two, weights_of

if TYPE_CHECKING:
    import torch

P = Parameter("p", "float", 0.5, "exponent of the differences", minimum=0.01, maximum=4)
CITATION = "Scheuerer & Hamill 2015, Monthly Weather Review 143:1321"


@hookimpl
def bench_register_metrics() -> Iterable[MetricSpec]:
    """Both variogram scores."""
    yield MetricSpec(
        name="fair-variogram-score",
        summary="proper score of the differences between pixels on the 8x8 grid, both channels; sees speckle and "
        "broken coupling; the "
        "draws' own noise is taken off",
        factory="bench.metrics.variogram_score:FairVariogramScore",
        parameters=(P,),
        unit="(ab/128)^2p",
        direction="down",
        accepts=frozenset({"iid"}),
        least=2,
        headline="grid",
        variants={"grid": "128 numbers a field: 8x8 points, a and b; all 8,128 pairs, equal weights"},
        formula="mean over pairs i<j of (|y_i − y_j|^p − v̂_ij)² − s²_ij/M, v̂_ij and s²_ij the mean and the unbiased "
        "variance over draws "
        "of |x_i − x_j|^p, p = 0.5, at scale 1/128",
        citation=f"{CITATION}; fair: E(v̂ − v)² = (E v̂ − v)² + s²/M",
        gaming="Blind to a shift of the whole field and to swapped signs: a proper score, but not a strict one. Read "
        "it beside the "
        "energy score. Single values may be below 0, as the correction is right on average only.",
        checked="scoringrules 0.10 vs_ensemble and a plain loop; the correction by simulation",
    )
    yield MetricSpec(
        name="variogram-score",
        summary="the plain variogram score with the sample set's own weights: for modes, centroids and point estimates",
        factory="bench.metrics.variogram_score:VariogramScore",
        parameters=(P,),
        unit="(ab/128)^2p",
        direction="down",
        accepts=frozenset(KINDS) - {"reconstruction"},
        variants={"grid": "128 numbers a field: 8x8 points, a and b; all 8,128 pairs, equal weights"},
        formula="mean over pairs i<j of (|y_i − y_j|^p − Σ_m w_m |x_mi − x_mj|^p)², p = 0.5, at scale 1/128",
        citation=CITATION,
        gaming="As the fair one; and few draws cost more than the same law's many, so numbers of different k don't compare.",
        checked="scoringrules 0.10 vs_ensemble with ens_w",
    )


class FairVariogramScore(Metric):
    """Of independent draws; at least two."""

    def __init__(self, *, p: float = 0.5) -> None:
        self.p = p

    def score(self, samples: SampleSet, truth: torch.Tensor, context: ScoreContext) -> list[Score]:
        found = fair_variogram(points(samples.ab) / context.scale, points(truth) / context.scale, self.p)
        return [Score("grid", "all", found.numpy())]


class VariogramScore(Metric):
    """Of k weighted fields."""

    def __init__(self, *, p: float = 0.5) -> None:
        self.p = p

    def score(self, samples: SampleSet, truth: torch.Tensor, context: ScoreContext) -> list[Score]:
        drawn, true = points(samples.ab) / context.scale, points(truth) / context.scale
        return [Score("grid", "all", weighted_variogram(drawn, true, weights_of(samples), self.p).numpy())]


def fair_variogram(draws: torch.Tensor, truth: torch.Tensor, p: float = 0.5) -> torch.Tensor:
    """Fair variogram score `(B,)`, float64, of draws `(B, M, d)` and truths `(B, d)`. BenchError for M = 1."""
    import torch

    m = at_least_two(draws, "the fair variogram score")
    scores = []
    for drawn, true in zip(draws, truth, strict=True):  # photograph by photograph: M d² / 2 numbers are enough at once
        drawn_pairs = _pairs(drawn, p)
        error = (_pairs(true[None], p)[0] - drawn_pairs.mean(0)).square()
        scores.append((error - drawn_pairs.var(0) / m).mean())
    return torch.stack(scores)


def weighted_variogram(draws: torch.Tensor, truth: torch.Tensor, weights: torch.Tensor, p: float = 0.5) -> torch.Tensor:
    """Plain variogram score `(B,)`, float64, of fields `(B, k, d)` with weights `(B, k)`."""
    import torch

    return torch.stack([
        (_pairs(true[None], p)[0] - weight @ _pairs(drawn, p)).square().mean()
        for drawn, true, weight in zip(draws, truth, weights, strict=True)
    ])  # fmt: skip


def points(ab: torch.Tensor) -> torch.Tensor:
    """The 8x8 grid of both channels, flattened: `(..., 128)` float64 of `(..., 2, h, w)`."""
    return on("grid", ab).double().flatten(-3)


def _pairs(values: torch.Tensor, p: float) -> torch.Tensor:
    """|x_i − x_j|^p of all pairs i < j: `(M, d (d − 1) / 2)` of `(M, d)`."""
    import torch

    i, j = torch.triu_indices(values.shape[1], values.shape[1], 1)
    difference = (values[:, i] - values[:, j]).abs()
    return difference.sqrt() if p == 0.5 else difference.pow(p)
