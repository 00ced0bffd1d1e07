"""Registers `palette-transfer`; imports no torch."""

from bench.hookspecs import hookimpl
from bench.specs import MethodSpec, Parameter


@hookimpl
def bench_register_methods() -> list[MethodSpec]:
    return [
        MethodSpec(
            name="palette-transfer",
            summary="the colours of a random training photograph, given to pixels by the rank of "
            "their lightness",
            factory=f"{__name__}.model:PaletteTransfer",
            parameters=(
                Parameter(
                    "levels",
                    "int",
                    32,
                    "colours of a palette, from dark to light",
                    minimum=1,
                    maximum=4096,
                ),
            ),
            capabilities=frozenset({"sample"}),
            licence="Apache-2.0",
            citation="after Welsh, Ashikhmin & Mueller 2002, Transferring Color to Greyscale Images",
        )
    ]
