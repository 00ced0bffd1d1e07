"""Fréchet distance between the colours of all samples and of all truths."""

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

MOMENTS = ("a", "b", "aa", "bb", "ab")
SIDES = ("samples", "truth")


@hookimpl
def bench_register_metrics() -> Iterable[MetricSpec]:
    """Fréchet distance in ab."""
    yield MetricSpec(
        name="frechet-ab",
        main="distance",
        summary="Fréchet distance between Gaussians fitted to all pixels' ab, samples against "
        "truths, over the set; not FID",
        factory="bench.metrics.frechet_ab:FrechetAb",
        unit="ab",
        direction="down",
        accepts=frozenset(KINDS),
        variants={"distance": "whole set: the distance, in CIELAB units"}
        | {
            f"part-{s}-{m}": f"no score by itself: mean of {'·'.join(m)} over pixels"
            for s in SIDES
            for m in MOMENTS
        },
        formula="√(|μ - μ*|² + tr(Σ + Σ* - 2(ΣΣ*)^½)), μ and Σ: mean and population covariance of "
        "ab over all pixels, "
        "photographs and samples (by their weights). The root, unlike FID's convention: the "
        "2-Wasserstein distance of the "
        "two Gaussians",
        gaming="This is NOT FID: no network, no picture. It sees only the first two moments of the "
        "whole set's colours: "
        "neither where a colour is, nor in which photograph, nor several modes. The training set's "
        "colours dealt out at "
        "random score near 0, and so do the truths exchanged among photographs, or Gaussian noise "
        "of the right covariance. "
        "A distance can't be below 0: its interval is not to be trusted near 0.",
        checked="scipy.linalg.sqrtm on pooled pixels; torchmetrics' Fréchet distance",
        citation="Dowson and Landau 1982, The Fréchet Distance between Multivariate Normal "
        "Distributions",
    )


class FrechetAb(Metric):
    """A photograph gives the moments of its pixels; the distance is made of their means."""

    def score(self, samples: SampleSet, truth: Tensor, context: ScoreContext) -> list[Score]:
        import torch

        each = torch.stack([_moments(fields) for fields in samples.ab])
        means = {"samples": mean_over(samples, each), "truth": _moments(truth)}
        return [
            Score(f"part-{side}-{name}", "all", means[side][:, i].numpy())
            for side in SIDES
            for i, name in enumerate(MOMENTS)
        ]

    def combine(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        first, second = (
            [columns[f"part-{side}-{name}"].mean(-1) for name in MOMENTS] for side in SIDES
        )
        return {"distance": frechet(first, second)}


def frechet(first: list[np.ndarray], second: list[np.ndarray]) -> np.ndarray:
    """Fréchet distance `(...)` of two Gaussians, each given by its raw moments E a, E b, E aa, E
    bb, E ab.

    For 2x2 matrices tr (ΣΣ*)^½ = √(tr ΣΣ* + 2 √det ΣΣ*).
    """
    import numpy as np

    (aa, bb, ab), (taa, tbb, tab) = (_covariance(m) for m in (first, second))
    root = np.sqrt(np.maximum(aa * bb - ab * ab, 0) * np.maximum(taa * tbb - tab * tab, 0))
    cross = np.sqrt(np.maximum(aa * taa + 2 * ab * tab + bb * tbb + 2 * root, 0))
    squared = (
        (first[0] - second[0]) ** 2 + (first[1] - second[1]) ** 2 + aa + bb + taa + tbb - 2 * cross
    )
    distance: np.ndarray = np.sqrt(np.maximum(squared, 0))
    return distance


def _covariance(moments: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    a, b, aa, bb, ab = moments
    return aa - a * a, bb - b * b, ab - a * b


def _moments(ab: Tensor) -> Tensor:
    """`MOMENTS` `(..., 5)` of fields `(..., 2, h, w)`."""
    import torch

    a, b = ab.double().unbind(-3)
    return torch.stack([v.mean((-1, -2)) for v in (a, b, a * a, b * b, a * b)], -1)
