"""Area under the curve of accuracy, raw and class-balanced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from bench.contracts import KINDS, Metric, SampleSet, Score, ScoreContext
from bench.hookspecs import hookimpl
from bench.specs import MetricSpec

from .accuracy import WAYS, compared, three_ways
from .shared import pictures

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

LAST = 150
"""Thresholds are the integers 0..150."""


@hookimpl
def bench_register_metrics() -> Iterable[MetricSpec]:
    """AuC."""
    yield MetricSpec(
        name="auc",
        summary="share of pixels within an ab distance t of the truth, averaged over t = 0..150; "
        "raw, and balanced over colours",
        factory="bench.metrics.auc:Auc",
        unit="",
        direction="up",
        accepts=frozenset(KINDS),
        variants={f"raw-{way}": f"all pixels alike; {what}" for way, what in WAYS.items()}
        | {
            f"rebalanced-{way}": f"whole set: Σ part-rebalanced-{way} / Σ part-weight; {what}"
            for way, what in WAYS.items()
        }
        | {
            f"part-rebalanced-{way}": "no score by itself: mean over pixels of area × weight"
            for way in WAYS
        }
        | {"part-weight": "no score by itself: mean over pixels of the weight"},
        formula="raw: mean over pixels of #{t in 0..150: d <= t} / 151, d = ab distance (L2) to "
        "the truth. rebalanced: mean over "
        "all pixels of the set, by the weight 1/p, p = the train split's share of the true "
        "colour's bin (nearest of Zhang's 313)",
        gaming="Grey scores high: its distance is the true chroma C, so its raw AuC is 1 - mean "
        "⌈C⌉/151, "
        "above that of other photographs' true colours; rebalanced they are level. mean-of-n "
        "punishes every spread; best-of-n "
        "rewards it. Few pixels of rare colours carry much of the rebalanced value, and the floor "
        "on p decides how much. A public "
        "implementation uses t = 0..149: not the same number.",
        checked="a loop over the thresholds in NumPy",
        citation="Deshpande, Rock and Forsyth 2015; Zhang, Isola and Efros 2016, section 3.1 "
        "(rebalancing: λ = 0)",
    )


class Auc(Metric):
    """The rebalanced value is a ratio over the whole set: a photograph gives its two parts."""

    def score(self, samples: SampleSet, truth: Tensor, context: ScoreContext) -> list[Score]:
        import torch

        from bench.contracts.colour_weights import nearest_bin

        mean = pictures.mean_field(samples, context)[:, None]
        weight = torch.as_tensor(1 / context.prior)[nearest_bin(truth)]
        each, middle = compared(area, samples.ab, truth), compared(area, mean, truth)
        scores = [Score("part-weight", "all", weight.mean((-1, -2)).numpy())]
        for prefix, factor in (("raw-", torch.ones_like(weight)), ("part-rebalanced-", weight)):
            values = [
                torch.einsum("bkhw,bhw->bk", areas, factor) / factor[0].numel()
                for areas in (each, middle)
            ]
            scores += three_ways(samples, values[0], values[1][:, 0], "max", prefix)
        return scores

    def combine(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        weight = columns["part-weight"].sum(-1)
        return {
            f"rebalanced-{way}": columns[f"part-rebalanced-{way}"].sum(-1) / weight for way in WAYS
        }


def area(ab: Tensor, truth: Tensor) -> Tensor:
    """Share `(k, h, w)` of the thresholds 0..150 that are at least the ab distance of fields `(k,
    2, h, w)` to the truth `(2, h, w)`: those from ⌈d⌉ on."""
    distance = (ab.double() - truth.double()).square().sum(-3).sqrt()
    return (LAST + 1 - distance.ceil()).clamp(min=0) / (LAST + 1)
