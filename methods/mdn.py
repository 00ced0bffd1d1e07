"""Mixture density network over the VAE's codes (sections 4 and 6.2): the paper's method."""

from __future__ import annotations

from collections.abc import Iterable

from bench.hookspecs import hookimpl
from bench.specs import MethodSpec, Parameter

from .nets.presets import PRESET, training

STEPS = {"paper": 20_000, "small": 400, "tiny": 120}
FEATURES = Parameter(
    "features", "method", "zhang", "the method that gives features of the grey photograph"
)


@hookimpl
def bench_register_methods() -> Iterable[MethodSpec]:
    """The MDN."""
    yield MethodSpec(
        name="mdn",
        version="3",
        summary="VAE + mixture density network P(z|G); presents the decoded means of its heaviest "
        "components",
        factory="bench.methods.mdn_model:Mdn",
        parameters=(
            PRESET,
            FEATURES,
            Parameter("vae", "method", "vae", "the codec, for example vae[loss=l2]"),
            Parameter("components", "int", 8, "components of the mixture (section 6.2)", minimum=1),
            Parameter(
                "sigma2",
                "float",
                0.1,
                "the fixed variance of every component; fit: one a dimension, from the "
                "residuals of the training codes",
                allow=("fit",),
                minimum=1e-6,
            ),
            Parameter(
                "loss",
                "str",
                "min",
                "min: only the nearest component (equation 7); exact: mixture likelihood",
                ("min", "exact"),
            ),
            Parameter(
                "start",
                "str",
                "kmeans",
                "first means: k-means of the codes, or random",
                ("kmeans", "random"),
            ),
            Parameter(
                "dropout",
                "float",
                0.25,
                "dropout before both fully connected layers",
                minimum=0,
                maximum=0.95,
            ),
            *training(STEPS, 5e-4),
        ),
        present_kind="modes",
        capabilities=frozenset({"sample", "mean", "log_prob"}),
        density="code of its codec",
        licence="Apache-2.0",
        citation="Deshpande et al. 2017, arXiv:1612.01958, sections 4 and 6.2",
        test_parameters={
            "preset": "tiny",
            "steps": 4,
            "vae": "vae[steps=4]",
            "features": "zhang[steps=4]",
        },
    )
