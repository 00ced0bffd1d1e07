"""The conformance kit: does a plugin keep the rules that the harness and its readers rely on?

>>> from bench.testing import check_method
>>> [result.check for result in check_method("grey") if not result.ok]
[]
"""

from __future__ import annotations

from bench.testing.own_tests import fit_and_kill, toy_photographs
from bench.testing.results import Broken, CheckResult, NotApplicable, Rule
from bench.testing.suite import (
    Check,
    check,
    check_method,
    check_metric,
    checks,
    parametrize_with_checks,
    rules,
)

__all__ = [
    "Broken",
    "Check",
    "CheckResult",
    "NotApplicable",
    "Rule",
    "check",
    "check_method",
    "check_metric",
    "checks",
    "fit_and_kill",
    "parametrize_with_checks",
    "rules",
    "toy_photographs",
]
