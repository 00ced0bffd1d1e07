"""A gate as people and programs read it: a table on a terminal, Markdown for a pull request, JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.gate.verdict import VERDICTS, Gate, Row
from bench.machine import places
from bench.store.files import write_for_user
from bench.text import aligned, one_line
from bench.text import markdown as escape

SCHEMA = 1
MARKS = {"regressed": "❌", "not comparable": "🚫", "inconclusive": "⚠️", "ok": "✅"}
MEANING = (
    "worse by: how much worse the run is, negative where it is better, and between which bounds "
    "with 95 % each; ± marks metrics of "
    "which neither less nor more is better, with run − baseline. p: of being no worse than the "
    "margin, corrected for the number of "
    "tests. The bounds are over photographs: what another training seed would change is not in "
    "them."
)


def table(gate: Gate) -> str:
    """The rows, the worst first, as an aligned table, and what else there is to say."""
    rows = [cells(row) for row in _sorted(gate)]
    lines = [aligned(rows)] if rows else []
    lines += [f"warning: {one_line(text)}" for text in gate.warnings] + [
        f"note: {one_line(text)}" for text in gate.notes
    ]
    return "\n".join([*lines, one_line(gate.summary)])


def markdown(gate: Gate) -> str:
    """For a comment on a pull request, or a job's summary: what needs attention, and everything
    else folded away."""
    return "\n".join(_markdown(gate)) + "\n"


def as_json(gate: Gate) -> dict[str, Any]:
    """Everything, JSON-able; what is not known is null."""
    return {
        "schema_version": SCHEMA,
        "run": places.text(str(gate.run)),
        "baseline": places.text(str(gate.baseline)),
        "exit_code": int(gate.code),
        "summary": gate.summary,
        "refusals": list(gate.refusals),
        "warnings": list(gate.warnings),
        "notes": list(gate.notes),
        "rows": [_record(row) for row in gate.rows],
    }


def cells(row: Row) -> dict[str, str]:
    """A row's texts by column."""
    quantity, evidence = row.quantity, row.evidence
    sign = "" if row.direction in ("up", "down") or evidence is None else "± "
    bounds = (
        "identical" if row.why == "identical" else f"{sign}{interval(row)}" if evidence else "-"
    )
    why = "" if row.why in ("", "identical") else f": {row.why}"
    return {
        "dataset": quantity.dataset,
        "method": quantity.method,
        "metric": f"{quantity.metric}:{quantity.variant}",
        "baseline": number(row.before),
        "run": number(row.after),
        "worse by [bounds]": bounds,
        "margin": row.margin.text or "-",
        "p": number(row.p, ".2g"),
        "verdict": f"{row.verdict}{why}",
    }


def interval(row: Row) -> str:
    """How much worse, and its bounds."""
    found = row.evidence
    return (
        f"{found.value:+.3g} [{number(found.low, '+.3g')}, {number(found.high, '+.3g')}]"
        if found
        else "-"
    )


def number(value: float, spec: str = ".4g") -> str:
    """A number, or a dash for what is not known."""
    return format(value, spec) if math.isfinite(value) else "-"


def said(row: Row) -> str:
    """A row in one line, for annotations and test reports."""
    text = cells(row)
    numbers = f"{text['baseline']} in the baseline, {text['run']} in the run, worse by {text['worse by [bounds]']}, margin "
    return f"{row.quantity}: {text['verdict']}" + (
        f" ({numbers}{text['margin']})" if row.evidence else ""
    )


def write_json(path: Path, gate: Gate) -> None:
    """`as_json` as a file."""
    write_for_user(path, json.dumps(as_json(gate), indent=1) + "\n")


def _sorted(gate: Gate) -> list[Row]:
    return sorted(gate.rows, key=lambda row: VERDICTS.index(row.verdict))


def _markdown(gate: Gate) -> Iterator[str]:
    worst = next((row.verdict for row in _sorted(gate)), "not comparable")
    yield f"### {MARKS[worst]} Gate: {escape(gate.summary)}"
    attention = gate.of("regressed", "not comparable", "inconclusive")
    yield from _rows(sorted(attention, key=lambda row: VERDICTS.index(row.verdict)))
    if lines := [f"- **Warning:** {escape(text)}" for text in gate.warnings] + [
        f"- {escape(text)}" for text in gate.notes
    ]:
        yield from ("", *lines)
    if fine := gate.of("ok"):
        yield from (
            "",
            f"<details><summary>{len(fine)} ok</summary>",
            *_rows(fine),
            "",
            "</details>",
        )
    if gate.rows:
        yield from ("", f"<sub>{escape(MEANING[0].upper() + MEANING[1:])}</sub>")


def _rows(rows: list[Row]) -> Iterator[str]:
    if rows:
        yield from (
            "",
            f"| | {' | '.join(cells(rows[0]))} |",
            f"|{'---|' * (1 + len(cells(rows[0])))}",
        )
    for row in rows:
        yield f"| {MARKS[row.verdict]} | {' | '.join(map(escape, cells(row).values()))} |"


def _record(row: Row) -> dict[str, Any]:
    found = row.evidence
    numbers = {
        "before": row.before,
        "after": row.after,
        "margin": row.margin.value,
        "p": row.p,
        "worse_by": found.value if found else math.nan,
        "low": found.low if found else math.nan,
        "high": found.high if found else math.nan,
    }
    return {
        **row.quantity._asdict(),
        "verdict": row.verdict,
        "why": row.why,
        "direction": row.direction,
        "unit": row.unit,
        **{name: value if math.isfinite(value) else None for name, value in numbers.items()},
        "images": row.n,
        "seeds": list(row.seeds),
    }
