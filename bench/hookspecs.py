"""The hooks. They only register: each returns light specs, and behaviour sits on the typed classes
that specs name."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from bench.specs import DatasetSpec, ExecutorSpec, MethodSpec, MetricSpec, ProtocolSpec, ReportSpec

PROJECT = "bench"
GROUP = "huebench"
"""Entry-point group that built-ins and third parties share."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def bench_register_methods() -> Iterable[MethodSpec]:  # type: ignore[empty-body]
    """Colourization methods."""


@hookspec
def bench_register_datasets() -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
    """Sources of photographs."""


@hookspec
def bench_register_metrics() -> Iterable[MetricSpec]:  # type: ignore[empty-body]
    """Metrics of sample sets."""


@hookspec
def bench_register_reports() -> Iterable[ReportSpec]:  # type: ignore[empty-body]
    """Writers of tables and figures."""


@hookspec
def bench_register_protocols() -> Iterable[ProtocolSpec]:  # type: ignore[empty-body]
    """Named sets of choices under which results are comparable."""


@hookspec
def bench_register_executors() -> Iterable[ExecutorSpec]:  # type: ignore[empty-body]
    """Ways to execute a plan."""


@hookspec
def bench_run_started(run: str, cells: int) -> None:
    """Observer: a run of `cells` cells into folder `run` begins. An error here never fails the run."""


@hookspec
def bench_cell_finished(run: str, cell: str, status: str) -> None:
    """Observer: cell `cell` of `run` ended as `done`, `cached`, `failed` or `incompatible`. An
    error here never fails the run."""


@hookspec
def bench_run_finished(run: str) -> None:
    """Observer: the run's results are written. An error here never fails the run."""
