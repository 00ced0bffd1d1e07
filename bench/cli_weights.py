"""`bench weights`: published weights, and fitted methods as folders that go from machine to machine."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli_options import Verbs
from bench.table import echo_table

FOLDER = click.Path(path_type=Path)
WHERE = click.option("--folder", type=FOLDER, help="Where published weights are [$BENCH_WEIGHTS or the cache folder].")


@click.group("weights", cls=Verbs)
def commands() -> None:
    """Fetch published weights; export fitted methods and import them."""


@commands.command("list")
@WHERE
def list_(folder: Path | None) -> None:
    """The published weights that are known, and whether they are here."""
    from bench import pretrained

    place = pretrained.folder(folder)
    echo_table([{"name": known.name, "here": "yes" if (place / known.file).is_file() else "no", "summary": known.summary,
                 "licence": known.licence} for known in pretrained.KNOWN.values()])  # fmt: skip


@commands.command()
@click.argument("name")
@WHERE
@click.option("--url", "urls", multiple=True, help="Where the file is, instead of the known place; repeatable, tried in order.")
@click.option("--digest", default="", help="What the file must have: sha256:... [what its owners publish].")
def fetch(name: str, folder: Path | None, urls: tuple[str, ...], digest: str) -> None:
    """Fetch the published weights NAME, look into them, and record their digest."""
    from bench import pretrained, progress

    place = pretrained.fetch(name, folder, progress.choose(), urls, digest)
    click.echo(f"{name}: {place}")
    click.echo(f"use it: -m '{pretrained.get(name).use.format(path=place)}'")


@commands.command()
@click.argument("name", metavar="NAME|FILE")
@WHERE
def verify(name: str, folder: Path | None) -> None:
    """Look into published weights: the digest, every layer's shape, and the 313 colours of the last one."""
    from bench import pretrained

    echo_table([{"about": key, "": value} for key, value in pretrained.verify(name, folder).items()])
