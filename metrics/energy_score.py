"""The energy score of whole colour fields: fair for draws, plain and weighted for what is
presented."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.contracts import SampleSet, ScoreContext
from bench.errors import BenchError
from bench.extend.metrics import metric, shares
from bench.specs import PRESENTED

if TYPE_CHECKING:
    from torch import Tensor

CITATION = "Gneiting & Raftery 2007, JASA 102:359, equation 22"
CHECKED = "scoringrules 0.10 es_ensemble"


@metric(
    summary="strictly proper score of whole fields, with an expectation that does not depend "
    "on the number of "
    "draws: the ranking score",
    unit="ab/128, root mean square",
    direction="down",
    accepts=frozenset({"iid"}),
    least=2,
    headline="field",
    variants={"field": "of the whole 64x64x2 field"},
    formula="1/M Σ_m ‖x_m − y‖ − 1/(2M(M−1)) Σ_{m≠j} ‖x_m − x_j‖, with ‖v‖ = sqrt(mean of v² "
    "over pixels and "
    "channels) / 128",
    citation=f"{CITATION}; Ferro 2014, QJRMS 140:1917 (fair)",
    gaming="Not by spread, bias or repetition: in expectation the true law is best. By draws "
    "that depend on one "
    "another, which the harness checks. It hardly sees how pixels hang together: read the "
    "variogram score beside "
    "it.",
    checked=f'{CHECKED}, estimator="fair"',
)
def fair_energy_score(ab: Tensor, truth: Tensor, context: ScoreContext) -> Tensor:
    """Of independent draws; at least two."""
    return fair_energy(ab, truth) / context.scale


@metric(
    summary="the plain energy score with the sample set's own weights: for modes, centroids "
    "and point estimates",
    unit="ab/128, root mean square",
    direction="down",
    accepts=frozenset(PRESENTED),
    variants={"field": "of the whole 64x64x2 field"},
    formula="Σ_m w_m ‖x_m − y‖ − 1/2 Σ_{m,j} w_m w_j ‖x_m − x_j‖, ‖·‖ as in the fair score; "
    "w_m = 1/k where none "
    "are given",
    citation=CITATION,
    gaming="It scores the k weighted fields as if they were the whole law. Of k draws it "
    "prefers too little spread "
    "(70 % of the true one at k = 5), so numbers of different k or kind don't compare.",
    checked=f"{CHECKED} with ens_w",
    headline="",
)
def energy_score(samples: SampleSet, truth: Tensor, context: ScoreContext) -> Tensor:
    """Of k weighted fields; for k = 1 the distance from the truth."""
    return weighted_energy(samples.ab, truth, shares(samples)) / context.scale


def fair_energy(ab: Tensor, truth: Tensor) -> Tensor:
    """Fair energy score `(B,)`, float64, in units of ab, of draws `(B, M, 2, h, w)`. BenchError for
    M = 1.

    >>> import torch
    >>> fair_energy(torch.zeros(1, 2, 2, 8, 8), torch.ones(1, 2, 8, 8))
    tensor([1.], dtype=torch.float64)
    """
    m = at_least_two(ab, "the fair energy score")
    to_truth, between = _distances(ab, truth)
    return to_truth.mean(1) - between.sum((1, 2)) / (2 * m * (m - 1))


def weighted_energy(ab: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """Energy score `(B,)`, float64, of fields `(B, k, 2, h, w)` with weights `(B, k)`."""
    import torch

    to_truth, between = _distances(ab, truth)
    return (weights * to_truth).sum(1) - torch.einsum("bi,bj,bij->b", weights, weights, between) / 2


def at_least_two(ab: Tensor, what: str) -> int:
    """The number of draws; BenchError when one draw is all there is."""
    if ab.shape[1] < 2:
        raise BenchError(
            f"{what} needs at least 2 draws of each photograph, there is 1: use --draws"
        )
    return ab.shape[1]


def _distances(ab: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Root-mean-square distances to the truth `(B, k)` and between the fields `(B, k, k)`, from
    differences: through the Gram matrix, fields that nearly agree would lose all digits."""
    import torch

    fields, true = ab.double().flatten(2), truth.double().flatten(1)[:, None]
    norm = fields.shape[2] ** 0.5
    between = torch.cdist(fields, fields, compute_mode="donot_use_mm_for_euclid_dist")
    return (fields - true).square().sum(2).sqrt() / norm, between / norm
