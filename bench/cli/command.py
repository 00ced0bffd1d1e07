"""The command `bench`: every verb is thin and calls one library function."""

from __future__ import annotations

import signal
import sys
import textwrap
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from bench.cli import data, weights
from bench.cli import plugins as cli_plugins
from bench.cli import store as cli_store
from bench.cli.check import check
from bench.cli.colorize import colorize
from bench.cli.export import check_outputs, export_inputs
from bench.cli.gate import baselines, gate
from bench.cli.new import new
from bench.cli.options import (
    FOLDER,
    STORE,
    STORES,
    SWITCHES,
    Verbs,
    all_of_a_run,
    config,
    of_a_run,
    own_store,
)
from bench.errors import BenchError, ExitCode, unknown
from bench.plugins.loader import KINDS, registry, use
from bench.specs import CLAIMED
from bench.text import echo_table, one_line, prepare_streams, say, say_json


@click.group(
    cls=Verbs, params=list(SWITCHES), context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="huebench", prog_name="bench")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """Compare methods that give several colourizations of one grey photograph.

    Options of plugins are taken by every verb, also behind its name.
    """
    context.obj = debug


@cli.command()
@all_of_a_run
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.pass_obj
def run(debug: bool, /, dry_run: bool, **options: Any) -> None:
    """Fit methods, sample and score them, and write tables, plots and pictures. With no options:
    the demo.

    With --config FILE: what a bench.toml describes; options that are given win.
    """
    from bench.engine import progress, runner

    asked = _asked(options)
    out, figures = asked.pop("out", None), asked.pop("figures", ())
    request = _request(asked)
    cli_plugins.warn_of_broken()
    show = progress.choose()
    if dry_run:
        echo_table(runner.dry_run(request, show))
        return
    result = runner.run(
        request, out=out, progress=show, debug=debug, argv=runner.main_argv(), figures=figures
    )
    _finish(result)


@cli.command()
@click.argument("folder", type=FOLDER, metavar="RUN")
@click.option(
    "--metrics", multiple=True, help="Comma-separated [all]; the scores of others are kept."
)
@STORE
def score(folder: Path, metrics: tuple[str, ...], store: Path | str | None) -> None:
    """Score the stored samples of a run again; nothing is sampled."""
    from bench.engine import progress, runner

    _finish(runner.rescore(folder, metrics, progress.choose(), own_store(store)))


@cli.command()
@click.argument("runs", type=FOLDER, metavar="RUN...", nargs=-1, required=True)
@click.option(
    "--out", type=FOLDER, help="Folder of the report [the run's own; `report` for several]."
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    help="Of tables, comma-separated: md, csv, latex, html (and the page) [all].",
)
@of_a_run("figures")
@click.option("--reports", multiple=True, help="Comma-separated report names [all].")
@click.option(
    "--image",
    "images",
    multiple=True,
    help="Id of a test photograph for grids of pictures; repeatable [the first].",
)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Photographs in a grid of pictures.",
)
@STORES
def report(
    runs: tuple[Path, ...],
    out: Path | None,
    reports: tuple[str, ...],
    stores: tuple[Path | str, ...],
    **wanted: Any,
) -> None:
    """Write the tables, figures and the page of one or several runs."""
    from bench import output
    from bench.engine import progress
    from bench.plugins import notation
    from bench.results import report as reporting
    from bench.results import run_folder

    read = [run_folder.read(r, run_folder.choose(r, stores) or own_store(None)) for r in runs]
    folder = out or (runs[0] if len(runs) == 1 else Path("report"))
    made = output.request(folder, **wanted)
    names = notation.split(",".join(reports)) if reports else ()
    reporting.write(read, made, registry(), progress.choose(), names)
    say(f"report: {made.entrance}")


@cli.command()
@click.argument("first", type=FOLDER, metavar="RUN_A")
@click.argument("second", type=FOLDER, metavar="RUN_B")
@click.option("--out", type=FOLDER, help="Folder of the comparison [compare-<A>-<B>].")
@click.option("--metrics", multiple=True, help="Comma-separated [all].")
@click.option(
    "--format",
    "formats",
    multiple=True,
    help="Comma-separated: md, csv, html, latex [md,csv,html].",
)
@click.option(
    "--changed",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="Photographs that changed most.",
)
@STORES
def compare(
    first: Path,
    second: Path,
    out: Path | None,
    metrics: tuple[str, ...],
    stores: tuple[Path | str, ...],
    formats: tuple[str, ...],
    changed: int,
) -> None:
    """Compare RUN_B with RUN_A, photograph by photograph: what got better, what got worse, what
    only one has."""
    from bench import output
    from bench.plugins import notation
    from bench.results import compare as comparing
    from bench.results import report as reporting
    from bench.results import run_folder

    names = notation.split(",".join(metrics)) if metrics else ()
    runs = [
        run_folder.read(run, run_folder.choose(run, stores) or own_store(None))
        for run in (first, second)
    ]
    found = comparing.compare(runs[0], runs[1], names)
    made = output.request(
        out or reporting.default_folder(first, second),
        formats=formats or ("md,csv,html",),
        count=changed,
    )
    paths = reporting.write_comparison(found, made, registry())
    echo_table(comparing.table(comparing.headline(found, registry())))
    for remark in found.remarks:
        say(f"remark: {remark}")
    if found.omissions:
        say(f"not compared, for reasons that the comparison lists: {len(found.omissions)}")
    say(
        "comparison: "
        f"{next((p for s in ('.html', '.md', '.csv') for p in paths if p.suffix == s), made.folder)}"
    )


