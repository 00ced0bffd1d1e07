"""`bench.run`: plan, execute, score, report."""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import keys, output
from bench.contracts import Progress
from bench.contracts.execution import Executor, Quiet, Result, Task
from bench.contracts.request import Request
from bench.engine import planning, record
from bench.engine import request as requests
from bench.engine.plan import Plan
from bench.engine.schedule import Outcome, drive
from bench.engine.score_run import headline as headline
from bench.engine.score_run import rescore as rescore
from bench.engine.score_run import summarise as summarise
from bench.engine.work import Work
from bench.errors import BenchError, ExitCode
from bench.machine import places
from bench.plugins import notation
from bench.plugins.loader import Registry, registry
from bench.results import report, run_folder
from bench.results.run_folder import Results
from bench.scores import manifest as manifests
from bench.scores.metrics import LoadedMetric, load_metrics
from bench.specs import ExecutorSpec
from bench.store import records
from bench.store.files import write_json, write_text
from bench.store.local import trust
from bench.store.opening import open_store
from bench.text import visible

EXECUTOR = "BENCH_EXECUTOR"
FAILURES = "failures.txt"
"""In a run folder: tracebacks of methods that failed."""


def data_home(given: Path | None) -> Path:
    """The data home: what was given, `$BENCH_DATA`, or the platform's cache folder."""
    from platformdirs import user_cache_path

    return given or (
        Path(os.environ["BENCH_DATA"])
        if os.environ.get("BENCH_DATA")
        else user_cache_path("huebench") / "data"
    )


def run(
    request: Request | None = None,
    *,
    out: Path | str | None = None,
    progress: Progress | None = None,
    debug: bool = False,
    argv: Sequence[str] = (),
    figures: Sequence[str] = (),
    **choices: Any,
) -> Results:
    """Compare methods on data sets, as `bench run` does. Finished work is reused, and a run that was
    cut off goes on.

    Parameters
    ----------
    request : Request, optional
        What is asked for; or give its fields as keywords, as in the example.
    out : Path or str, optional
        The run folder; else `runs/<time>`.
    progress : Progress, optional
        Shows how far things are; else nothing does.
    debug : bool
        Raise a method's error instead of keeping it as a row, and do everything in this process.
    argv : sequence of str
        The command line, for the manifest.
    figures : sequence of str
        Names of the figures to draw; none given: all, `("none",)`: none.

    Returns
    -------
    Results
        `scores` is a DataFrame; `cells` say which methods failed, and why; `troubles` say what else
        went wrong.

    Raises
    ------
    BenchError
        For whatever the caller can mend, in one line.

    Examples
    --------
    ::

        import bench

        results = bench.run(methods=("mdn", "cvae"), datasets=("demo",), preset="tiny")
        results.select(metric="error-of-best", region="all").groupby("method")["value"].mean()
    """
    progress = progress or Quiet()
    report.choose(registry(), output.request(Path(), figures=figures))
    reports = Task("writing reports", kind="report", given=tuple(figures))
    measured = _run(request or Request(**choices), out, progress, debug, argv, reports)
    _notify(registry(), progress, "bench_run_finished", run=measured.folder.name)
    return measured


def measure(
    request: Request,
    *,
    out: Path | str | None = None,
    progress: Progress | None = None,
    debug: bool = False,
    argv: Sequence[str] = (),
) -> Results:
    """`run` without its reports."""
    return _run(request, out, progress or Quiet(), debug, argv)


