"""Zhang et al. 2016, sampled: a distribution over 313 colours for every pixel, each pixel drawn on
its own."""

from __future__ import annotations

from collections.abc import Iterable

from bench.hookspecs import hookimpl
from bench.specs import MethodSpec, Parameter

from .nets.presets import PRESET, training

STEPS = {"paper": 450_000, "small": 240, "tiny": 60}


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
    )
