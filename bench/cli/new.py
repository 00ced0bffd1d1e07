"""`bench new`."""

from __future__ import annotations

from pathlib import Path

import click

from bench.plugins import scaffold
from bench.text import say


@click.command()
@click.argument("kind", type=click.Choice(list(scaffold.KINDS)))
@click.argument("name")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the package [huebench-NAME]."
)
@click.option(
    "--licence",
    type=click.Choice(scaffold.LICENCES),
    default=scaffold.LICENCES[0],
    show_default=True,
    help="Its licence; for another, see the package's README.",
)
@click.option("--network", is_flag=True, help="A method that trains a network.")
def new(kind: str, name: str, out: Path | None, licence: str, network: bool) -> None:
    """Write a package with a working, tested plugin, to be changed into your own."""
    from bench.plugins.loader import registry

    package = scaffold.Package(kind, name, licence, network)
    folder = scaffold.create(package, registry(), out)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        say(f"  {path.relative_to(folder)}")
    say(f"{kind} '{name}' is in {folder}. Next:")
    say(f'  cd {folder} && pip install -e ".[dev]" && pytest')
