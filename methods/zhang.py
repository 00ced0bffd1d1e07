"""Zhang et al. 2016, sampled: a distribution over 313 colours for every pixel, each pixel drawn on
its own."""

from __future__ import annotations

from collections.abc import Iterable

from bench.hookspecs import hookimpl
from bench.specs import MethodSpec, Parameter, Weights

from .nets.presets import PRESET, training

STEPS = {"paper": 450_000, "small": 240, "tiny": 60}
_RELEASES = (
    (
        "zhang-eccv16",
        "Zhang et al. 2016, the authors' PyTorch port of their second release",
        "https://colorizers.s3.us-east-2.amazonaws.com/colorization_release_v2-9b330a0b.pth",
        "9b330a0b",
    ),
    (
        "zhang-eccv16-caffe",
        "the same network as it was released first, for Caffe",
        "http://eecs.berkeley.edu/~rich.zhang/projects/2016_colorization/files/demo_v2/"
        "colorization_release_v2.caffemodel",
        "",
    ),
    (
        "zhang-v1-caffe",
        "Zhang et al.'s first release, for Caffe: the paper's features are of it",
        "http://eecs.berkeley.edu/~rich.zhang/projects/2016_colorization/files/demo_v1/"
        "colorization_release_v1.caffemodel",
        "",
    ),
)
"""Name, what it is, where, and what its SHA-256 begins with, where that is published."""


@hookimpl
def bench_register_methods() -> Iterable[MethodSpec]:
    """Zhang's network."""
    yield MethodSpec(
        name="zhang",
        version="3",
        summary="Zhang et al. 2016: per-pixel distributions over 313 colours, every pixel drawn on "
        "its own",
        factory="bench.methods.zhang_model:Zhang",
        parameters=(
            PRESET,
            Parameter(
                "temperature", "float", 1.0, "divides the logits before drawing", minimum=1e-3
            ),
            Parameter(
                "mean_temperature",
                "float",
                0.38,
                "of the annealed mean (Zhang et al. 2016, section 2.3)",
                minimum=1e-3,
            ),
            Parameter(
                "rebalance",
                "float",
                0.5,
                "lambda of class rebalancing: share of the uniform distribution",
                minimum=0,
                maximum=1,
            ),
            Parameter("mirror", "bool", True, "train on mirrored photographs too"),
            Parameter(
                "weights",
                "path",
                None,
                "checkpoint of the public release (.pth, .safetensors or .caffemodel) to "
                "take instead of training; needs preset=paper",
            ),
            *training(STEPS, 1e-3),
        ),
        present_kind="iid",
        capabilities=frozenset({"sample", "mean", "mode", "features", "log_prob"}),
        density="313 bins, pixel by pixel",
        licence="Apache-2.0 (own code; released weights: BSD-2-Clause)",
        citation="Zhang, Isola, Efros: Colorful Image Colorization, ECCV 2016, arXiv:1603.08511",
        test_parameters={"preset": "tiny", "steps": 4},
        weights=tuple(
            Weights(
                name=name,
                summary=summary,
                file=url.rpartition("/")[2],
                urls=(url,),
                sha256=digest,
                gigabytes=0.13,  # 32 million numbers
                licence="BSD-2-Clause",
                inspect=".zhang_weights:inspect",
                use="-m 'zhang[preset=paper,weights={path}]'",
            )
            for name, summary, url, digest in _RELEASES
        ),
    )
