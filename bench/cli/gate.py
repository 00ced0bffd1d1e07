"""`bench gate` and `bench baseline`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.cli.options import STORE, Verbs, config, own_store
from bench.errors import BenchError, ExitCode
from bench.text import say

if TYPE_CHECKING:
    from bench.gate.margins import Settings
    from bench.gate.verdict import Gate

FILE = click.Path(path_type=Path)
METRICS_HELP = (
    "Comma-separated, NAME or NAME:VARIANT [those with a headline or main variant, by it]."
)


@click.command()
@click.argument("runs", type=FILE, metavar="RUN", nargs=-1, required=True)
@click.option(
    "--baseline",
    "baseline_file",
    type=FILE,
    help="What to hold the run against (`bench baseline write`).",
)
@click.option(
    "--margins",
    type=FILE,
    metavar="FILE",
    help="A gate.toml: how much worse what may be [margin 0].",
)
@click.option(
    "--inconclusive",
    type=click.Choice(["warn", "fail"]),
    help="What an inconclusive quantity does [warn].",
)
@click.option(
    "--markdown", type=FILE, metavar="FILE", help="Write the verdicts for a pull request."
)
@click.option("--junit", type=FILE, metavar="FILE", help="Write them as JUnit XML.")
@click.option("--json", "json_file", type=FILE, metavar="FILE", help="Write them as JSON.")
@click.option(
    "--github/--no-github",
    default=None,
    help="Print GitHub annotations [where $GITHUB_ACTIONS is true].",
)
@click.option(
    "--suggest",
    is_flag=True,
    help="Print margins at the noise floor of the RUNs' training seeds, and stop.",
)
@click.option("--metrics", multiple=True, help=f"For --suggest. {METRICS_HELP}")
@STORE
def gate(
    runs: tuple[Path, ...],
    suggest: bool,
    metrics: tuple[str, ...],
    baseline_file: Path | None,
    margins: Path | None,
    **wanted: Any,
) -> None:
    """Hold RUN against a baseline: exit status 1 where it is shown to be worse by more than a
    margin.

    Also: 0 ok; 3 nothing to gate; 4 not comparable; 5 inconclusive, with --inconclusive fail.
    """
    from bench.gate import baseline, noise_floor
    from bench.gate import verdict as gating
    from bench.plugins.loader import registry
    from bench.results import run_folder

    if suggest:
        read = [run_folder.read(run, own_store(wanted["store"])) for run in runs]
        say(*noise_floor.suggest(read, metrics, registry()).split("\n"))
        return
    if len(runs) > 1 or metrics:
        raise BenchError(
            "bench gate takes one run, and the metrics of its baseline: several, and --metrics, "
            "are for --suggest"
        )
    settings = _settings(margins)
    path = baseline_file or (Path(settings.baseline) if settings.baseline else None)
    if path is None:
        raise BenchError(
            "bench gate needs --baseline FILE: `bench baseline write RUN FILE` makes one"
        )
    choice, run = wanted["inconclusive"], run_folder.read(runs[0], own_store(wanted["store"]))
    found = gating.judge(
        run, baseline.read(path), settings, registry(), choice and choice == "fail"
    )
    _finish(found, wanted)


@click.group("baseline", cls=Verbs)
def baselines() -> None:
    """Baselines of the gate."""


@baselines.command("write")
@click.argument("run", type=FILE, metavar="RUN")
@click.argument("file", type=FILE, metavar="FILE")
@click.option("--metrics", multiple=True, help=METRICS_HELP)
@click.option(
    "--floor",
    "floor_of",
    type=FILE,
    multiple=True,
    metavar="RUN",
    help="A run of other seeds: for the noise floor.",
)
@click.option(
    "--force", is_flag=True, help="Also of a run in which something failed: without that."
)
@STORE
def write(
    run: Path,
    file: Path,
    metrics: tuple[str, ...],
    floor_of: tuple[Path, ...],
    force: bool,
    store: Path | str | None,
) -> None:
    """Write what RUN measured into FILE, to be committed."""
    from bench.gate import baseline
    from bench.plugins.loader import registry
    from bench.results import run_folder

    read, *others = [run_folder.read(one, own_store(store)) for one in (run, *floor_of)]
    made = baseline.make(read, file, metrics, registry(), force=force, floor_of=others)
    baseline.write(made)
    for text in made.left_out:
        say(f"not gated: {text}", err=True)
    say(
        f"baseline: {file} ({len(made.quantities)} quantities, {file.stat().st_size / 1000:.0f} kB)"
    )


def _settings(margins: Path | None) -> Settings:
    """Those of --margins, else of `[gate]` in a bench.toml."""
    from bench.gate import margins as limits

    found = config()
    of_config = limits.parse(found.gate, f"{found.path} [gate]") if found else limits.Settings()
    return limits.read(margins).over(of_config) if margins else of_config


def _finish(found: Gate, wanted: dict[str, Any]) -> None:
    """Print and write everything that is wanted, then exit with the gate's status."""
    from bench.gate import ci, output
    from bench.store.files import write_for_user

    if found.refusals:
        say(f"bench: {found.summary}", err=True)
    else:
        say(*output.table(found).split("\n"))
    if wanted["markdown"]:
        write_for_user(wanted["markdown"], output.markdown(found))
    if wanted["junit"]:
        write_for_user(wanted["junit"], ci.junit(found))
    if wanted["json_file"]:
        output.write_json(wanted["json_file"], found)
    if ci.in_github() if wanted["github"] is None else wanted["github"]:
        say(*ci.github(found))
    ci.step_summary(found)
    if found.code != ExitCode.OK:
        sys.exit(found.code)
