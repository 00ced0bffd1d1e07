"""Fréchet inception distance: an extra that needs a local feature extractor."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contracts import KINDS, Metric, SampleSet, Score, ScoreContext, SetScore
from bench.errors import BenchError
from bench.hookspecs import hookimpl
from bench.specs import MetricSpec, Parameter

from .shared import pictures

if TYPE_CHECKING:
    from torch import Tensor


@hookimpl
def bench_register_metrics() -> Iterable[MetricSpec]:
    """FID."""
    yield MetricSpec(
        name="fid",
        main="all-samples",
        summary="Fréchet distance between deep features of all samples' and all photographs' "
        "pictures; needs a local extractor",
        factory="bench.metrics.fid:Fid",
        unit="",
        direction="down",
        accepts=frozenset(KINDS),
        optional=True,
        parameters=(
            Parameter(
                "weights",
                "path",
                None,
                "feature extractor: a local TorchScript file, never downloaded",
            ),
        ),
        variants={
            "all-samples": "whole set: every sample of every photograph, all alike, against every "
            "photograph; no interval"
        },
        formula="|μ - μ*|² + tr(Σ + Σ* - 2(ΣΣ*)^½) of features of 8-bit 256x256 RGB, ab enlarged "
        "bilinearly under the full L",
        gaming="A method that knows the set's look and ignores the photograph scores well: so do "
        "truths exchanged among like "
        "photographs. It is biased upwards for few pictures, more so where they are fewer than the "
        "features (2,048), and "
        "bound to its extractor, resizing and number of pictures: compare within one table only. "
        "The lightness is the "
        "truths' own: values are far below those of free generation. No interval: resampling would "
        "solve a large eigenvalue "
        "problem 2,000 times.",
        checked="scipy.linalg.sqrtm on the features",
        citation="Heusel, Ramsauer, Unterthiner, Nessler and Hochreiter 2017, GANs Trained by a "
        "Two Time-Scale Update Rule",
    )


class Fid(Metric):
    """torchmetrics' FID with an extractor from a local file; BenchError where there is none, or it
    can't be used."""

    def __init__(self, *, weights: str | None = None) -> None:
        from .shared.fid_net import EXPECTED, Extractor

        if not weights:
            raise BenchError(
                f"fid needs a local feature extractor: give fid[weights=PATH], {EXPECTED}"
            )
        from torchmetrics.image.fid import FrechetInceptionDistance

        self.distance = FrechetInceptionDistance(Extractor(Path(weights).expanduser()))

    def score(self, samples: SampleSet, truth: Tensor, context: ScoreContext) -> list[Score]:
        for grey, ab, true in zip(context.grey, samples.ab, truth):
            for fields, real in ((ab, False), (true[None], True)):
                self.distance.update(
                    (255 * pictures.enlarged(grey, fields)).round().byte(), real=real
                )
        return []

    def finish(self) -> list[SetScore]:
        if self.distance.real_features_num_samples < 2:
            raise BenchError("fid needs at least two photographs, better thousands")
        return [SetScore("all-samples", float(self.distance.compute()))]
