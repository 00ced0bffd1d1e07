"""Zhang's per-pixel distributions drawn together: neighbouring pixels choose alike."""

from __future__ import annotations

from collections.abc import Iterable

from bench.hookspecs import hookimpl
from bench.specs import MethodSpec, Parameter


@hookimpl
def bench_register_methods() -> Iterable[MethodSpec]:
    """Coherent draws."""
    yield MethodSpec(
        name="zhang-coherent",
        version="2",
        summary="control: zhang's distribution of every pixel, drawn through one smooth random "
        "field (a Gaussian copula)",
        factory="bench.methods.zhang_coherent_model:ZhangCoherent",
        parameters=(
            Parameter(
                "zhang",
                "method",
                "zhang",
                "the method whose per-pixel distributions are drawn from",
            ),
            Parameter(
                "length",
                "float",
                8.0,
                "deviation in pixels of the Gaussian filter that smooths the field: 0.001 is "
                "independent pixels, 1000 one number for the whole photograph",
                minimum=1e-3,
            ),
        ),
        role="control",
        present_kind="iid",
        capabilities=frozenset({"sample", "mean", "mode"}),
        licence="Apache-2.0",
        citation="distributions: Zhang et al. 2016, arXiv:1603.08511; Gaussian copula: Nelsen "
        "2006, An Introduction to Copulas",
        test_parameters={"zhang": "zhang[preset=tiny,steps=4]"},
    )