@cli.command("list")
@click.argument("kind", required=False, type=click.Choice(list(KINDS)))
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def list_(kind: str | None, as_json: bool) -> None:
    """Show what is installed. Plugins that did not load are named at the end."""
    plugins = registry()
    kinds = [kind] if kind else list(KINDS)
    rows = [
        {
            "kind": k.removesuffix("s"),
            "name": name,
            "summary": spec.summary,
            "version": spec.version,
            "distribution": plugins.owner(k, name).distribution,
        }
        for k in kinds
        for name, spec in sorted(plugins.specs[k].items())
    ]
    if as_json:
        say_json(rows)
    else:
        echo_table([{k: r[k] for k in ("kind", "name", "summary")} for r in rows])
    cli_plugins.warn_of_broken()


@cli.command()
@click.argument("name")
def show(name: str) -> None:
    """Show a plugin: parameters, defaults, docs and source; for a metric also its formula and how
    it can be gamed."""
    from bench.plugins import describe

    plugins = registry()
    found = [(kind, specs[name]) for kind, specs in plugins.specs.items() if name in specs]
    if not found:
        raise unknown("plugin", name, [n for specs in plugins.specs.values() for n in specs])
    for kind, spec in found:
        owner = plugins.owner(kind, name)
        say(
            f"{name} ({kind.removesuffix('s')}, version {spec.version}, {owner.distribution} "
            f"{owner.version})"
        )
        documentation = f"factory: {describe.factory(spec)}\ndocumentation:\n{textwrap.indent(describe.documentation(spec), '  ')}"
        say(*textwrap.indent(f"{describe.describe(spec)}\n{documentation}", "  ").split("\n"))


@cli.command()
def env() -> None:
    """Show what results depend on here: versions, machine, folders."""
    from bench.engine import runner
    from bench.machine.environment import environment
    from bench.store import opening

    folders = {"store": str(opening.default_place()), "data home": str(runner.data_home(None))}
    say_json(environment() | folders)


for _command in (
    check,
    colorize,
    export_inputs,
    check_outputs,
    new,
    gate,
    baselines,
    data.commands,
    cli_plugins.commands,
    cli_store.commands,
    weights.commands,
):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; an error is one line on standard error and an exit status
    (`bench.errors.ExitCode`)."""
    prepare_streams()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    use(None)
    try:
        with _interrupted_by_signals():
            cli.main(
                args=[*(["--debug"] if debug else []), *arguments],
                prog_name="bench",
                standalone_mode=False,
            )
    except (click.exceptions.Abort, KeyboardInterrupt):
        _stop("interrupted; finished work is kept: the same command goes on", ExitCode.INTERRUPTED)
    except click.ClickException as error:
        _stop(error.format_message(), ExitCode.USAGE)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except BenchError as error:
        if debug:
            raise
        _stop(str(error), error.exit_code)
    except BrokenPipeError:
        sys.exit(ExitCode.OK)


@contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """A block in which SIGTERM and SIGHUP, by which a CI ends a command, or a terminal that is
    closed, interrupt as Ctrl-C does."""
    kept = {
        number: signal.getsignal(number)
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
    }
    heard = [
        number for number, before in kept.items() if before is signal.SIG_DFL
    ]  # nohup ignores SIGHUP

    def interrupt(*_: Any) -> None:
        for number in heard:
            signal.signal(number, signal.SIG_IGN)  # another one does not disturb what tidies up
        raise KeyboardInterrupt

    here = threading.current_thread() is threading.main_thread()
    for number in heard if here else ():
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in heard if here else ():
            signal.signal(number, kept[number])


def _stop(message: str, code: ExitCode) -> None:
    say(f"bench: {one_line(message)}", err=True)
    sys.exit(code)


def _asked(options: dict[str, Any]) -> dict[str, Any]:
    """What the command line gives, and what it leaves to a `bench.toml`."""
    given = {
        name: value
        for name, value in options.items()
        if not (value is None or value is False or value == ())
    }
    if count := given.pop("count", None):
        if "seeds" in given:
            raise BenchError("--seed and --seeds exclude one another: give the seeds, or how many")
        given["seeds"] = tuple(range(count))
    return dict(found.run if (found := config()) else {}) | given


def _request(options: dict[str, Any]) -> Any:
    from bench.contracts.request import Request

    if not options.get("datasets") and "preset" not in options:
        options["preset"] = "tiny"  # the demo is to be quick
    return Request(**options)


def _finish(result: Any) -> None:
    from bench.engine.runner import FAILURES, headline

    echo_table(headline(result))
    say("fair scores are of independent draws, the others of what a method presents", err=True)
    failed = [c for c in result.cells if c.status != "done"]
    for cell in failed:
        say(f"bench: {cell.method} on {cell.dataset} {cell.status}: {cell.reason}", err=True)
    for trouble in result.troubles:
        say(f"bench: {trouble}", err=True)
    if (failed or result.troubles) and (result.folder / FAILURES).is_file():
        say(f"bench: tracebacks are in {result.folder / FAILURES}", err=True)
    if result.claimed:
        say(f"remark: {', '.join(result.claimed)}: {CLAIMED}")
    say(f"report: {result.folder / 'report' / 'index.html'} (or report.md)")
    if failed or result.troubles:
        sys.exit(ExitCode.CELLS_FAILED)
