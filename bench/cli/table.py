"""Rows on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.text import one_line, say


def echo_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as an aligned table of plain text; `nothing` where there are none."""
    say(*aligned(rows).split("\n"))


def aligned(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as an aligned table; the first row's keys are its columns.

    >>> print(aligned([{"a": 1, "b": "x"}, {"a": 10, "b": "y"}]))
    a   b
    1   x
    10  y
    """
    if not rows:
        return "nothing"
    columns = list(rows[0])
    cells = [
        [one_line(text) for text in line]
        for line in (columns, *([row.get(c, "") for c in columns] for row in rows))
    ]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = (
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )
    return "\n".join(lines)
