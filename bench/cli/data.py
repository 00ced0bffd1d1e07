"""`bench data`: which data sets there are, fetching them, and what is in them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from bench.cli.options import FOLDER, Verbs, of_a_run
from bench.errors import ExitCode
from bench.text import echo_table, say, say_json

HOME, STORE, PROTOCOL = of_a_run("data_home", "home"), of_a_run("store"), of_a_run("protocol")
JSON = click.option("--json", "as_json", is_flag=True, help="Machine-readable.")


@click.group("data", cls=Verbs)
def commands() -> None:
    """Fetch data sets and look at them."""


@commands.command("list")
@HOME
@JSON
def list_(home: Path | None, as_json: bool) -> None:
    """All data sets, whether they are here, how large they are, and under what terms."""
    from bench.fetch import data_home

    rows = data_home.overview(home)
    say_json(rows) if as_json else echo_table(rows)


@commands.command()
@click.argument("name")
@HOME
@JSON
def info(name: str, home: Path | None, as_json: bool) -> None:
    """What is known of NAME: size, licence, citation, and the steps to get it."""
    from bench.fetch import data_home

    found = data_home.info(name, home)
    say_json(found) if as_json else echo_table([{"about": k, "": v} for k, v in found.items()])


@commands.command()
@click.argument("name", required=False)
@HOME
def where(name: str | None, home: Path | None) -> None:
    """The data home, or where in it NAME lies."""
    from bench.fetch import data_home

    say(data_home.where(name, home))


@commands.command()
@click.argument("name")
@HOME
@click.option(
    "--url",
    "urls",
    multiple=True,
    help="Where its file is, instead of the known mirrors; repeatable, tried in order.",
)
@click.option("--file", type=FOLDER, help="Its file, which you have already.")
@click.option(
    "--digest",
    default="",
    help="What the file must have: md5:..., sha256:... [the published one, of known mirrors].",
)
def fetch(
    name: str, home: Path | None, urls: tuple[str, ...], file: Path | None, digest: str
) -> None:
    """Bring NAME into the data home. A fetch that was cut off goes on where it was."""
    from bench.engine import progress
    from bench.errors import BenchError
    from bench.fetch import data_home

    if urls and file:
        raise BenchError("--url and --file exclude one another: give one")
    place = data_home.fetch(name, home, progress.choose(), urls, digest, file)
    say(f"{name}: {place}")


@commands.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@HOME
@STORE
@PROTOCOL
@of_a_run("splits")
@of_a_run("limit_train")
@of_a_run("limit_test")
@of_a_run("duplicates")
@of_a_run("near_duplicates")
@of_a_run("strict")
def prepare(names: tuple[str, ...], home: Path | None, **choices: Any) -> None:
    """Prepare the photographs of NAME (or a folder) for runs: read, crop, convert, and keep them in
    the store."""
    from bench.contracts.request import Request
    from bench.engine import progress, runner
    from bench.fetch import data_home

    request = Request(datasets=names, data_home=runner.data_home(home), **choices)
    echo_table(data_home.prepared(request, progress.choose()))


@commands.command()
@click.argument("name")
@HOME
@STORE
def check(name: str, home: Path | None, store: Path | str | None) -> None:
    """Count the photographs of NAME and compare its file with its digests; the exit status is 1
    where something differs."""
    from bench.engine import progress
    from bench.fetch import data_home

    rows, wrong = data_home.check(name, progress.choose(), home, store)
    echo_table(rows)
    for line in wrong:
        say(f"bench: {name}: {line}", err=True)
    if wrong:
        sys.exit(ExitCode.REGRESSION)


@commands.command()
@click.argument("name")
@HOME
@STORE
@PROTOCOL
@click.option("--out", type=FOLDER, help="Where to [NAME-split.json].")
def split(
    name: str, home: Path | None, store: Path | str | None, protocol: str, out: Path | None
) -> None:
    """Write the ids of both parts of NAME (or a folder), in the order that runs use, with their
    digests: for `--split`."""
    from bench.contracts.request import Request
    from bench.engine import progress, runner
    from bench.fetch import data_home

    request = Request(
        datasets=(name,), data_home=runner.data_home(home), store=store, protocol=protocol
    )
    made, place = data_home.write_split(request, out, progress.choose())
    left_out = f"{len(made['left_out']):,} left out, " if made["left_out"] else ""
    say(
        f"{len(made['train']):,} to train, {len(made['test']):,} to test, {left_out}digest "
        f"{made['digest']}: {place}"
    )


@commands.command()
@click.argument("name")
@HOME
@STORE
@PROTOCOL
@click.option("--limit", type=int, help="Use only so many photographs.")
@JSON
def stats(name: str, home: Path | None, as_json: bool, **options: Any) -> None:
    """Statistics of all colour fields of NAME (or a folder), beside the authors' where they are
    known."""
    from bench.cli import data_stats
    from bench.engine import progress

    rows = data_stats.statistics(name, progress=progress.choose(), data_home=home, **options)
    say_json(rows) if as_json else echo_table(rows)
