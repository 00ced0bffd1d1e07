"""How near pictures are to the photograph: PSNR, SSIM and CIEDE2000."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Literal

from bench.contracts import KINDS, Metric, SampleSet, Score, ScoreContext
from bench.extend.metrics import mean_over
from bench.hookspecs import hookimpl
from bench.specs import MetricSpec

from .shared import pictures

if TYPE_CHECKING:
    from torch import Tensor

    Compare = Callable[[Tensor, Tensor], Tensor]

WAYS = {
    "mean-of-n": "mean of the samples' values, by their weights where they have any",
    "of-the-mean": "value of the samples' (weighted) mean colour field: what a point estimate made "
    "of them gets",
    "best-of-n": "best value among the samples, chosen with sight of the truth, by photograph and "
    "metric",
}
MOST_DECIBELS = 100.0
SIGMA, RADIUS = 1.5, 5
"""SSIM's window (Wang et al. 2004): a Gaussian of 11x11 pixels."""

_BEST_IS_BIASED = (
    "best-of-n sees the truth and grows with n and spread: no ranking. of-the-mean rewards one "
    "safe, dull "
    "picture; mean-of-n punishes every spread, so a method that repeats its mean beats the true "
    "law."
)


@hookimpl
def bench_register_metrics() -> Iterable[MetricSpec]:
    """PSNR, SSIM and CIEDE2000."""
    yield MetricSpec(
        name="psnr",
        summary="peak signal-to-noise ratio of 64x64 RGB pictures that share the true lightness; "
        f"at most {MOST_DECIBELS:g} dB",
        factory="bench.metrics.accuracy:Psnr",
        unit="dB",
        direction="up",
        accepts=frozenset(KINDS),
        variants=WAYS,
        formula=f"min({MOST_DECIBELS:g}, -10 log10 MSE), MSE over pixels and R, G, B in [0, 1]; L "
        "is the mean over 4x4 blocks; "
        "decibels are averaged, not errors",
        gaming=_BEST_IS_BIASED
        + " Grey scores high, above other photographs' true colours. Equal pictures would "
        "be infinite: the cap keeps means finite, and a mean of which capped photographs are a "
        "part depends on it.",
        checked="scikit-image and torchmetrics",
        citation="mean squared error of sRGB; as in Zhang et al. 2016 and later work on "
        "colourization",
    )
    yield MetricSpec(
        name="ssim",
        summary="structural similarity of 64x64 RGB pictures that share the true lightness: it "
        "hardly sees colour",
        factory="bench.metrics.accuracy:Ssim",
        unit="",
        direction="up",
        accepts=frozenset(KINDS),
        variants=WAYS,
        formula="mean over R, G, B and the pixels whose window fits of (2μxμy + C1)(2σxy + C2) / "
        "((μx² + μy² + C1)(σx² + σy² "
        "+ C2)), Gaussian window 11x11 of σ = 1.5, C1 = 0.01², C2 = 0.03², population moments, "
        "pictures in [0, 1]",
        gaming=_BEST_IS_BIASED + " The lightness is given, and most of the structure with it: "
        "grey, and even other photographs' colours, score high.",
        checked="scikit-image; torchmetrics away from the border, which it reflects",
        citation="Wang, Bovik, Sheikh, Simoncelli 2004, Image Quality Assessment: From Error "
        "Visibility to Structural Similarity",
    )
    yield MetricSpec(
        name="ciede2000",
        summary="mean over pixels of the CIEDE2000 difference to the truth, lightness shared: a "
        "perceptual error in ab",
        factory="bench.metrics.accuracy:Ciede2000",
        unit="ΔE00",
        direction="down",
        accepts=frozenset(KINDS),
        variants=WAYS,
        formula="mean over 64x64 pixels of ΔE00((L, a, b), (L, a*, b*)), k_L = k_C = k_H = 1; "
        "colours outside sRGB are not clipped",
        gaming=_BEST_IS_BIASED
        + " Differences between saturated colours count less than in plain ab: a bold wrong hue "
        "costs less.",
        checked="scikit-image's deltaE_ciede2000; Sharma et al.'s test pairs",
        citation="CIE 142-2001; Sharma, Wu and Dalal 2005, The CIEDE2000 Color-Difference Formula",
    )


