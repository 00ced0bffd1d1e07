"""Speckle: how much of the colour changes from pixel to pixel, compared with photographs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from bench.contracts import KINDS, Metric, SampleSet, Score, ScoreContext
from bench.extend.metrics import mean_over
from bench.hookspecs import hookimpl
from bench.specs import MetricSpec

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@hookimpl
def bench_register_metrics() -> Iterable[MetricSpec]:
    """Chroma speckle."""
    yield MetricSpec(
        name="chroma-speckle",
        main="ratio",
        summary="high-frequency energy of ab, samples' over photographs': 1 is right, more is "
        "speckle, less is blur",
        factory="bench.metrics.chroma_speckle:ChromaSpeckle",
        unit="ratio (columns: ab²)",
        direction="target",
        accepts=frozenset(KINDS),
        variants={
            "ratio": "whole set: mean of `samples` / mean of `truth`; target 1; no value where all "
            "truths are without any energy",
            "samples": "energy of a photograph's samples, their (weighted) mean, in squared CIELAB "
            "units",
            "truth": "energy of the true field",
        },
        formula="energy = mean over the inner pixels and over a, b of (N * ab)² / 36, N = [1 -2 "
        "1]ᵀ[1 -2 1]: Immerkær's "
        "estimate of the variance of independent noise, blind to colour that is constant or linear "
        "along rows or along "
        "columns",
        gaming="Any field with the right amount of fine detail has ratio 1, wherever it is: also "
        "noise added to a blurred field. "
        "Speckle in blocks larger than about 3 pixels escapes it. The ratio is of means: few busy "
        "photographs can carry it.",
        checked="scipy.ndimage.convolve with the 3x3 mask",
        citation="Immerkær 1996, Fast Noise Variance Estimation",
    )


class ChromaSpeckle(Metric):
    """Independent noise of variance s² a channel adds s² to the energy of a field."""

    def score(self, samples: SampleSet, truth: Tensor, context: ScoreContext) -> list[Score]:
        import torch

        each = torch.stack([energy(fields) for fields in samples.ab])
        mean = mean_over(samples, each)
        return [Score("samples", "all", mean.numpy()), Score("truth", "all", energy(truth).numpy())]

    def combine(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        import numpy as np

        samples, truth = (np.asarray(columns[side].mean(-1)) for side in ("samples", "truth"))
        return {
            "ratio": np.divide(samples, truth, out=np.full(truth.shape, np.nan), where=truth > 0)
        }


def energy(ab: Tensor) -> Tensor:
    """High-frequency energy `(...)`, in squared CIELAB units, of fields `(..., 2, h, w)`: second
    differences along columns and then rows are the mask N."""
    fine = ab.double().diff(n=2, dim=-1).diff(n=2, dim=-2)
    return fine.square().mean((-1, -2, -3)) / 36
