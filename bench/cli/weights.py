"""`bench weights`: published weights, and fitted methods as folders that go from machine to
machine."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.options import FOLDER, STORE, Verbs, of_a_run, own_store
from bench.text import echo_table, say

WHERE = click.option(
    "--folder",
    type=FOLDER,
    help="Where published weights are [$BENCH_WEIGHTS or the cache folder].",
)


@click.group("weights", cls=Verbs)
def commands() -> None:
    """Fetch published weights; export fitted methods and import them."""


@commands.command("list")
@WHERE
def list_(folder: Path | None) -> None:
    """The published weights that are known, and whether they are here."""
    from bench.fetch import pretrained

    place = pretrained.folder(folder)
    echo_table(
        [
            {
                "name": known.name,
                "here": "yes" if (place / known.file).is_file() else "no",
                "summary": known.summary,
                "licence": known.licence,
            }
            for known in pretrained.known().values()
        ]
    )


@commands.command()
@click.argument("name")
@WHERE
@click.option(
    "--url",
    "urls",
    multiple=True,
    help="Where the file is, instead of the known place; repeatable, tried in order.",
)
@click.option(
    "--digest", default="", help="What the file must have: sha256:... [what its owners publish]."
)
def fetch(name: str, folder: Path | None, urls: tuple[str, ...], digest: str) -> None:
    """Fetch the published weights NAME, look into them, and record their digest."""
    from bench.engine import progress
    from bench.fetch import pretrained

    place = pretrained.fetch(name, folder, progress.choose(), urls, digest)
    say(f"{name}: {place}")
    say(f"use it: {pretrained.get(name).use.format(path=place)}")


@commands.command()
@click.argument("name", metavar="NAME|FILE")
@WHERE
def verify(name: str, folder: Path | None) -> None:
    """Look into published weights: the digest, and what their plugin checks, such as every layer's
    shape."""
    from bench.fetch import pretrained

    echo_table(
        [{"about": key, "": value} for key, value in pretrained.verify(name, folder).items()]
    )


@commands.command()
@click.argument("run", type=FOLDER)
@click.argument("method")
@click.option("--dataset", help="The data set that it was fitted on, where there are several.")
@click.option("--seed", type=int, help="The seed that it was fitted with, where there are several.")
@click.option("--out", type=FOLDER, help="A new folder [METHOD].")
@STORE
def export(
    run: Path,
    method: str,
    dataset: str | None,
    seed: int | None,
    out: Path | None,
    store: Path | str | None,
) -> None:
    """Write METHOD, as RUN fitted it, to one folder: safetensors, and a card that says what it is."""
    from bench.fitted import folders

    place = out or Path("".join(c if c.isalnum() or c in "-." else "-" for c in method).strip("-"))
    say(f"{method}: {folders.export(run, method, place, dataset, seed, own_store(store))}")


@commands.command("import")
@click.argument("folder", type=FOLDER)
@of_a_run("store")
def import_(folder: Path, store: Path | str | None) -> None:
    """Put the exported method in FOLDER into the store: runs on the same photographs take it
    instead of training."""
    from bench.fitted import folders
    from bench.store.opening import open_store

    opened = open_store(store)
    keys = folders.bring_in(folder, opened)
    say(f"{len(keys)} fit(s) in {opened.place}")
