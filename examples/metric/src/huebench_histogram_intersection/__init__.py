"""Registers `histogram-intersection`; imports no torch."""

from collections.abc import Iterable

from bench.contracts import KINDS
from bench.hookspecs import hookimpl
from bench.specs import MetricSpec, Parameter


@hookimpl
def bench_register_metrics() -> Iterable[MetricSpec]:
    """One metric."""
    yield MetricSpec(
        name="histogram-intersection",
        summary="how much of a photograph's colours a colourization has, wherever they are",
        factory=f"{__name__}.score:HistogramIntersection",
        parameters=(
            Parameter(
                "bins", "int", 16, "along a and along b, over [-128, 128)", minimum=2, maximum=256
            ),
        ),
        unit="share of pixels",
        direction="up",
        accepts=frozenset(KINDS),
        headline="mean",
        variants={"mean": "over the k, by their weights", "best": "of the k"},
        formula="Σ over bins of min(h_j, h): h_j and h are the shares of pixels of colourization j "
        "and of the "
        "photograph in each of bins x bins squares of the ab plane",
        gaming="It doesn't know where colours are: shuffled pixels score 1. `best` rises with k, "
        "whatever is drawn.",
        checked="numpy.histogram2d",
        licence="Apache-2.0",
        citation="Swain & Ballard 1991, Color indexing, IJCV 7:11",
    )
