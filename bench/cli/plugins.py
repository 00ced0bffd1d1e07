"""`bench plugins`: what is installed, what each plugin registers, and what is wrong with it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bench.errors import ExitCode
from bench.plugins import loader
from bench.text import echo_table, say, say_json


@click.group("plugins")
def commands() -> None:
    """List plugins, and find out what is wrong with one."""


@commands.command("list")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def list_(as_json: bool) -> None:
    """Show all plugins, without running any of their code."""
    rows = [_row(candidate.plugin) for candidate in loader.candidates(loader.switches())]
    rows.sort(key=lambda row: (row["plugin"], row["distribution"]))
    _print(rows, as_json)


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def doctor(as_json: bool) -> None:
    """Load all plugins, one by one, and show what each registers and why one does not load. Exit
    status 2 where one doesn't."""
    registry = loader.load(loader.candidates(loader.switches()), tolerant=True)
    rows = [
        {
            **_row(plugin),
            "registers": ", ".join(registry.registered(plugin)) or "nothing",
            "error": plugin.error or "",
        }
        for plugin in sorted(
            registry.plugins, key=lambda p: (p.distribution != loader.HOME, p.name)
        )
    ]
    broken = [row for row in rows if row["error"]]
    if as_json:
        _print(rows, as_json)
    else:
        echo_table([{k: v for k, v in row.items() if k != "error"} for row in rows])
        for row in broken:
            say(
                f"{row['plugin']} ({row['distribution']} {row['version']}) did not load: "
                f"{row['error']}"
            )
        for row in rows:
            if row["registers"] == "nothing" and row["state"] == "on":
                say(
                    f"{row['plugin']} ({row['distribution']}) registers nothing: are its hooks "
                    "marked with hookimpl?"
                )
        say(f"{len(rows) - len(broken)} of {len(rows)} plugins are well")
    if broken:
        sys.exit(ExitCode.USAGE)


def warn_of_broken() -> None:
    """One line on standard error for each plugin that did not load."""
    for plugin in loader.registry().plugins:
        if plugin.error:
            say(f"plugin {plugin.name} of {plugin} did not load: {plugin.error}", err=True)


def _row(plugin: loader.Plugin) -> dict[str, str]:
    state = f"off ({plugin.off})" if plugin.off else "failed" if plugin.error else "on"
    return {
        "plugin": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "module": plugin.value,
        "origin": _short(plugin.origin),
        "state": state,
    }


def _short(origin: str) -> str:
    """A path as it is seen from here, where it is below."""
    path = Path(origin)
    return (
        str(path.relative_to(Path.cwd()))
        if path.is_absolute() and path.is_relative_to(Path.cwd())
        else origin
    )


def _print(rows: list[dict[str, str]], as_json: bool) -> None:
    if as_json:
        say_json(rows)
    else:
        echo_table(rows)
