"""What metrics of pictures share: sample sets in RGB, and means over samples that have
probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.colour import lab_to_rgb
from bench.contracts import SampleSet, ScoreContext
from bench.extend.metrics import mean_over

if TYPE_CHECKING:
    from torch import Tensor


def mean_field(samples: SampleSet, context: ScoreContext) -> Tensor:
    """The mean colour field `(B, 2, h, w)` of the samples, float64."""
    found: Tensor = context.once("mean-field", lambda: mean_over(samples, samples.ab.double()))
    return found


def lightness(context: ScoreContext, size: tuple[int, int] = (64, 64)) -> Tensor:
    """L `(B, h, w)` at the size of colour fields, float64: the mean over blocks of the grey
    photograph."""
    from torch.nn.functional import adaptive_avg_pool2d

    found: Tensor = context.once(
        f"lightness-{size}", lambda: adaptive_avg_pool2d(context.grey.double(), size)[:, 0]
    )
    return found


def of_samples(samples: SampleSet, context: ScoreContext) -> Tensor:
    """Pictures `(B, k, 3, h, w)` of all samples."""
    return _several("samples", samples.ab, context)


def of_truth(truth: Tensor, context: ScoreContext) -> Tensor:
    """Pictures `(B, 3, h, w)` of the true colour fields."""
    return _several("truth", truth[:, None], context)[:, 0]


def of_mean(samples: SampleSet, context: ScoreContext) -> Tensor:
    """Pictures `(B, 3, h, w)` of the mean colour fields."""
    return _several("mean", mean_field(samples, context)[:, None], context)[:, 0]


def enlarged(grey: Tensor, ab: Tensor) -> Tensor:
    """Pictures `(k, 3, H, W)` as a person sees them: L `(1, H, W)` with its detail, ab `(k, 2, h,
    w)` enlarged bilinearly."""
    from torch.nn.functional import interpolate

    return rgb(
        grey, interpolate(ab.double(), grey.shape[-2:], mode="bilinear", align_corners=False)
    )


def rgb(lightness: Tensor, ab: Tensor) -> Tensor:
    """sRGB `(..., 3, h, w)` in [0, 1], float64, of L `(h, w)` or alike and ab `(..., 2, h, w)`."""
    return lab_to_rgb(lightness, ab.double())


def _several(name: str, ab: Tensor, context: ScoreContext) -> Tensor:
    """Pictures of fields `(B, k, 2, h, w)`, made once, photograph by photograph (what is in between
    stays small)."""
    import torch

    def make() -> Tensor:
        grey = lightness(context, (ab.shape[-2], ab.shape[-1]))
        return torch.stack([rgb(plane, fields) for plane, fields in zip(grey, ab)])

    found: Tensor = context.once(f"rgb-{name}", make)
    return found
