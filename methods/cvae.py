"""Conditional VAE (sections 5 and 6.3): the paper's baseline."""

from __future__ import annotations

from collections.abc import Iterable

from bench.hookspecs import hookimpl
from bench.specs import MethodSpec, Parameter

from .nets.presets import PRESET, training

STEPS = {"paper": 20_000, "small": 700, "tiny": 150}


@hookimpl
def bench_register_methods() -> Iterable[MethodSpec]:
    """The CVAE."""
    from .vae import CODE, LOSS

    yield MethodSpec(
        name="cvae",
        version="4",
        summary="conditional VAE; presents the k-means centroids of 256 draws",
        factory="bench.methods.cvae_model:Cvae",
        parameters=(
            PRESET,
            Parameter(
                "features",
                "method",
                "zhang",
                "the method that gives features of the grey photograph",
            ),
            CODE,
            *LOSS,
            Parameter(
                "kl",
                "float",
                "auto",
                "weight of the KL term; auto: twice the reconstruction loss per number, so that "
                "codes fit the N(0, I) that is sampled; the paper's is 1e-4",
                allow=("auto",),
                minimum=0,
            ),
            Parameter(
                "draws",
                "int",
                256,
                "draws that are clustered to present k (section 6.3)",
                minimum=1,
            ),
            Parameter(
                "dropout",
                "float",
                0.25,
                "dropout in the grey trunk and before the encoder's last layer",
                minimum=0,
                maximum=0.95,
            ),
            *training(STEPS, 1e-3),
        ),
        present_kind="centroids",
        capabilities=frozenset({"sample"}),
        licence="Apache-2.0",
        citation="Deshpande et al. 2017, arXiv:1612.01958, sections 5 and 6.3; Sohn et al. 2015",
        test_parameters={"preset": "tiny", "steps": 4, "features": "zhang[steps=4]", "draws": 16},
    )
