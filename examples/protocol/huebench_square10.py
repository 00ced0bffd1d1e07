"""Protocol `square10`: the centre square, and ten colourizations instead of five.

Results under it are compared with nothing but results under it: huebench refuses anything else.
"""

from collections.abc import Iterable
from typing import Any

from bench.hookspecs import hookimpl
from bench.protocol import Protocol
from bench.specs import Parameter, ProtocolSpec


@hookimpl
def bench_register_protocols() -> Iterable[ProtocolSpec]:
    """One protocol."""
    yield ProtocolSpec(
        name="square10",
        summary="centre square, antialiased; ten colourizations and twenty draws of each photograph",
        factory=f"{__name__}:make",
        parameters=(
            Parameter(
                "k",
                "int",
                10,
                "colourizations that a method presents for each photograph",
                minimum=1,
            ),
            Parameter(
                "draws", "int", 20, "independent draws of each photograph's distribution", minimum=1
            ),
            Parameter(
                "test_size", "int", 1000, "random test photographs of a large set", minimum=1
            ),
            Parameter("split_seed", "int", 0, "seed of the random split", minimum=0),
        ),
        licence="Apache-2.0",
        citation="an example",
    )


def make(**parameters: Any) -> Protocol:
    """All of `square`'s choices, other numbers; raise `version` when a choice changes that no
    parameter shows."""
    return Protocol(name="square10", crop="square", antialias=True, **parameters)
