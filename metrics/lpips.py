"""LPIPS, to the truth and between samples: extras that need a local file of backbone weights."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contracts import KINDS, Metric, SampleSet, Score, ScoreContext
from bench.errors import BenchError
from bench.extend.metrics import shares
from bench.hookspecs import hookimpl
from bench.specs import PRESENTED, MetricSpec, Parameter

from .accuracy import WAYS, three_ways
from .diversity import mean_over_pairs
from .shared import pictures

if TYPE_CHECKING:
    from torch import Tensor

    from .shared.lpips_net import Lpips

NETS = ("alex", "vgg")
PAIRS = {
    "pairwise-all": "mean over all pairs of samples, by the products of their weights; 0 for one "
    "sample",
    "pairwise-consecutive": "mean over the pairs of samples 1 and 2, 2 and 3, ... (BicycleGAN's 19 "
    "of 20); 0 for one sample",
}
_PARAMETERS = (
    Parameter(
        "weights",
        "path",
        None,
        "torchvision's state of the backbone: a local .pth or .safetensors file; never downloaded",
    ),
    Parameter("net", "str", "alex", "backbone", choices=NETS),
)
_FORMULA = (
    "Σ over 5 layers of the mean over positions of w · (f/|f| - f*/|f*|)², f = the backbone's ReLU "
    "activations, w = linear "
    "heads v0.1 (torchmetrics ships them); on 256x256 RGB, ab enlarged bilinearly under the full "
    "lightness; float32"
)
_CHECKED = "torchmetrics' functional LPIPS with the same backbone"
_CITATION = "Zhang, Isola, Efros, Shechtman and Wang 2018, The Unreasonable Effectiveness of Deep Features as a Perceptual Metric"


@hookimpl
def bench_register_metrics() -> Iterable[MetricSpec]:
    """LPIPS and pairwise LPIPS."""
    yield MetricSpec(
        name="lpips",
        summary="learned perceptual distance of 256x256 pictures to the photograph (heads v0.1); "
        "needs a local backbone file",
        factory="bench.metrics.lpips:ToTruth",
        unit="",
        direction="down",
        accepts=frozenset(KINDS),
        optional=True,
        parameters=_PARAMETERS,
        variants={
            f"{net}-{way}": f"backbone {net}; {what}" for net in NETS for way, what in WAYS.items()
        },
        formula=_FORMULA,
        gaming="As PSNR: mean-of-n punishes every spread, best-of-n grows with n and spread, "
        "of-the-mean rewards one safe "
        "picture. The lightness is given: values are small and differences between methods "
        "smaller. Not comparable with "
        "numbers of other backbones, head versions or sizes.",
        checked=_CHECKED,
        citation=_CITATION,
    )
    yield MetricSpec(
        name="lpips-pairwise",
        summary="learned perceptual distance between samples; the variant names the pairs; needs a "
        "local backbone file",
        factory="bench.metrics.lpips:BetweenSamples",
        unit="",
        direction="none",
        accepts=frozenset(PRESENTED),
        optional=True,
        parameters=_PARAMETERS,
        variants={
            f"{net}-{name}": f"backbone {net}; {what}"
            for net in NETS
            for name, what in PAIRS.items()
        },
        formula=_FORMULA + "; mean over the pairs of samples",
        gaming="More is not better: noise and artefacts raise it more than other colours do, and "
        "it never looks at the "
        "truth. Published numbers differ in pairs, version, backbone, n and size: compare only "
        "equal ones.",
        checked=_CHECKED,
        citation=_CITATION + "; pairs: Zhu et al. 2017 (BicycleGAN), README and issue 26",
    )


class _Perceptual(Metric):
    """LPIPS with a backbone from a local file; BenchError where there is none, or it can't be read."""

    name = "lpips"

    def __init__(self, *, weights: str | None = None, net: str = "alex") -> None:
        from .shared.lpips_net import NETS as FILES
        from .shared.lpips_net import Lpips

        if not weights:
            call = f"{self.name}[weights=PATH,net={net}]"
            raise BenchError(
                f"{self.name} needs a local backbone: fetch torchvision's {FILES[net][0]} and give "
                f"{call}"
            )
        self.net = net
        self.model: Lpips = Lpips(net, Path(weights).expanduser())

    def score(self, samples: SampleSet, truth: Tensor, context: ScoreContext) -> list[Score]:
        import torch

        with torch.inference_mode():
            return self.measure(samples, truth, context)

    @abstractmethod
    def measure(self, samples: SampleSet, truth: Tensor, context: ScoreContext) -> list[Score]:
        """`score`, without gradients."""


class ToTruth(_Perceptual):
    """Distance to the photograph, photograph by photograph: 256x256 features are large."""

    def measure(self, samples: SampleSet, truth: Tensor, context: ScoreContext) -> list[Score]:
        import torch

        fields = torch.cat(
            [truth[:, None], pictures.mean_field(samples, context)[:, None], samples.ab], 1
        )
        rows = []
        for grey, ab in zip(context.grey, fields):
            features = self.model.features(pictures.enlarged(grey, ab))
            rows.append(self.model.distance([f[1:] for f in features], [f[:1] for f in features]))
        values = torch.stack(rows)
        return three_ways(samples, values[:, 1:], values[:, 0], "min", f"{self.net}-")


class BetweenSamples(_Perceptual):
    """Distance between samples."""

    name = "lpips-pairwise"

    def measure(self, samples: SampleSet, truth: Tensor, context: ScoreContext) -> list[Score]:
        import torch

        rows = [self._pairs(*one) for one in zip(context.grey, samples.ab, shares(samples))]
        values = torch.tensor(rows, dtype=torch.float64).T.numpy()
        return [Score(f"{self.net}-{name}", "all", v) for name, v in zip(PAIRS, values)]

    def _pairs(self, grey: Tensor, ab: Tensor, weights: Tensor) -> tuple[float, float]:
        features = self.model.features(pictures.enlarged(grey, ab))

        def distances(shift: int) -> Tensor:
            return self.model.distance(
                [f[shift:] for f in features], [f[:-shift] for f in features]
            )

        if len(ab) == 1:
            return 0.0, 0.0
        return float(mean_over_pairs(weights, distances)), float(distances(1).mean())