def _run(
    request: Request,
    out: Path | str | None,
    progress: Progress,
    debug: bool,
    argv: Sequence[str],
    reports: Task | None = None,
) -> Results:
    plugins = registry()
    with _planned(_with_home(request), plugins, progress, debug) as (work, executor):
        made, store = work.plan, work.store
        work.opened = folder = _open_folder(out, made)
        with _writable(folder):
            requests.write(folder, replace(made.request, store=store.place), work.looks())
        if work.helper:
            work.helper.folder = folder
        _notify(plugins, progress, "bench_run_started", run=folder.name, cells=len(made.cells))
        outcomes = _execute(work, executor, plugins)
        manifest = record.manifest(made, outcomes, store, plugins, argv)
        with _writable(folder):
            manifests.write(folder, manifest)
        traces = [f"{o.cell.name}: {o.reason}\n\n{o.trace}" for o in outcomes if o.trace]
        scored = _written(work, Task("scoring", kind="score"))
        reported = _written(work, reports) if reports and not scored.reason else Result()
        with _writable(folder):
            _keep_traces(
                folder, [*traces, *(result.trace for result in (scored, reported) if result.trace)]
            )
            requests.publish(folder)
    if scored.reason:
        raise _as_error(scored)
    measured = run_folder.read(folder, store.place)
    lost = measured.failed_metrics | work.left_out
    measured.troubles = [f"{name}: {why}" for name, why in lost.items()]
    measured.troubles += [reported.reason] * bool(reported.reason)
    return measured


def _written(work: Work, task: Task) -> Result:
    """Have tables or reports written, without the metrics or reports at which a process was ended."""
    while True:
        left_out = work.left_out
        result = work.ask(replace(task, without=tuple(sorted(left_out.items()))))
        if not result.reason or not set(result.blamed) - left_out.keys():
            return result
        work.leave_out(result)


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """A block that writes into a run folder: where it can't be, that is one line."""
    try:
        yield
    except OSError as error:
        raise BenchError(
            f"{folder} can't be written ({error.strerror or error}): choose another --out; what is "
            "finished stays in "
            "the store"
        ) from error


def _keep_traces(folder: Path, traces: Sequence[str]) -> None:
    if traces:
        write_text(folder / FAILURES, visible(places.text("\n\n".join(traces))))
    else:
        (folder / FAILURES).unlink(missing_ok=True)  # of an earlier try


def _as_error(result: Result) -> BenchError:
    error = BenchError(result.reason)
    error.exit_code = ExitCode(result.mistake or ExitCode.CELLS_FAILED)
    return error


@contextmanager
def _planned(
    request: Request, plugins: Registry, progress: Progress, debug: bool = False
) -> Iterator[tuple[Work, Executor]]:
    """Work whose data are prepared and whose methods and metrics were tried, and the
    executor. Where the executor has limits a process of its own does that, and all that plugins do
    afterwards; it is there until the block ends."""
    store = open_store(request.store)
    check_device(request.device)
    executor = choose_executor(request, plugins)
    metrics = load_metrics(request.metrics, plugins)
    planning.check(request, plugins)
    with ExitStack() as stack:
        stack.enter_context(store.in_use())
        helper = None if debug else executor.helper(request, store)
        if helper:
            stack.callback(helper.end)
            opened = helper.perform(Task("preparing the photographs", kind="open"), progress)
            if opened.reason:
                raise _as_error(replace(opened, mistake=opened.mistake or ExitCode.USAGE))
            helper.checked = opened.looks
            trust(opened.looks)
        made = planning.make(request, plugins, store, Quiet() if helper else progress)
        work = Work(made, store, progress, debug, helper=helper)
        yield _tried(work, metrics), executor


def _tried(work: Work, metrics: Sequence[LoadedMetric]) -> Work:
    """The same work, after every method and every metric was made once."""
    unfit: dict[str, str] = {}
    broken: dict[str, str] = {}
    for cell in work.plan.cells:
        for fit in cell.fit.chain():
            if fit.key not in unfit and fit.key not in broken:
                result = work.ask(Task(f"making {fit.label}", cell.key, fit.key, kind="method"))
                unfit |= {fit.key: result.unfit} if result.unfit else {}
                broken |= {fit.key: result.reason} if result.reason else {}
    for metric in metrics:
        result = work.ask(
            Task(f"making {metric.spec.name}", kind="metric", given=(metric.spec.name,))
        )
        if result.mistake:
            raise _as_error(result)
        if result.reason:
            work.leave_out(replace(result, blamed=(metric.spec.name,)))
    work.plan = work.plan.tried(unfit, broken)
    return work


