"""`bench check NAME...`: the conformance kit on the command line."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from bench.cli.options import Duration
from bench.errors import BenchError, ExitCode
from bench.text import one_line, say, say_json

if TYPE_CHECKING:
    from bench.testing.results import CheckResult


@click.command()
@click.argument("names", nargs=-1, metavar="NAME...")
@click.option(
    "--expect-failure",
    "expected",
    multiple=True,
    metavar="CHECK=REASON",
    help="It may fail, and has to; repeatable.",
)
@click.option(
    "--timeout",
    type=Duration(),
    default="120s",
    show_default=True,
    help="How long one fit may take: 90s, 10m.",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@click.option("--rules", "list_rules", is_flag=True, help="Show the rules, and check nothing.")
def check(
    names: Sequence[str], expected: Sequence[str], timeout: float, as_json: bool, list_rules: bool
) -> None:
    """Check plugins by the rules that the harness relies on: methods, metrics, data sets, reports,
    protocols, executors.

    NAME may have parameters: 'mdn[components=4]'. The exit status is 6 where a check fails, or
    passes that is expected to fail.
    """
    if list_rules:
        from bench.testing.page import table

        say(*table().split("\n"))
        return
    if not names:
        raise BenchError("name a plugin to check: bench check NAME (`bench list` shows them)")
    results = _checked(names, _reasons(expected), timeout, as_json)
    if as_json:
        say_json([asdict(result) for result in results])
    if not all(result.ok for result in results):
        sys.exit(ExitCode.CELLS_FAILED)


def _checked(
    names: Sequence[str], expected: dict[str, str], timeout: float, silent: bool
) -> list[CheckResult]:
    """Check one plugin after the other, showing each result when it is there."""
    from bench.testing import session, suite

    results = []
    with session.opened(timeout) as opened:
        for checking in suite.checkings(names, opened):
            suite.known(expected, checking.rules)
            done = []
            for rule in checking.rules:
                done.append(suite.expecting(checking.result(rule.name), expected))
                if not silent:
                    _show(done[-1])
            if not silent:
                _summarise(done)
            results += done
    return results


def _show(result: CheckResult) -> None:
    """One line; a failure's rule, and how to mend it, below."""
    seen = (
        f": {result.seen}"
        if result.seen and result.status not in ("passed", "expected failure")
        else ""
    )
    note = f" ({result.seen})" if result.seen and result.status == "passed" else ""
    reason = f": {result.reason}" if result.status == "expected failure" else ""
    say(f"{result.status:<16} {result.check}{seen}{note}{reason}")
    if not result.ok:
        say(
            *(
                f"{'':<19}{name}: {one_line(text)}"
                for name, text in (("rule", result.rule), ("mend", result.mend))
            )
        )


def _summarise(results: Sequence[CheckResult]) -> None:
    counts = Counter(result.status for result in results)
    shown = ", ".join(f"{count} {status}" for status, count in counts.items())
    say(f"{results[0].kind} {results[0].subject}: {shown}")


def _reasons(expected: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in expected]
    for text, (name, equals, reason) in zip(expected, pairs):
        if not (name.strip() and equals and reason.strip()):
            raise BenchError(f"--expect-failure {text} is not CHECK=REASON: say why it may fail")
    return {name.strip(): reason.strip() for name, _, reason in pairs}
