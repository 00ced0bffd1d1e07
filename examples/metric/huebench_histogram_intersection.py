"""The metric `histogram-intersection` (Swain & Ballard 1991, equation 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.extend import metric
from bench.specs import Parameter

if TYPE_CHECKING:
    from torch import Tensor


@metric(
    unit="share of pixels",
    direction="up",
    variants={"mean": "over the k, by their weights", "best": "of the k"},
    parameters=(
        Parameter(
            "bins", "int", 16, "along a and along b, over [-128, 128)", minimum=2, maximum=256
        ),
    ),
    gaming="It doesn't know where colours are: shuffled pixels score 1. `best` rises with k, "
    "whatever is drawn.",
    checked="numpy.histogram2d",
    licence="Apache-2.0",
    citation="Swain & Ballard 1991, Color indexing, IJCV 7:11",
)
def histogram_intersection(ab: Tensor, truth: Tensor, *, bins: int) -> dict[str, Tensor]:
    """How much of a photograph's colours a colourization has, wherever they are.

    Σ over bins of min(h_j, h): h_j and h are the shares of pixels of colourization j and of the
    photograph in each of bins x bins squares of the ab plane.
    """
    import torch

    each = torch.minimum(_shares(ab, bins), _shares(truth[:, None], bins)).sum(-1)  # (B, k)
    return {"mean": each, "best": each.amax(1)}


def _shares(ab: Tensor, bins: int) -> Tensor:
    """Shares of pixels `(B, k, bins * bins)` of fields `(B, k, 2, h, w)`; colours outside [-128,
    128) are in no bin."""
    import torch

    level = ((ab.double() + 128) * bins / 256).floor()
    inside = ((level >= 0) & (level < bins)).all(2)
    number = torch.where(inside, level[:, :, 0] * bins + level[:, :, 1], 0).long().flatten(2)
    shares = torch.zeros(*number.shape[:2], bins * bins, dtype=torch.float64)
    return shares.scatter_add_(2, number, inside.flatten(2).double()) / number.shape[2]
