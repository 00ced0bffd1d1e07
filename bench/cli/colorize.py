"""`bench colorize`: a person's own photographs."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bench.cli.options import FOLDER, STORE, of_a_run, own_store
from bench.errors import ExitCode
from bench.text import say

NAMED = 10
"""Of what is left out."""


@click.command()
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...")
@click.option(
    "--method", "-m", help="Which one, as it was run: mdn, 'cvae[draws=64]' [the only one]."
)
@click.option(
    "-k", type=click.IntRange(min=1), default=5, show_default=True, help="Versions of a photograph."
)
@click.option(
    "--weights",
    type=FOLDER,
    help="A run's folder, or what `bench weights export` wrote [the newest run below runs].",
)
@click.option(
    "--dataset", "-d", help="The data set that it was fitted on, where there are several."
)
@click.option("--trained", type=int, help="The seed that it was fitted with [the smallest].")
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Of the colours: another one gives others.",
)
@click.option(
    "--out",
    type=FOLDER,
    default=Path("colorized"),
    show_default=True,
    help="Folder of the results.",
)
@of_a_run("device")
@STORE
def colorize(
    photos: tuple[str, ...],
    method: str | None,
    k: int,
    weights: Path | None,
    dataset: str | None,
    trained: int | None,
    seed: int,
    out: Path,
    device: str,
    store: Path | str | None,
) -> None:
    """Write k colour versions of each PHOTO (a file, a folder of them, or - for standard input),
    and a sheet of all.

    Only the lightness of a photograph is looked at, and it stays as it is. Photographs that fail
    are named at the end; the others are done.
    """
    from bench.engine import progress, runner
    from bench.fitted import colorize as colorizing
    from bench.fitted import folders

    meant, left_out = colorizing.inputs(photos, out)
    runner.check_device(device)
    place, show = weights or colorizing.newest(method), progress.choose()
    stdin = sys.stdin.buffer.read() if any(photo.path is None for photo in meant) else b""
    with folders.opened(place, method, dataset, trained, device, show, own_store(store)) as made:
        show.say(
            f"{made.card.label}, fitted on {made.card.data.name} with seed "
            f"{made.card.seed}, of {place}"
        )
        failed = colorizing.colourize(meant, made, out, k, seed, show, stdin)
    for photo, why in failed:
        say(f"bench: {photo.source}: {why}", err=True)
    for name, why in list(left_out.items())[:NAMED]:
        say(f"bench: left out {name}: {why}", err=True)
    if (more := len(left_out) - NAMED) > 0:
        say(f"bench: left out {more:,} more of the folders", err=True)
    passed = f", {len(left_out):,} left out" if left_out else ""
    say(f"{len(meant) - len(failed)} of {len(meant)} photograph(s){passed}: {out}")
    if failed:
        sys.exit(ExitCode.CELLS_FAILED)
