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
def bench_register_methods() -> Iterable[MethodSpec]:
    """Colourization methods."""
    return ()


@hookspec
def bench_register_datasets() -> Iterable[DatasetSpec]:
    """Sources of photographs."""
    return ()


@hookspec
def bench_register_metrics() -> Iterable[MetricSpec]:
    """Metrics of sample sets."""
    return ()


@hookspec
def bench_register_reports() -> Iterable[ReportSpec]:
    """Writers of tables and figures."""
    return ()


@hookspec
def bench_register_protocols() -> Iterable[ProtocolSpec]:
    """Named sets of choices under which results are comparable."""
    return ()


@hookspec
def bench_register_executors() -> Iterable[ExecutorSpec]:
    """Ways to execute a plan."""
    return ()


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
