"""`bench store`: what is kept, pruning it, and checking it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bench.cli.options import Age, Place, Size, Verbs
from bench.errors import ExitCode
from bench.text import echo_table, say, say_json

FOLDER = click.option(
    "--store", type=Place(), help="Which store [$BENCH_STORE or the cache folder]."
)
KIND = click.option(
    "--kind",
    multiple=True,
    help="Only fits, samples, scores, features, prepared, indexes, duplicates or work; repeatable.",
)


@click.group("store", cls=Verbs)
def commands() -> None:
    """Look at finished work, prune it, check it."""


@commands.command()
@FOLDER
@KIND
@click.option(
    "--by",
    type=click.Choice(["size", "age"]),
    default="size",
    show_default=True,
    help="What comes first.",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def ls(store: Path | str | None, kind: tuple[str, ...], by: str, as_json: bool) -> None:
    """What is kept: kind, key, what it is, size, and when it was last used. The largest, or oldest,
    first."""
    from bench.store import maintenance

    things = maintenance.things(maintenance.opened(store), kind)
    ordered = sorted(things, key=lambda t: (-t.bytes, t.key) if by == "size" else (t.used, t.key))
    rows = [thing.row() for thing in ordered]
    if as_json:
        say_json(rows)
    else:
        echo_table(
            [{name: row[name] for name in ("kind", "key", "what", "size", "used")} for row in rows]
        )
        say(f"{len(rows)} things, {maintenance.written(sum(t.bytes for t in things))}")


@commands.command()
@FOLDER
@KIND
@click.option(
    "--older-than", type=Age(), metavar="AGE", help="What was not used for so long: 12h, 30d, 8w."
)
@click.option(
    "--keep",
    type=Size(),
    metavar="SIZE",
    help="The longest unused, until no more than so much is left: 500M, 20G.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go.")
def gc(
    store: Path | str | None,
    kind: tuple[str, ...],
    older_than: float | None,
    keep: int | None,
    dry_run: bool,
) -> None:
    """Remove left-overs of processes that are gone and, if asked, what was not used for long or is
    too much.

    What is removed is made again when a run needs it. What a process builds now stays.
    """
    from bench.store import maintenance

    for removed in maintenance.prune(maintenance.opened(store), kind, older_than, keep, dry_run):
        say(removed)


@commands.command()
@FOLDER
@KIND
@click.option("--delete", is_flag=True, help="Remove what is damaged.")
@click.option(
    "--migrate",
    is_flag=True,
    help="Take over whole things of an older huebench, whose marks had no digest.",
)
def verify(store: Path | str | None, kind: tuple[str, ...], delete: bool, migrate: bool) -> None:
    """Read everything and compare it with its digests; the exit status is 1 where something is
    damaged.

    Marks of an older huebench have no digest of themselves: what they say can't be checked, so these things are not used. With
    --migrate they are believed, where their files are what they say.
    """
    from bench.store import maintenance

    opened, damaged, aged, count = maintenance.opened(store), 0, 0, 0
    for thing, wrong, old in maintenance.verify(opened, kind):
        count += 1
        if old:
            aged += 1
            if migrate:
                maintenance.migrate(opened, thing)
        elif wrong:
            damaged += 1
            say(f"damaged: {thing.kind} {thing.key[:12]} ({thing.what}): {wrong}")
            if delete:
                maintenance.remove(thing)
    if aged:
        say(
            f"{aged} of an older huebench "
            f"{'taken over' if migrate else 'not used: --migrate takes them over'}"
        )
    say(f"{count} things, {damaged} damaged{' and removed' if delete and damaged else ''}")
    if damaged:
        sys.exit(ExitCode.REGRESSION)
