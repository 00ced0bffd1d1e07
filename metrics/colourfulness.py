"""Colourfulness (Hasler and Süsstrunk 2003), signed and as the field's code has it, and its
distance from the truth's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from bench.contracts import KINDS, Metric, SampleSet, Score, ScoreContext
from bench.extend.metrics import mean_over
from bench.hookspecs import hookimpl
from bench.specs import MetricSpec

from .shared import pictures

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

_FORMULA = (
    "√(σ_rg² + σ_yb²) + 0.3 √(μ_rg² + μ_yb²), rg = {0}R - G{0}, yb = {0}(R + G)/2 - B{0}, over "
    "64x64 pixels of RGB in 0..255 "
    "(not rounded), population σ; lightness from the photograph"
)
_GAMING = "More is not better: random saturated colours have the most. It sees neither where colours are nor whether they fit. "
_TWO = "signed and absolute values agree for one-sided colours and differ by a sixth for colours spread evenly about grey. "
_CHECKED = "the definition in NumPy, on scikit-image's lab2rgb"
_CITATION = "Hasler and Süsstrunk 2003, Measuring Colourfulness in Natural Images, equation 9"


@hookimpl
def bench_register_metrics() -> Iterable[MetricSpec]:
    """Colourfulness, and its distance from the truth's."""
    variants = {
        "mean-of-n": "mean over the samples, by their weights",
        "truth": "of the photograph",
    }
    yield MetricSpec(
        name="colourfulness",
        summary="Hasler-Süsstrunk colourfulness as published: opponent channels with their sign",
        factory="bench.metrics.colourfulness:Colourfulness",
        unit="RGB levels",
        direction="none",
        accepts=frozenset(KINDS),
        variants=variants,
        formula=_FORMULA.format(""),
        gaming=_GAMING + _TWO,
        checked=_CHECKED,
        citation=_CITATION,
    )
    yield MetricSpec(
        name="colourfulness-abs",
        summary="colourfulness as DDColor, CT2 and UniColor compute it: absolute opponent "
        "channels; not the published formula",
        factory="bench.metrics.colourfulness:ColourfulnessAbs",
        unit="RGB levels",
        direction="none",
        accepts=frozenset(KINDS),
        variants=variants,
        formula=_FORMULA.format("|"),
        gaming=_GAMING + _TWO,
        checked=_CHECKED,
        citation=_CITATION + "; np.absolute as in the code of DDColor, CT2 and UniColor",
    )
    yield MetricSpec(
        name="colourfulness-distance",
        summary="how far the samples' colourfulness is from the photograph's, one by one and as a "
        "difference of means (ΔCF)",
        factory="bench.metrics.colourfulness:ColourfulnessDistance",
        unit="RGB levels",
        direction="down",
        accepts=frozenset(KINDS),
        variants={
            "signed": "mean over the samples of |CF(sample) - CF(truth)|, by photograph, with the "
            "published CF",
            "abs": "the same with absolute opponent channels",
            "signed-difference-of-means": "whole set: |mean CF of samples - mean CF of truths|, "
            "what the field calls ΔCF",
            "abs-difference-of-means": "the same with absolute opponent channels: ΔCF as most "
            "papers computed it",
            "part-signed-bias": "a part of the difference of means, no score by itself: mean CF of "
            "the samples - CF of the truth",
            "part-abs-bias": "the same with absolute opponent channels",
        },
        formula="E|CF(sample) - CF(truth)|; difference of means: |E[CF(sample) - CF(truth)]|",
        gaming="The difference of means is 0 for any method with the right average: half too dull "
        "and half too loud, "
        "or the colours of another photograph. The mean distance is lowest for one constant level, "
        "not for the true law. "
        "The difference of means can't be below 0, so its interval is not to be trusted near 0.",
        checked=_CHECKED,
        citation=_CITATION + "; ΔCF: as in Kang et al. 2023 (DDColor)",
    )


class Colourfulness(Metric):
    """The published formula."""

    absolute = False

    def score(self, samples: SampleSet, truth: Tensor, context: ScoreContext) -> list[Score]:
        each, true = _both(samples, truth, context, self.absolute)
        mean = mean_over(samples, each)
        return [Score("mean-of-n", "all", mean.numpy()), Score("truth", "all", true.numpy())]


class ColourfulnessAbs(Colourfulness):
    """The field's variant."""

    absolute = True


class ColourfulnessDistance(Metric):
    """Both conventions, each under its own name."""

    def score(self, samples: SampleSet, truth: Tensor, context: ScoreContext) -> list[Score]:
        scores = []
        for name, absolute in (("signed", False), ("abs", True)):
            each, true = _both(samples, truth, context, absolute)
            bias = each - true[:, None]
            scores.append(Score(name, "all", mean_over(samples, bias.abs()).numpy()))
            scores.append(Score(f"part-{name}-bias", "all", mean_over(samples, bias).numpy()))
        return scores

    def combine(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            f"{name}-difference-of-means": abs(columns[f"part-{name}-bias"].mean(-1))
            for name in ("signed", "abs")
        }


def colourfulness(rgb: Tensor, absolute: bool) -> Tensor:
    """Colourfulness `(...)` of pictures `(..., 3, h, w)` in [0, 1]."""
    import torch

    red, green, blue = (255 * rgb).flatten(-2).unbind(-2)
    rg, yb = red - green, (red + green) / 2 - blue
    if absolute:
        rg, yb = rg.abs(), yb.abs()
    levels = [c.mean(-1, keepdim=True) for c in (rg, yb)]
    spreads = [(c - level).square().mean(-1) for c, level in zip((rg, yb), levels)]
    return (spreads[0] + spreads[1]).sqrt() + 0.3 * torch.hypot(*levels)[..., 0]


def _both(
    samples: SampleSet, truth: Tensor, context: ScoreContext, absolute: bool
) -> tuple[Tensor, Tensor]:
    """Of the samples `(B, k)` and of the truth `(B,)`, computed once."""
    import torch

    def make() -> tuple[Tensor, Tensor]:
        each = torch.stack(
            [colourfulness(several, absolute) for several in pictures.of_samples(samples, context)]
        )
        return each, colourfulness(pictures.of_truth(truth, context), absolute)

    found: tuple[Tensor, Tensor] = context.once(f"colourfulness-{absolute}", make)
    return found
