"""Controls: what any colourizer should beat, and the ceilings. Tables show them apart."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from bench.hookspecs import hookimpl
from bench.specs import MethodSpec, Parameter

from .mdn import FEATURES

control = partial(
    MethodSpec, role="control", licence="Apache-2.0", citation="own work: no publication"
)
TEST_FEATURES = {"features": "zhang[preset=tiny,steps=4]"}


@hookimpl
def bench_register_methods() -> Iterable[MethodSpec]:
    """Seven controls."""
    yield control(
        name="grey",
        summary="control: no colour at all",
        factory="bench.methods.controls_model:Grey",
        present_kind="point",
        capabilities=frozenset({"sample", "mean"}),
    )
    yield control(
        name="mean",
        version="2",
        summary="control: the conditional mean, by ridge regression on features of the grey "
        "photograph; no spread",
        factory="bench.methods.mean_model:Mean",
        parameters=(FEATURES,),
        present_kind="point",
        capabilities=frozenset({"sample", "mean"}),
        citation="Hoerl & Kennard 1970, Technometrics 12:55 (ridge regression)",
        test_parameters=TEST_FEATURES,
    )
    yield control(
        name="mean-noise",
        version="2",
        summary="control: the conditional mean and independent Gaussian noise at every pixel",
        factory="bench.methods.mean_model:MeanNoise",
        parameters=(
            Parameter("mean", "method", "mean", "the method whose mean it is"),
            Parameter(
                "scale",
                "float",
                1.0,
                "of the noise, in the mean's residual standard deviations",
                minimum=0,
            ),
        ),
        present_kind="iid",
        capabilities=frozenset({"sample", "mean"}),
        test_parameters={"mean": "mean[features=zhang[preset=tiny,steps=4]]"},
    )
    yield control(
        name="marginal",
        summary="control: the colours of any training photograph, whatever the grey one shows",
        factory="bench.methods.controls_model:Marginal",
        present_kind="iid",
        capabilities=frozenset({"sample"}),
    )
    yield control(
        name="knn",
        summary="control: the colours of one of the training photographs that look most alike in "
        "grey",
        factory="bench.methods.controls_model:Knn",
        parameters=(Parameter("neighbours", "int", 20, "how many", minimum=1),),
        present_kind="modes",
        capabilities=frozenset({"sample"}),
        test_parameters={"neighbours": 5},
    )
    yield control(
        name="truth",
        summary="control: the true colours; the ceiling of every error, and no colourizer",
        factory="bench.methods.controls_model:Truth",
        present_kind="point",
        capabilities=frozenset({"sample", "mean"}),
        sees=frozenset({"truth"}),
    )
    yield control(
        name="true-law",
        summary="control: draws of the known law; the best expected proper scores that there can be",
        factory="bench.methods.controls_model:TrueLaw",
        present_kind="iid",
        capabilities=frozenset({"sample", "log_prob"}),
        density="the known law",
        sees=frozenset({"law"}),
    )
