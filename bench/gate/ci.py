"""A gate as CI systems read it: JUnit XML, annotations of GitHub Actions, and its step summary."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

from bench.gate.output import markdown, said
from bench.gate.verdict import Gate, Row
from bench.text import visible

MOST = 9
"""Annotations of one kind that are printed: GitHub shows ten a step, and the last one says how many
more there are."""


def junit(gate: Gate) -> str:
    """JUnit XML: a quantity is a test case. *regressed* is a failure, *not comparable* an error,
    *inconclusive* skipped, or a failure where the gate is strict. A run that can't be compared at
    all is one case with an error."""
    suite = ElementTree.Element("testsuite", {"name": "bench gate"})
    for row in gate.rows:
        _case(suite, row, gate.strict)
    for refusal in gate.refusals:
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": "gate", "name": "comparable", "time": "0"}
        )
        _outcome(case, "error", "not comparable", refusal)
    counts = {
        "tests": len(suite),
        "failures": len(suite.findall("*/failure")),
        "errors": len(suite.findall("*/error")),
        "skipped": len(suite.findall("*/skipped")),
    }
    suite.attrib.update({name: str(count) for name, count in counts.items()} | {"time": "0"})
    root = ElementTree.Element(
        "testsuites", {name: text for name, text in suite.attrib.items() if name != "skipped"}
    )
    root.append(suite)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def github(gate: Gate) -> Iterator[str]:
    """Workflow commands of GitHub Actions: errors for what fails, warnings for what does not,
    notices."""
    failing = gate.of("regressed", "not comparable", *(("inconclusive",) if gate.strict else ()))
    yield from _commands(
        "error",
        [(f"bench gate: {row.verdict}", said(row)) for row in failing]
        + [("bench gate: not comparable", text) for text in gate.refusals],
    )
    doubtful = [] if gate.strict else gate.of("inconclusive")
    yield from _commands(
        "warning",
        [(f"bench gate: {row.verdict}", said(row)) for row in doubtful]
        + [("bench gate", text) for text in gate.warnings],
    )
    yield from _commands("notice", [("bench gate", text) for text in gate.notes])


def in_github(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this runs in GitHub Actions."""
    return environment.get("GITHUB_ACTIONS") == "true"


def step_summary(gate: Gate, environment: Mapping[str, str] = os.environ) -> None:
    """Append the Markdown to the step summary, where there is one; other steps have written there,
    too."""
    if path := environment.get("GITHUB_STEP_SUMMARY"):
        with Path(path).open("a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(f"{markdown(gate)}\n")


def _case(suite: ElementTree.Element, row: Row, strict: bool) -> None:
    quantity = row.quantity
    names = {
        "classname": f"{quantity.dataset}.{quantity.method}",
        "name": f"{quantity.metric}:{quantity.variant}",
    }
    case = ElementTree.SubElement(
        suite, "testcase", {name: _legal(text) for name, text in names.items()} | {"time": "0"}
    )
    if row.verdict == "regressed" or (row.verdict == "inconclusive" and strict):
        _outcome(case, "failure", row.verdict, said(row))
    elif row.verdict == "not comparable":
        _outcome(case, "error", row.verdict, said(row))
    elif row.verdict == "inconclusive":
        ElementTree.SubElement(case, "skipped", {"message": _legal(said(row))})


def _outcome(case: ElementTree.Element, kind: str, verdict: str, text: str) -> None:
    ElementTree.SubElement(case, kind, {"message": _legal(text), "type": verdict}).text = _legal(
        text
    )


def _legal(text: str) -> str:
    """Without characters that XML does not have."""
    return re.sub("[\ufffe\uffff]", "\ufffd", visible(text))


def _commands(kind: str, texts: list[tuple[str, str]]) -> Iterator[str]:
    for title, text in texts[:MOST]:
        yield f"::{kind} title={_escaped(title, property_=True)}::{_escaped(text)}"
    if len(texts) > MOST:
        yield f"::{kind} title=bench gate::and {len(texts) - MOST} more, in the log and the summary"


def _escaped(text: str, property_: bool = False) -> str:
    """As GitHub's toolkit does (`@actions/core`, command.ts)."""
    escapes = {"%": "%25", "\r": "%0D", "\n": "%0A"} | (
        {":": "%3A", ",": "%2C"} if property_ else {}
    )
    return "".join(escapes.get(character, character) for character in text)
