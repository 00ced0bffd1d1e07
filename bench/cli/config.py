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
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.contracts.options import Kind, Option, flag
from bench.contracts.request import OPTIONS
from bench.errors import BenchError, unknown
from bench.gate import margins
from bench.plugins import notation
from bench.plugins.selection import Switches, locate

UNITS = MappingProxyType({"s": 1, "m": 60, "h": 3600})
"""Of durations, in seconds."""


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
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("is no number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError("is too large") from None


def seconds(value: Any, units: Mapping[str, float] = UNITS) -> float:
    """A duration: seconds, or a number with a unit. ValueError for what is none.

    >>> seconds("10m"), seconds(90)
    (600.0, 90.0)
    """
    text = str(value).strip()
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        found = float(number) * units[unit]
    except ValueError:
        raise ValueError('is no duration: say "90s", "10m" or "2h"') from None
    if not 0 < found < float("inf"):
        raise ValueError("is no duration above 0")
    return found


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


_READERS: Mapping[Kind, Callable[[Any], Any]] = MappingProxyType(
    {
        "text": _text,
        "texts": _texts,
        "plugins": _choices,
        "whole": _whole,
        "count": _whole,
        "seeds": _seeds,
        "number": _number,
        "seconds": seconds,
        "truth": _truth,
        "path": _path,
        "paths": _paths,
        "place": _place,
    }
)


def _value(option: Option, value: Any) -> Any:
    made = _READERS[option.kind](value)
    if fault := option.fault(made):
        raise ValueError(fault)
    return made


RUN: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {flag(name)[2:]: partial(_value, option) for name, option in OPTIONS.items()}
)
"""Keys of `[run]` and what turns their values into what `bench run` takes."""
