"""How much the samples of a photograph differ: pairwise distance, entropy of their colours,
effective number of modes."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import TYPE_CHECKING

from bench.contracts import SampleSet, ScoreContext
from bench.extend.metrics import mean_over, metric, shares
from bench.specs import PRESENTED, Parameter

if TYPE_CHECKING:
    from torch import Tensor

_MORE_IS_NOT_BETTER = "More is not better: noise, wrong colours and speckle all raise it, and it never looks at the truth. "
_ACCEPTS = frozenset(PRESENTED)


@metric(
    summary="mean ab distance between two different samples of a photograph; 0 where there is "
    "only one",
    unit="ab/128",
    direction="none",
    accepts=_ACCEPTS,
    variants={
        "ab": "mean over all pairs and pixels of the distance (L2) in ab, at the protocol's scale"
    },
    formula="Σ_{i<j} w_i w_j d_ij / Σ_{i<j} w_i w_j, d_ij = mean over pixels of √(Δa² + Δb²) / "
    "scale; w = 1/k without weights",
    gaming=_MORE_IS_NOT_BETTER + "Read it beside a fair score.",
    checked="a loop over pairs in NumPy",
    citation="the weight-free counterpart of mean pairwise LPIPS (Zhu et al. 2017, "
    "BicycleGAN); Rao 1982 for weights",
    headline="",
)
def pairwise_distance(samples: SampleSet, context: ScoreContext) -> Tensor:
    """A pair counts by the product of its weights; 0 where no pair has any (k = 1)."""
    import torch

    def between(ab: Tensor) -> Callable[[int], Tensor]:
        return lambda s: (ab[s:] - ab[:-s]).square().sum(1).sqrt().mean((-1, -2))

    pairs = zip(shares(samples), samples.ab)
    values = torch.stack([mean_over_pairs(w, between(ab.double())) for w, ab in pairs])
    return values / context.scale


@metric(
    summary="entropy of colours over Zhang's 313 bins: in all samples, in one sample, in the "
    "truth, and from sample to sample",
    unit="bit",
    direction="none",
    accepts=_ACCEPTS,
    variants={
        "pooled": "of the histogram of all pixels of all samples",
        "mean-of-n": "of one sample's histogram, averaged over samples: to be read beside `truth`",
        "truth": "of the true field's histogram",
        "per-pixel": "over the samples at one pixel, averaged over pixels: at most log2 k",
    },
    formula="-Σ p log2 p, p = shares of the 313 bins (nearest centre), at most log2 313 = "
    "8.29. Samples count by their "
    "weights; pooled - mean-of-n is the Jensen-Shannon divergence of the samples' palettes",
    gaming=_MORE_IS_NOT_BETTER
    + "Uniform random colours reach the maximum. pooled and mean-of-n don't see where colours "
    "are; per-pixel is highest for independent pixels (speckle). A step over a bin's border "
    "counts like a step across "
    "the gamut.",
    checked="scipy.stats.entropy of NumPy histograms",
    citation="Shannon 1948; bins of Zhang, Isola and Efros 2016",
    headline="",
)
def colour_entropy(samples: SampleSet, truth: Tensor) -> dict[str, Tensor]:
    """Entropies in bits."""
    from bench.contracts.colour_weights import nearest_bin

    bins = nearest_bin(samples.ab.nan_to_num()).flatten(2)
    palettes = _palettes(bins)
    return {
        "pooled": _entropy(mean_over(samples, palettes)),
        "mean-of-n": _entropy(palettes),
        "truth": _entropy(_palettes(nearest_bin(truth).flatten(1))),
        "per-pixel": _entropy_at_pixels(bins, shares(samples)).mean(-1),
    }


@metric(
    summary="effective number of different samples, 1 (all alike) to k (all far apart): the "
    "Vendi score",
    unit="modes",
    direction="none",
    accepts=_ACCEPTS,
    parameters=(
        Parameter(
            "bandwidth",
            "float",
            10.0,
            "RMS ab distance at which fields begin to differ, CIELAB units",
            minimum=0.01,
        ),
    ),
    variants={"field": "kernel on whole 64x64 colour fields"},
    formula="exp(-Σ λ ln λ), λ = eigenvalues of √w_i K_ij √w_j, K_ij = exp(-r_ij² / (2 "
    "bandwidth²)), r_ij = root mean "
    "square over pixels of the ab distance (L2), unscaled; w = 1/k without weights",
    gaming=_MORE_IS_NOT_BETTER
    + "Independent noise of a few bandwidths makes every sample its own mode. At most k: "
    "compare at equal k only. It depends on the bandwidth, 10 by default: the step of Zhang's "
    "grid of colours.",
    checked="the definition in NumPy and SciPy (eigenvalues of the explicit kernel)",
    citation="Friedman and Dieng 2023, The Vendi Score: A Diversity Evaluation Metric for "
    "Machine Learning",
    headline="",
)
def effective_modes(samples: SampleSet, *, bandwidth: float) -> Tensor:
    """1 for k = 1 and for samples that are all alike."""
    import torch

    fields = samples.ab.nan_to_num().double().flatten(2)
    distances = [
        torch.cdist(f, f, compute_mode="donot_use_mm_for_euclid_dist") for f in fields
    ]  # exact 0 for fields alike
    squared = torch.stack(distances).square() / (fields.shape[-1] / 2)
    root = shares(samples).sqrt()
    kernel = (-squared / (2 * bandwidth**2)).exp() * root[:, :, None] * root[:, None]
    spectrum = torch.linalg.eigvalsh(kernel).clamp(min=0)
    return torch.special.entr(spectrum).sum(-1).exp()


def mean_over_pairs(weights: Tensor, distances: Callable[[int], Tensor]) -> Tensor:
    """The mean over all pairs of k samples, each counted by the product of its weights `(k,)`; 0
    where there is no pair.

    distances: for a shift s in 1..k-1, the distances `(k - s,)` of the samples i and i + s.
    """
    import torch

    total = mass = torch.zeros((), dtype=torch.float64)
    for shift in range(1, len(weights)):
        both = weights[shift:] * weights[:-shift]
        total, mass = total + both @ distances(shift), mass + both.sum()
    return total / mass if mass > 0 else total


def _palettes(bins: Tensor) -> Tensor:
    """Shares of the 313 bins, `(..., 313)` float64, of bins `(..., P)`."""
    import torch

    ones = torch.ones((), dtype=torch.float64).expand(bins.shape)
    empty = torch.zeros(*bins.shape[:-1], 313, dtype=torch.float64)
    return empty.scatter_add_(-1, bins, ones) / bins.shape[-1]


def _entropy(shares: Tensor) -> Tensor:
    """In bits, over the last axis."""
    import torch

    return torch.special.entr(shares).sum(-1) / log(2)


def _entropy_at_pixels(bins: Tensor, weights: Tensor) -> Tensor:
    """Entropy over the samples at each pixel, `(B, P)` bits, of bins `(B, k, P)` and weights `(B,
    k)`."""
    import torch

    small = bins.to(torch.int16)
    entropy = torch.zeros(bins.shape[0], bins.shape[2], dtype=torch.float64)
    for i in range(
        bins.shape[1]
    ):  # a sample adds its share of -log(the share of all samples in its bin)
        same = torch.einsum("bk,bkp->bp", weights, (small == small[:, i : i + 1]).double()).clamp(
            max=1
        )
        entropy -= torch.xlogy(weights[:, i : i + 1], same)
    return entropy / log(2)
