"""Method strings: `mdn[k=5,vae=vae[loss=l2]],cvae`. Bracket-aware; a value in brackets is a grid:
`vae[loss=[l2,mah]]`.

A value in double quotes is text as it stands, in which `""` is a quote: `precomputed[folder="o,
[x]",kind=iid]`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import BenchError

_QUOTED = re.compile(r'"((?:[^"]|"")*+)"')
_HOW = 'text that holds commas, brackets or quotes goes in quotes: folder="a, [b]"'


@dataclass(frozen=True)
class Choice:
    """A name with the parameters that were given, as text."""

    name: str
    given: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return write(self.name, dict(self.given))


def parse_many(texts: Sequence[str] | str) -> list[Choice]:
    """All choices of one or several comma-separated strings, grids expanded, duplicates dropped, in
    order.

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
    """Split at separators that are outside brackets and quotes; BenchError when these don't match.

    >>> split("a[x=1,y=2],b")
    ['a[x=1,y=2]', 'b']
    """
    parts, depth, start = [], 0, 0
    for i, character in _outside_quotes(text, separator):
        depth += (character == "[") - (character == "]")
        if depth < 0:
            break
        if character == separator and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    if depth != 0:
        raise BenchError(f"brackets don't match in '{text}'; {_HOW}")
    parts.append(text[start:].strip())
    if any(not part for part in parts):
        raise BenchError(f"an empty name in '{text}'")
    return parts


def write(name: str, parameters: Mapping[str, Any]) -> str:
    """The method string of a name and its parameters, sorted; values that are lists are grids.

    >>> write("m", {"folder": "o, [x]", "k": 5, "loss": ["l2", "mah"]})
    'm[folder="o, [x]",k=5,loss=[l2,mah]]'
    """
    inside = ",".join(f"{key}={_written(value)}" for key, value in sorted(parameters.items()))
    return f"{name}[{inside}]" if inside else name


def _written(value: Any) -> str:
    """A value, in quotes where it would else be read as something else."""
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_written, value))}]"
    text = str(value)
    try:
        plain = text[:1] not in ("[", '"') and split(text) == [text]
    except BenchError:
        plain = False
    return text if plain else '"' + text.replace('"', '""') + '"'


def _outside_quotes(text: str, separator: str) -> Iterator[tuple[int, str]]:
    """The characters that are outside of quotes, and where. A quote opens where a value begins;
    elsewhere it is a character."""
    at, before = 0, ""
    while at < len(text):
        character = text[at]
        if character == '"' and before in ("", "=", "[", separator):
            if not (quoted := _QUOTED.match(text, at)):
                raise BenchError(
                    f"a quote isn't closed in '{text}'; a quote inside quotes is written twice"
                )
            at, before = quoted.end(), character
            continue
        yield at, character
        before = before if character.isspace() else character
        at += 1


def _expand(part: str) -> list[Choice]:
    name, bracket, rest = part.partition("[")
    if not name.strip():
        raise BenchError(f"an empty name in '{part}'")
    if not bracket:
        return [Choice(name.strip())]
    if not rest.endswith("]"):
        raise BenchError(f"'{part}': nothing may follow the closing bracket; {_HOW}")
    pairs = [_pair(item, part) for item in split(rest[:-1])]
    names = [key for key, _ in pairs]
    if len(set(names)) != len(names):
        raise BenchError(f"'{part}' gives a parameter twice")
    grids = [[(key, v) for v in _values(value, part)] for key, value in pairs]
    return [Choice(name.strip(), tuple(sorted(given))) for given in itertools.product(*grids)]


def _pair(item: str, part: str) -> tuple[str, str]:
    key, equals, value = item.partition("=")
    if not equals or not key.strip() or not value.strip():
        raise BenchError(f"'{item}' in '{part}' is not parameter=value; {_HOW}")
    return key.strip(), value.strip()


def _values(value: str, part: str) -> list[str]:
    found = split(value[1:-1]) if value.startswith("[") and value.endswith("]") else [value]
    return [_unquoted(each, part) for each in found]


def _unquoted(value: str, part: str) -> str:
    if not value.startswith('"'):
        return value
    if not (quoted := _QUOTED.fullmatch(value)):
        raise BenchError(
            f"'{part}': nothing may follow the closing quote; a quote inside quotes is written "
            "twice"
        )
    return quoted[1].replace('""', '"')