class Psnr(Metric):
    """The cap is reached where the mean squared error is at most 1e-10: far below what 8 bits can
    show (about 59 dB)."""

    def score(self, samples: SampleSet, truth: Tensor, context: ScoreContext) -> list[Score]:
        return _of_pictures(psnr, samples, truth, context)


class Ssim(Metric):
    """Structural similarity."""

    def score(self, samples: SampleSet, truth: Tensor, context: ScoreContext) -> list[Score]:
        return _of_pictures(ssim, samples, truth, context)


class Ciede2000(Metric):
    """CIEDE2000 on real CIELAB, not on 8-bit Lab."""

    def score(self, samples: SampleSet, truth: Tensor, context: ScoreContext) -> list[Score]:
        import torch

        from .shared.ciede2000 import ciede2000

        grey = pictures.lightness(context, (truth.shape[-2], truth.shape[-1]))[:, None, None]

        def lab(ab: Tensor) -> Iterable[Tensor]:
            return (
                torch.cat([plane.expand(len(f), -1, -1, -1), f.double()], 1)
                for plane, f in zip(grey, ab)
            )

        def difference(fields: Tensor, true: Tensor) -> Tensor:
            return ciede2000(fields, true).mean((-1, -2))

        each = compared(difference, lab(samples.ab), lab(truth[:, None]))
        mean = compared(
            difference, lab(pictures.mean_field(samples, context)[:, None]), lab(truth[:, None])
        )
        return three_ways(samples, each, mean[:, 0], "min")


def psnr(several: Tensor, true: Tensor) -> Tensor:
    """Decibels `(k,)` of pictures `(k, 3, h, w)` in [0, 1] and the true one `(3, h, w)`."""
    error = (several - true).square().mean((-1, -2, -3))
    return -10 * error.clamp(min=10 ** (-MOST_DECIBELS / 10)).log10()


def ssim(several: Tensor, true: Tensor) -> Tensor:
    """Structural similarity `(k,)` of pictures `(k, 3, h, w)` in [0, 1] and the true one `(3, h,
    w)`."""
    rows, columns = _window(true.shape[-2]), _window(true.shape[-1]).T

    def blur(picture: Tensor) -> Tensor:
        return rows @ picture @ columns

    mx, my = blur(several), blur(true)
    xx, yy, xy = mx.square(), my.square(), mx * my
    spread = blur(several.square()) - xx + blur(true.square()) - yy
    covariance = blur(several * true) - xy
    c1, c2 = 0.01**2, 0.03**2
    return ((2 * xy + c1) * (2 * covariance + c2) / ((xx + yy + c1) * (spread + c2))).mean(
        (-1, -2, -3)
    )


def compared(compare: Compare, several: Iterable[Tensor], true: Iterable[Tensor]) -> Tensor:
    """`compare` of each photograph's k pictures with its truth, `(B, k)`; one photograph at a time
    is fast (it fits the processor's cache), and memory doesn't grow with the batch."""
    import torch

    return torch.stack([compare(s, t) for s, t in zip(several, true)])


def three_ways(
    samples: SampleSet, each: Tensor, mean: Tensor, best: Literal["min", "max"], prefix: str = ""
) -> list[Score]:
    """`WAYS` as scores, of each sample's value `(B, k)` and the mean field's `(B,)`."""
    values = (mean_over(samples, each), mean, each.amin(1) if best == "min" else each.amax(1))
    return [Score(prefix + way, "all", v.numpy()) for way, v in zip(WAYS, values)]


def _of_pictures(
    compare: Compare, samples: SampleSet, truth: Tensor, context: ScoreContext
) -> list[Score]:
    true = pictures.of_truth(truth, context)
    each = compared(compare, pictures.of_samples(samples, context), true)
    mean = compared(compare, pictures.of_mean(samples, context)[:, None], true)
    return three_ways(samples, each, mean[:, 0], "max")


@cache
def _window(size: int) -> Tensor:
    """SSIM's window along one axis, as a matrix `(size - 10, size)`: only windows that fit."""
    import torch

    offsets = torch.arange(2 * RADIUS + 1)
    weights = (-((offsets - RADIUS).double() / SIGMA).square() / 2).exp()
    start = torch.arange(size - 2 * RADIUS)[:, None]
    window = torch.zeros(len(start), size, dtype=torch.float64)
    window[start, start + offsets] = weights / weights.sum()
    return window
