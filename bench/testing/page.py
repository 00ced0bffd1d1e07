"""The rules as documentation: `docs/conformance.md` has what the checks say of themselves.

`python -m bench.testing.page docs/conformance.md` writes it anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.testing.results import Rule
from bench.testing.rules import spec_rules
from bench.testing.suite import SINGULAR, rules

MARK = "<!-- What follows is written by `python -m bench.testing.page docs/conformance.md`. -->"


def table() -> str:
    """All rules, Markdown: those of every spec, then those of each kind."""
    parts = [_section("Of every plugin object", spec_rules.RULES)]
    for kind in SINGULAR:
        own = [rule for rule in rules(kind) if rule not in spec_rules.RULES]
        parts.append(_section(f"Of a {kind}" if kind[0] != "e" else f"Of an {kind}", own))
    return "\n\n".join(parts)


def page(text: str) -> str:
    """The page with the rules, written anew, after the mark."""
    return "\n\n".join([text.partition(MARK)[0].rstrip(), MARK, table()]) + "\n"


def _section(title: str, found: Sequence[Rule]) -> str:
    lines = [f"### {title}", "| check | rule |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{rule.name}` | {rule.text} |" for rule in found)])


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from bench.store.files import write_text

    path = Path(sys.argv[1])
    write_text(path, page(path.read_text("utf-8")))
