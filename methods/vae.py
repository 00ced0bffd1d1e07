"""VAE of colour fields (sections 3 and 6.1): the codec behind the MDN, scored by its
reconstructions (Tables 1, 2)."""

from __future__ import annotations

from collections.abc import Iterable

from bench.hookspecs import hookimpl
from bench.specs import MethodSpec, Parameter

from .nets.presets import PRESET, training

STEPS = {"paper": 20_000, "small": 700, "tiny": 150}
CODE = Parameter(
    "d",
    "int",
    "auto",
    "dimensions of the code; auto: 32 for LFW, 64 elsewhere (section 6.1)",
    allow=("auto",),
    minimum=1,
)
LOSS = (
    Parameter(
        "loss",
        "str",
        "full",
        "decoder loss: l2; mah (specificity); full (equation 4)",
        ("l2", "mah", "full"),
    ),
    Parameter(
        "norm",
        "str",
        "root",
        "L_hist and L_grad as norms, as in the authors' code and as the lambdas fit best, or "
        "squared, as in equations 2 and 3",
        ("root", "squared"),
    ),
    Parameter("mah", "float", 0.1, "weight of L_mah in the full loss (section 3.1)", minimum=0),
    Parameter("grad", "float", 1e-3, "weight of L_grad in the full loss (section 3.1)", minimum=0),
    Parameter(
        "mix",
        "float",
        0.0,
        "share of uniform weight mixed into the colour weights: 0 is the paper's 1/p",
        minimum=0,
        maximum=1,
    ),
    Parameter(
        "weight_scale",
        "str",
        "mean",
        "mean: colour weights divided by their mean, so that L_hist is as large as a "
        "squared error and the lambdas mean what they say; raw: 1/p as it is",
        ("mean", "raw"),
    ),
)


@hookimpl
def bench_register_methods() -> Iterable[MethodSpec]:
    """The VAE."""
    yield MethodSpec(
        name="vae",
        version="5",
        summary="VAE of colour fields; reconstructs the truth, and embeds fields for the MDN",
        factory="bench.methods.vae_model:Vae",
        parameters=(
            PRESET,
            CODE,
            *LOSS,
            Parameter(
                "kl",
                "float",
                1e-4,
                "weight of the KL term, per-photograph mean (section 3.1); auto: twice the "
                "reconstruction loss per number, followed in training",
                allow=("auto",),
                minimum=0,
            ),
            Parameter(
                "dropout",
                "float",
                0.3,
                "dropout before the encoder's last layer",
                minimum=0,
                maximum=0.95,
            ),
            *training(STEPS, 1e-3),
        ),
        role="codec",
        present_kind="reconstruction",
        capabilities=frozenset({"reconstruct", "encode", "decode"}),
        licence="Apache-2.0",
        citation="Deshpande et al. 2017, arXiv:1612.01958, sections 3 and 6.1",
        test_parameters={"preset": "tiny", "steps": 4},
    )
