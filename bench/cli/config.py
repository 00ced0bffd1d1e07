"""`bench.toml`: a run described in a file. Its names are those of the command line, and what the
command line says wins::

    [run]
    methods = ["mdn[components=4]", { name = "cvae", draws = [64, 256] }]
    datasets = ["church"]
    seeds = [0, 1, 2]

    [plugins]
    paths = ["halo.py"]

    [gate]
    baseline = "baselines/church.json"

Paths count from the working folder, as on the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.errors import BenchError, unknown
from bench.gate import margins
from bench.plugins import notation
from bench.plugins.selection import Switches, locate

PRESETS = ("paper", "small", "tiny")
"""Sizes of networks that the command line takes."""
COPIES = ("drop", "keep", "fail")
"""What may become of photographs to train with that are in the test part, too
(`bench.data.duplicates`)."""


@dataclass(frozen=True)
class Config:
    """run: options of `bench run` by their names as parameters. gate: what `[gate]` says
    (`bench.gate.margins`)."""

    path: Path
    run: Mapping[str, Any] = field(default_factory=dict)
    plugins: Switches = field(default_factory=Switches)
    gate: Mapping[str, Any] = field(default_factory=dict)


def read(path: Path) -> Config:
    """A `bench.toml`. BenchError for what it can't be, with the nearest name for an unknown key."""
    from bench.store import records  # light verbs don't need it

    table = records.read_toml(path, "give the path of a bench.toml")
    sections = _known(table, dict.fromkeys(("run", "plugins", "gate"), _table), str(path))
    margins.parse(sections.get("gate", {}), f"{path} [gate]")
    run = _known(sections.get("run", {}), RUN, f"{path} [run]")
    return Config(
        path,
        {key.replace("-", "_"): value for key, value in run.items()},
        _switches(sections.get("plugins", {}), f"{path} [plugins]"),
        sections.get("gate", {}),
    )


def _known(
    table: Mapping[str, Any], kinds: Mapping[str, Callable[[Any], Any]], where: str
) -> dict[str, Any]:
    """A table whose keys are known and whose values are what they should be."""
    made = {}
    for key, value in table.items():
        if key not in kinds:
            raise BenchError(f"{where}: {unknown('key', key, kinds)}")
        try:
            made[key] = kinds[key](value)
        except (TypeError, ValueError) as error:
            raise BenchError(f"{where}: {key} = {value!r} {error}") from None
    return made


def _switches(table: Mapping[str, Any], where: str) -> Switches:
    given = _known(
        table, {"paths": _texts, "disable": _texts, "autoload": _truth, "strict": _truth}, where
    )
    return Switches(
        tuple(map(locate, given.get("paths", ()))),
        frozenset(given.get("disable", ())),
        given.get("autoload", True),
        given.get("strict", False),
    )


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("is no table: write it as [section]")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("is no text: put it in quotes")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(_text, value if isinstance(value, list) else [value]))


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("is neither true nor false")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**63:
        raise TypeError("is no whole number")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e100:
        raise TypeError("is no number above 0")
    return float(value)


def _duration(value: Any) -> float:
    import click

    from bench.cli.options import Duration

    try:
        return Duration().convert(value, None, None)
    except click.UsageError:
        raise ValueError('is no duration: say "90s", "10m" or "2h"') from None


def _seeds(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("is no list of seeds: say [0, 1, 2] for three trainings, [3] for seed 3")
    return tuple(map(_whole, value))


def _path(value: Any) -> Path:
    return Path(_text(value))


def _paths(value: Any) -> tuple[Path, ...]:
    return tuple(map(Path, _texts(value)))


def _place(value: Any) -> Path | str:
    from bench.store.opening import located

    return located(_text(value))


def _preset(value: Any) -> str:
    if value not in PRESETS:
        raise ValueError(f"is not one of {', '.join(PRESETS)}")
    return str(value)


def _copies(value: Any) -> str:
    if value not in COPIES:
        raise ValueError(f"is not one of {', '.join(COPIES)}")
    return str(value)


def _choices(value: Any) -> tuple[str, ...]:
    """Method or metric strings; a table has the name and the parameters, and a list among these is
    a grid."""
    return tuple(_choice(one) for one in (value if isinstance(value, list) else [value]))


def _choice(value: Any) -> str:
    if not isinstance(value, dict):
        return _text(value)
    if not isinstance(value.get("name"), str):
        raise TypeError('needs a name: { name = "mdn", components = 4 }')
    return notation.write(
        value["name"], {key: _parameter(given) for key, given in value.items() if key != "name"}
    )


def _parameter(value: Any) -> str | list[Any]:
    if isinstance(value, list):
        return list(map(_parameter, value))
    return (
        str(value).lower()
        if isinstance(value, bool)
        else _choice(value)
        if isinstance(value, dict)
        else str(value)
    )


RUN: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "methods": _choices,
        "datasets": _texts,
        "protocol": _text,
        "preset": _preset,
        "k": _whole,
        "draws": _whole,
        "seeds": _seeds,
        "limit-train": _whole,
        "limit-test": _whole,
        "metrics": _choices,
        "out": _path,
        "store": _place,
        "data-home": _path,
        "splits": _paths,
        "duplicates": _copies,
        "near-duplicates": _whole,
        "device": _text,
        "strict": _truth,
        "executor": _text,
        "figures": _texts,
        "timeout": _duration,
        "memory": _number,
        "scheduler": _text,
        "threads": _whole,
        "precision": _text,
        "devices": _whole,
        "nodes": _whole,
        "strategy": _text,
        "cache-budget": _number,
    }
)
"""Keys of `[run]` and what turns their values into what `bench run` takes."""
