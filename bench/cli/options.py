"""What verbs of the command line share: options that all of them take, those of a run, and times."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import click

from bench.cli.config import UNITS, Config, read, seconds
from bench.contracts.options import flag
from bench.contracts.request import OPTIONS, Request
from bench.plugins import loader
from bench.plugins.selection import Switches, locate

F = TypeVar("F", bound=Callable[..., Any])
FOLDER = click.Path(path_type=Path)


def config() -> Config | None:
    """What `--config` of the running verb reads."""
    found: Config | None = click.get_current_context().meta.get(_CONFIG)
    return found


_CONFIG = "bench.cli.config"


def _choose(
    make: Callable[[Any], Switches],
) -> Callable[[click.Context, click.Parameter, Any], None]:
    """A callback that adds what an option says to what this process loads."""

    def callback(_: click.Context, __: click.Parameter, value: Any) -> None:
        if value:
            loader.use(loader.switches() | make(value))

    return callback


def _read_config(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    if path is not None:
        context.meta[_CONFIG] = found = read(path)
        loader.use(loader.switches() | found.plugins)


SWITCHES = (
    click.Option(
        ["--config"],
        type=click.Path(path_type=Path),
        metavar="FILE",
        expose_value=False,
        callback=_read_config,
        help="A bench.toml: a run, plugins and a gate, described in a file.",
    ),
    click.Option(
        ["--plugin", "plugin_paths"],
        multiple=True,
        metavar="PATH",
        expose_value=False,
        help="Load a plugin from a Python file or folder; repeatable.",
        callback=_choose(lambda paths: Switches(paths=tuple(map(locate, paths)))),
    ),
    click.Option(
        ["--no-plugin", "plugins_off"],
        multiple=True,
        metavar="NAME",
        expose_value=False,
        help="Don't load an installed plugin or distribution; repeatable.",
        callback=_choose(lambda names: Switches(disable=frozenset(names))),
    ),
    click.Option(
        ["--no-plugin-autoload"],
        is_flag=True,
        expose_value=False,
        help="Load no installed plugins but huebench's own.",
        callback=_choose(lambda _: Switches(autoload=False)),
    ),
    click.Option(
        ["--strict-plugins"],
        is_flag=True,
        expose_value=False,
        help="A plugin that does not load is an error.",
        callback=_choose(lambda _: Switches(strict=True)),
    ),
)
"""Every verb takes them, before its name or after it."""


class Verbs(click.Group):
    """Every verb takes the options that say which plugins are loaded, and those of `bench.toml`."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a verb, or a group of verbs."""
        for each in cmd.commands.values() if isinstance(cmd, click.Group) else (cmd,):
            taken = {parameter.name for parameter in each.params}
            each.params += [_hidden(option) for option in SWITCHES if option.name not in taken]
        super().add_command(cmd, name)


def _hidden(option: click.Option) -> click.Option:
    """The same option, shown in `bench --help` only."""
    twin = copy.copy(option)
    twin.hidden = True
    return twin


class Place(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5 only
    """A folder, or a URL that fsspec knows: s3://bucket/store."""

    name = "place"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | str:
        """A URL stays text, whose slashes a path would lose."""
        from bench.store.opening import located

        return located(value)


STORE = click.option(
    "--store",
    type=Place(),
    help="Folder or URL of the run's samples and fits, where it is not your own store: "
    "what a run names is opened when you say so [$BENCH_STORE or the cache folder].",
)
STORES = click.option(
    "--store",
    "stores",
    type=Place(),
    multiple=True,
    help="The same; repeatable, for runs of several stores.",
)


def own_store(given: Path | str | None) -> Path | str | None:
    """The store that is given, else that of a `bench.toml`."""
    found = config()
    return given or (found.run.get("store") if found else None)


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5 only
    """Seconds, or a number with a unit: 90s, 10m, 2h."""

    name = "duration"
    units = UNITS

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The seconds."""
        try:
            return seconds(value, self.units)
        except ValueError as error:
            self.fail(f"'{value}' {error}", param, ctx)


class Age(Duration):
    """A duration that may also be in days or weeks: 30d, 8w."""

    name = "age"
    units = MappingProxyType({**UNITS, "d": 86400, "w": 7 * 86400})


class Size(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5 only
    """Bytes, or a number with a unit: 500M, 20G, 1T."""

    name = "size"
    units = MappingProxyType({"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40})

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The bytes."""
        text = str(value).strip().upper().removesuffix("IB").removesuffix("B")
        number, unit = (text[:-1], self.units[text[-1]]) if text[-1:] in self.units else (text, 1)
        try:
            size = int(float(number) * unit)
        except (ValueError, OverflowError):
            self.fail(f"'{value}' is no size: say 500M, 20G or 1T", param, ctx)
        if size < 0:
            self.fail(f"'{value}' is below 0", param, ctx)
        return size


_TYPES = {
    "whole": click.INT,
    "count": click.INT,
    "seeds": click.INT,
    "number": click.FLOAT,
    "seconds": Duration(),
    "path": FOLDER,
    "paths": FOLDER,
    "place": Place(),
}


def all_of_a_run(verb: F) -> F:
    """All options of a run. What is not given is None, or empty: a `bench.toml` may say it."""
    for name in reversed([*OPTIONS]):
        if name == "seeds":
            verb = _COUNT(verb)
        verb = _option(name)(verb)
    return verb


def of_a_run(name: str, parameter: str = "") -> Callable[[F], F]:
    """An option of a run for another verb, whose parameter may have another name. What is not given
    is what a `Request` says."""
    return _option(name, parameter, default=getattr(Request, name, None))


def _option(name: str, parameter: str = "", **more: Any) -> Callable[[F], F]:
    declared = OPTIONS[name]
    return click.option(
        *(declared.flags or (flag(name),)),
        parameter or name,
        type=click.Choice(declared.choices) if declared.choices else _TYPES.get(declared.kind),
        multiple=declared.kind in ("texts", "plugins", "seeds", "paths"),
        is_flag=declared.kind == "truth" or None,  # False would let the value be left out
        metavar=declared.metavar,
        help=declared.help,
        **more,
    )


_COUNT = click.option(
    "--seeds", "count", type=click.IntRange(min=1), help="Train with so many seeds: 0, 1, ..."
)
