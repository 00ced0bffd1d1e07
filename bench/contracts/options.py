"""How an option of a run is declared: once, for Python, the command line, `bench.toml` and the
docs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = (
    Literal["text", "texts", "plugins", "whole", "count", "seeds"]
    | Literal["number", "seconds", "truth", "path", "paths", "place"]
)
TAKES: Mapping[Kind, str] = {
    "text": "text",
    "texts": "texts",
    "plugins": "texts or tables",
    "whole": "a whole number",
    "count": "a whole number from 1 on",
    "seeds": "whole numbers",
    "number": "a number",
    "seconds": "seconds, or text",
    "truth": "true or false",
    "path": "a path",
    "paths": "paths",
    "place": "a folder or a URL",
}
"""What a `bench.toml` gives for each kind."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option of a run.

    flags: on the command line, where it is not `--name`. choices: all that there are; of an `open`
    one plugins may know more, which Python takes. minimum, maximum: of a number, which is above 0
    without them. settings: what a run folder's settings hold of it: its `value`, its value where it
    is `changed`, what it `means` (the digest of a data set, for example), or nothing, because
    results don't depend on it.
    """

    help: str
    kind: Kind = "text"
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    open: bool = False
    minimum: float | None = None
    maximum: float | None = None
    settings: Literal["", "value", "changed", "means"] = ""

    def fault(self, value: Any) -> str:
        """What is wrong with a value, for the end of a sentence; empty: nothing."""
        if self.choices and value not in self.choices:
            return f"is not one of {', '.join(self.choices)}"
        if self.kind == "count" and value < 1:
            return "is below 1"
        if self.minimum is not None and self.maximum is not None:
            low, high = self.minimum, self.maximum
            return "" if low <= value <= high else f"is not in {low:g} to {high:g}"
        above = self.kind not in ("number", "seconds") or 0 < value < 1e100
        return "" if above else "is no number above 0"


def option(default: Any, help: str, kind: Kind = "text", **more: Any) -> Any:
    """A field of a dataclass that is an option (`Option`); `{default}` in its help is the default."""
    shown = f"{default:g}" if isinstance(default, float) else str(default)
    declared = Option(help=help.replace("{default}", shown), kind=kind, **more)
    return dataclasses.field(default=default, metadata={"option": declared})


def declared(of: type) -> dict[str, Option]:
    """The options that a dataclass declares, by the names of its fields."""
    return {each.name: each.metadata["option"] for each in dataclasses.fields(of)}


def flag(name: str) -> str:
    """What an option is called on the command line, if nothing else is declared.

    >>> flag("limit_test")
    '--limit-test'
    """
    return f"--{name.replace('_', '-')}"
