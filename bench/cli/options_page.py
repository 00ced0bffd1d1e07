"""The table of a run's options in the docs: `python -m bench.cli.options_page docs/config.md` writes
it anew."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.contracts.options import TAKES, Option, flag
from bench.contracts.request import OPTIONS
from bench.store.files import write_text

MARK = "<!-- What follows is written by `python -m bench.cli.options_page docs/config.md`. -->"


def page(text: str, options: Mapping[str, Option]) -> str:
    """`docs/config.md` with the table of options, written anew, after the mark."""
    head = "| key | takes | what it is | as an option |\n|---|---|---|---|"
    rows = [_row(name, each) for name, each in options.items()]
    same = ", ".join(f"`{flag(name)[2:]}`" for name, each in options.items() if each.settings)
    ending = f"A run folder that is there goes on only with the same settings, which are {same}."
    return "\n".join([text.partition(MARK)[0].rstrip(), "", MARK, "", head, *rows, "", ending, ""])


def _row(name: str, declared: Option) -> str:
    takes = ", ".join(f"`{each}`" for each in declared.choices) or TAKES[declared.kind]
    flags = ", ".join(f"`{each}`" for each in declared.flags or (flag(name),))
    shown = re.sub(r"([<$|])", r"\\\1", declared.help)
    return f"| `{flag(name)[2:]}` | {takes} | {shown} | {flags} |"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    write_text(path, page(path.read_text("utf-8"), OPTIONS))
