"""Colourizations that any program made: read from a folder and scored like a method's."""

from __future__ import annotations

from collections.abc import Iterable

from bench.hookspecs import hookimpl
from bench.specs import PRESENTED, MethodSpec, Parameter


@hookimpl
def bench_register_methods() -> Iterable[MethodSpec]:
    """A colourizer whose outputs lie in a folder."""
    yield MethodSpec(
        name="precomputed",
        summary="colourizations that another program left in a folder, <image id>/<n>.png or .npy "
        "(docs/precomputed.md)",
        factory="bench.methods.precomputed_model:Precomputed",
        parameters=(
            Parameter(
                "folder",
                "path",
                None,
                "the folder of the outputs, made from `bench export-inputs`",
                required=True,
            ),
            Parameter(
                "kind", "str", None, "what the files of a photograph are", PRESENTED, required=True
            ),
        ),
        present_kind="stated",
        capabilities=frozenset({"sample"}),
        sees=frozenset({"identity"}),
        licence="Apache-2.0; the outputs have the licence of whoever made them",
        citation="own work: no publication; cite the program that made the outputs",
    )
