"""Method strings: `mdn[k=5,vae=vae[loss=l2]],cvae`. Bracket-aware; a value in brackets is a grid: `vae[loss=[l2,mah]]`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import BenchError


@dataclass(frozen=True)
class Choice:
    """A name with the parameters that were given, as text."""

    name: str
    given: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return write(self.name, dict(self.given))


def parse_many(texts: Sequence[str] | str) -> list[Choice]:
    """All choices of one or several comma-separated strings, grids expanded, duplicates dropped, in order.

    >>> [str(c) for c in parse_many("vae[loss=[l2,mah]],cvae")]
    ['vae[loss=l2]', 'vae[loss=mah]', 'cvae']
    """
    parts = [p for text in ([texts] if isinstance(texts, str) else texts) for p in split(text)]
    return list(dict.fromkeys(choice for part in parts for choice in _expand(part)))


def parse(text: str) -> Choice:
    """Exactly one choice; BenchError when the text is a list or a grid."""
    choices = parse_many(text)
    if len(choices) != 1:
        raise BenchError(f"'{text}' names {len(choices)} things where one is wanted")
    return choices[0]


def split(text: str, separator: str = ",") -> list[str]:
    """Split at separators that are outside brackets; BenchError when brackets don't match.

    >>> split("a[x=1,y=2],b")
    ['a[x=1,y=2]', 'b']
    """
    parts, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if depth < 0:
            break
        if character == separator and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    if depth != 0:
        raise BenchError(f"brackets don't match in '{text}'")
    parts.append(text[start:].strip())
    if any(not part for part in parts):
        raise BenchError(f"an empty name in '{text}'")
    return parts


def write(name: str, parameters: Mapping[str, Any]) -> str:
    """The method string of a name and its parameters, sorted."""
    inside = ",".join(f"{key}={value}" for key, value in sorted(parameters.items()))
    return f"{name}[{inside}]" if inside else name


def _expand(part: str) -> list[Choice]:
    name, bracket, rest = part.partition("[")
    if not name.strip():
        raise BenchError(f"an empty name in '{part}'")
    if not bracket:
        return [Choice(name.strip())]
    if not rest.endswith("]"):
        raise BenchError(f"'{part}': nothing may follow the closing bracket")
    pairs = [_pair(item, part) for item in split(rest[:-1])]
    names = [key for key, _ in pairs]
    if len(set(names)) != len(names):
        raise BenchError(f"'{part}' gives a parameter twice")
    grids = [[(key, v) for v in _values(value)] for key, value in pairs]
    return [Choice(name.strip(), tuple(sorted(given))) for given in itertools.product(*grids)]


def _pair(item: str, part: str) -> tuple[str, str]:
    key, equals, value = item.partition("=")
    if not equals or not key.strip() or not value.strip():
        raise BenchError(f"'{item}' in '{part}' is not parameter=value")
    return key.strip(), value.strip()


def _values(value: str) -> list[str]:
    if value.startswith("[") and value.endswith("]"):
        return split(value[1:-1])
    return [value]
