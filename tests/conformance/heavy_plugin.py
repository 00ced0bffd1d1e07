"""A local plugin whose registration imports torch."""

import torch

from bench.hookspecs import hookimpl
from bench.specs import MetricSpec


@hookimpl
def bench_register_metrics():
    yield MetricSpec(
        name="mutant-heavy",
        summary=f"made with torch {torch.__version__}",
        factory=":Heavy",
        unit="",
        direction="none",
        accepts=frozenset({"iid"}),
        citation="own work",
    )
