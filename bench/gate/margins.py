"""How much worse a run may be: `gate.toml`, and `[gate]` of a `bench.toml`::

    inconclusive = "warn"      # or "fail"

    [[margin]]                 # the first one that matches counts
    metric = "fair-*"          # patterns of dataset, method, metric and variant; what is left out is any
    method = "mdn*"
    relative = 0.02            # of the baseline's value; or absolute, in the metric's unit; or skip = true

What no rule matches has margin 0. In patterns `*` is any text and `?` any character; brackets are
brackets.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from bench.errors import BenchError, unknown

PLACES = ("dataset", "method", "metric", "variant")


class Quantity(NamedTuple):
    """What is gated: a metric's variant, of a method on a data set."""

    dataset: str
    method: str
    metric: str
    variant: str

    def __str__(self) -> str:
        return f"{self.metric}:{self.variant} of {self.method} on {self.dataset}"


@dataclass(frozen=True)
class Rule:
    """A margin and what it is for. Exactly one of `absolute`, `relative` and `skip` is given."""

    dataset: str = "*"
    method: str = "*"
    metric: str = "*"
    variant: str = "*"
    absolute: float | None = None
    relative: float | None = None
    skip: bool = False

    def matches(self, quantity: Quantity) -> bool:
        """Whether all patterns match."""
        return all(_matches(getattr(self, place), getattr(quantity, place)) for place in PLACES)

    def __str__(self) -> str:
        return (
            ", ".join(f"{p} = {getattr(self, p)}" for p in PLACES if getattr(self, p) != "*")
            or "any quantity"
        )


@dataclass(frozen=True)
class Margin:
    """How much worse a quantity may be, in its unit; text: as a reader sees it. skip: it is not
    gated."""

    value: float
    text: str
    skip: bool = False


@dataclass(frozen=True)
class Settings:
    """What a `gate.toml` says. inconclusive: empty where it says nothing of it; baseline: a path,
    or empty."""

    rules: tuple[Rule, ...] = ()
    inconclusive: Literal["", "warn", "fail"] = ""
    baseline: str = ""

    def margin(self, quantity: Quantity, before: float) -> Margin:
        """The margin of the first rule that matches; `before` is the baseline's value."""
        rule = next((rule for rule in self.rules if rule.matches(quantity)), Rule(absolute=0.0))
        if rule.relative is not None:
            size = rule.relative * abs(before)
            return Margin(size, f"{size:.3g} ({100 * rule.relative:g} %)")
        return Margin(
            rule.absolute or 0.0, "not gated" if rule.skip else f"{rule.absolute or 0:g}", rule.skip
        )

    def over(self, other: Settings) -> Settings:
        """These settings, and the other's where these say nothing."""
        return Settings(
            self.rules or other.rules,
            self.inconclusive or other.inconclusive,
            self.baseline or other.baseline,
        )

    def unused(self, quantities: Sequence[Quantity]) -> list[Rule]:
        """Rules that are the first match of nothing."""
        used = {
            next((i for i, rule in enumerate(self.rules) if rule.matches(q)), -1)
            for q in quantities
        }
        return [rule for i, rule in enumerate(self.rules) if i not in used]


def read(path: Path) -> Settings:
    """A `gate.toml`. BenchError when it is missing or damaged, or says what it can't."""
    from bench.store import records  # light verbs don't need it

    return parse(records.read_toml(path, "write it, or leave --margins out (margin 0)"), str(path))


def parse(table: Mapping[str, Any], where: str) -> Settings:
    """The table of a `gate.toml`, or `[gate]` of a `bench.toml`; `where` names it in errors.

    >>> parse({"margin": [{"metric": "fair-*", "relative": 0.02}]}, "gate.toml").rules[0].relative
    0.02
    """
    _check_keys(table, ("margin", "inconclusive", "baseline"), where)
    inconclusive, baseline, margins = (
        table.get("inconclusive", ""),
        table.get("baseline", ""),
        table.get("margin", []),
    )
    if inconclusive not in ("", "warn", "fail"):
        raise BenchError(f"{where}: inconclusive = {inconclusive!r} is neither 'warn' nor 'fail'")
    if not isinstance(baseline, str):
        raise BenchError(f"{where}: baseline = {baseline!r} is no path")
    if not isinstance(margins, list) or not all(isinstance(each, Mapping) for each in margins):
        raise BenchError(f"{where}: margin is not a list of tables: write [[margin]]")
    return Settings(
        tuple(_rule(each, f"{where}, margin {i}") for i, each in enumerate(margins, 1)),
        inconclusive,
        baseline,
    )


def _rule(table: Mapping[str, Any], where: str) -> Rule:
    _check_keys(table, (*PLACES, "absolute", "relative", "skip"), where)
    for place in PLACES:
        if not isinstance(table.get(place, "*"), str):
            raise BenchError(f"{where}: {place} = {table[place]!r} is no pattern: put it in quotes")
    given = [name for name in ("absolute", "relative", "skip") if name in table]
    if len(given) != 1:
        raise BenchError(
            f"{where}: give one of absolute, relative and skip, not {' and '.join(given) or 'none'}"
        )
    value = table[given[0]]
    if given[0] == "skip":
        if value is not True:
            raise BenchError(
                f"{where}: skip = {value!r} can only be true: leave the rule out otherwise"
            )
    elif isinstance(value, bool) or not isinstance(value, int | float) or not (0 <= value < 1e100):
        raise BenchError(f"{where}: {given[0]} = {value!r} is no number from 0 on")
    return Rule(**table)


def _check_keys(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise BenchError(f"{where}: {unknown('key', key, known)}")


def _matches(pattern: str, text: str) -> bool:
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))
