"""Metrics, reports and data sets that are each broken in their own way, among sound ones; a local
plugin."""

from bench.hookspecs import hookimpl
from bench.specs import DatasetSpec, MetricSpec, ReportSpec

METRICS = (
    "sound-one",
    "raises-in-combine",
    "raises-in-finish",
    "raises-once-made",
    "hangs-when-made",
    "aborts-when-scoring",
    "hangs-when-scoring",
    "hangs-in-finish",
    "named-badly",
)
DATASETS = ("aborts", "greedy")


def _class(name):
    return "".join(word.title() for word in name.split("-"))


@hookimpl
def bench_register_metrics():
    for name in METRICS:
        yield MetricSpec(
            name=name,
            summary="a metric",
            factory=f".code:{_class(name)}",
            unit="1",
            direction="down",
            accepts=frozenset({"iid", "modes", "centroids", "point"}),
            optional=True,
        )


@hookimpl
def bench_register_reports():
    for order, name in enumerate(("raises", "aborts", "sound")):
        yield ReportSpec(
            name=f"report-that-{name}",
            summary="a report",
            factory=f".code:report_{name}",
            order=order,
        )


@hookimpl
def bench_register_datasets():
    for name in DATASETS:
        yield DatasetSpec(
            name=f"data-{name}", summary="a data set", factory=f".code:Data{name.title()}"
        )
