"""Rules for reports, protocols and executors: what can be seen without a run."""

from __future__ import annotations

import inspect
import json

from bench.protocol import Protocol
from bench.specs import ReportSpec
from bench.testing.results import Broken, Rule, describe
from bench.testing.spec_rules import SpecSubject

ARGUMENTS = {"report": ("results", "out"), "executor": ("workshop", "cells", "finished")}


def can_be_called(subject: SpecSubject) -> str | None:
    """The factory takes the arguments that the harness gives it: a report (results, out), with
    `compares` (comparison, out); an executor (workshop, cells, finished)."""
    names = ARGUMENTS[subject.kind]
    if isinstance(subject.spec, ReportSpec) and subject.spec.compares:
        names = ("comparison", "out")
    try:
        inspect.signature(subject.spec.load()).bind(*names)
    except TypeError as error:
        raise Broken(
            f"called with ({', '.join(names)}): {error}",
            f"let it take ({', '.join(names)}) by position",
        ) from error
    return None


def makes_a_protocol(subject: SpecSubject) -> str | None:
    """The factory makes a `bench.protocol.Protocol` from the declared parameters, the same each
    time, with an own digest."""
    values = subject.spec.resolve(subject.given)
    try:
        first, second = (subject.spec.load()(**values) for _ in range(2))
    except Exception as error:
        raise Broken(
            f"with its parameters it raised {describe(error)}",
            "let it take the declared ones by keyword",
        ) from error
    if not isinstance(first, Protocol):
        raise Broken(f"it made a {type(first).__name__}", "return a bench.protocol.Protocol")
    json.dumps(first.describe())
    if first.digest != second.digest:
        raise Broken("made twice, it has two digests", "make it of the parameters alone")
    return f"digest {first.digest[:12]}"


def rules_of(kind: str) -> tuple[Rule, ...]:
    """Those beside the rules for all specs."""
    needs = ("loads", "parameters-round-trip")
    return (Rule(makes_a_protocol, needs),) if kind == "protocol" else (Rule(can_be_called, needs),)
