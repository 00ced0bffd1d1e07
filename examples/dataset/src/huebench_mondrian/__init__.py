"""Registers `mondrian`; imports nothing heavy."""

from collections.abc import Iterable

from bench.hookspecs import hookimpl
from bench.specs import DatasetSpec


@hookimpl
def bench_register_datasets() -> Iterable[DatasetSpec]:
    """One data set."""
    yield DatasetSpec(
        name="mondrian",
        summary="drawn patchworks of flat colours under uneven light, as in experiments on colour "
        "constancy",
        factory=f"{__name__}.data:Mondrian",
        licence="Apache-2.0: drawn by this package",
        citation="after Land & McCann 1971, Lightness and Retinex Theory, JOSA 61:1",
    )