def check_device(device: str) -> None:
    """BenchError for a device that this machine does not have."""
    kind, _, index = device.partition(":")
    if kind == "cpu" and not index:
        return
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if kind not in available or (index and not index.isdigit()):
        raise BenchError(f"unknown device '{device}' (known: cpu, cuda, cuda:N, mps)")
    if not available[kind]:
        raise BenchError(f"device '{device}' is not available here: use --device cpu")


def _with_home(request: Request) -> Request:
    return replace(request, data_home=data_home(request.data_home))


def choose_executor(request: Request, plugins: Registry) -> Executor:
    """The executor that is asked for, else `$BENCH_EXECUTOR`, else `process`. BenchError where it
    can't keep the limits."""
    limits = [f"--{name}" for name in ("timeout", "memory") if getattr(request, name) is not None]
    choice = notation.parse(request.executor or os.environ.get(EXECUTOR, "").strip() or "process")
    spec: ExecutorSpec = plugins.get("executors", choice.name)
    if limits and not spec.limits:
        raise BenchError(
            f"executor {spec.name} can't stop a method: leave {' and '.join(limits)} out, or "
            "--executor"
        )
    if request.nodes > 1 and not spec.nodes:
        raise BenchError(
            f"--nodes {request.nodes}: executor {spec.name} trains on one machine: take --executor "
            "submitit"
        )
    given = dict(choice.given)
    if request.scheduler:
        if not any(parameter.name == "scheduler" for parameter in spec.parameters):
            raise BenchError(
                f"executor {spec.name} has no scheduler: leave --scheduler out, or take --executor "
                "dask"
            )
        given["scheduler"] = request.scheduler
    executor: Executor = spec.load()(**spec.resolve(given))
    return executor


def _execute(work: Work, executor: Executor, plugins: Registry) -> list[Outcome]:
    def finished(outcome: Outcome) -> None:
        why = f": {outcome.reason}" if outcome.reason else ""
        work.progress.say(f"{outcome.cell.name}: {outcome.status}{why}")
        told = {"cell": outcome.cell.name, "status": outcome.status}
        _notify(plugins, work.progress, "bench_cell_finished", run=work.folder.name, **told)

    return drive(work, work.plan.cells, finished, executor)


def _open_folder(out: Path | str | None, made: Plan) -> Path:
    """The run folder; one that exists must have been made with the same settings."""
    settings = record.settings(made)
    now = datetime.datetime.now(datetime.UTC)
    folder = Path(out) if out else Path("runs") / now.strftime("%Y%m%dT%H%M%S.%fZ")
    marker = folder / "settings.json"
    if marker.is_file():
        before = records.read(marker, dict[str, Any], "choose another --out", keys.SCHEMA)
        differ = sorted(
            k for k in before.keys() | settings.keys() if before.get(k) != settings.get(k)
        )
        if differ:
            raise BenchError(
                f"{folder} holds a run with other settings ({', '.join(differ)}): choose another "
                "--out"
            )
        return folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BenchError(f"{folder} exists and is no run folder: choose another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(marker, settings)
    except OSError as error:
        raise BenchError(
            f"{folder} can't be written ({error.strerror}): choose another --out"
        ) from error
    return folder


def _notify(plugins: Registry, progress: Progress, hook: str, **arguments: Any) -> None:
    """Call an observer hook; an observer's error is shown and never fails the run."""
    try:
        getattr(plugins.manager.hook, hook)(**arguments)
    except Exception as error:  # noqa: BLE001 - an observer is someone else's code
        progress.say(f"an observer of {hook} failed: {type(error).__name__}: {error}")


def main_argv() -> list[str]:
    """The command line, as it is written into the manifest."""
    return ["bench", *sys.argv[1:]]


def dry_run(request: Request, progress: Progress) -> list[dict[str, str]]:
    """What a run would do: one row a step. Photographs are indexed and prepared, nothing is fitted."""
    with _planned(_with_home(request), registry(), progress) as (work, _):
        return list(planning.summary(work.plan, work.store))
