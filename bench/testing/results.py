"""Rules, what breaks them, and what came of checking them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from bench.errors import place

Status = Literal["passed", "failed", "skipped", "expected failure", "unexpected pass"]
BAD: frozenset[Status] = frozenset({"failed", "unexpected pass"})


class Broken(Exception):
    """A rule is broken. seen: what was observed. mend: what to do about it."""

    def __init__(self, seen: str, mend: str) -> None:
        super().__init__(f"{seen}; {mend}")
        self.seen, self.mend = seen, mend


class NotApplicable(Exception):
    """A rule says nothing about this subject; the message is the reason."""


@dataclass(frozen=True)
class Rule:
    """A rule: its check's docstring is its text. needs: rules without which the check would tell
    nothing; while one of them is broken this one is skipped, so that a fault is shown once, where
    it is.

    The check raises `Broken` or `NotApplicable`, or returns a remark for whoever reads a pass
    (None: nothing to remark).
    """

    check: Callable[[Any], str | None]
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The check's name as it is shown: `draws_are_independent` is `draws-are-independent`."""
        return self.check.__name__.replace("_", "-")

    @property
    def text(self) -> str:
        """The rule in one line: the first paragraph of the check's docstring."""
        return " ".join((self.check.__doc__ or "").strip().split("\n\n")[0].split())


@dataclass(frozen=True)
class CheckResult:
    """What came of one check of one subject.

    seen: what was observed (failed), why it was skipped, or a remark. mend: what to do. reason: why
    it is expected to fail.
    """

    kind: str
    subject: str
    check: str
    status: Status
    rule: str
    seen: str = ""
    mend: str = ""
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Neither failed nor passed where a failure is expected."""
        return self.status not in BAD

    @property
    def message(self) -> str:
        """A failure in three parts: which rule, what was seen, how to mend it."""
        return f"{self.subject} breaks {self.check}\n  rule: {self.rule}\n  seen: {self.seen}\n  mend: {self.mend}"

    def expected_to_fail(self, reason: str) -> CheckResult:
        """This result where a failure is expected: then it is fine, and a pass is not."""
        if self.status == "failed":
            return replace(self, status="expected failure", reason=reason)
        if self.status == "passed":
            seen, mend = (
                f"it passes, though it is expected to fail: {reason}",
                "take it from the expected failures",
            )
            return replace(self, status="unexpected pass", reason=reason, seen=seen, mend=mend)
        return replace(self, reason=reason)


class Subject(Protocol):
    """What is checked: a plugin object's name and kind, and the surroundings in which its checks
    run."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    def surroundings(self) -> AbstractContextManager[None]: ...


@dataclass
class Checking:
    """A subject under its rules; each is checked once, when it is first asked for."""

    subject: Subject
    rules: Sequence[Rule]
    found: dict[str, CheckResult] = field(default_factory=dict)

    def result(self, name: str) -> CheckResult:
        """The result of one rule; what it needs is checked first."""
        if name not in self.found:
            rule = next(rule for rule in self.rules if rule.name == name)
            self.found[name] = self._check(rule)
        return self.found[name]

    def results(self) -> list[CheckResult]:
        """All of them, in order."""
        return [self.result(rule.name) for rule in self.rules]

    def _check(self, rule: Rule) -> CheckResult:
        result = CheckResult(self.subject.kind, self.subject.name, rule.name, "passed", rule.text)
        if reason := self._missing(rule):
            return replace(result, status="skipped", seen=reason)
        try:
            with self.subject.surroundings():
                return replace(result, seen=rule.check(self.subject) or "")
        except Broken as broken:
            return replace(result, status="failed", seen=one_line(broken.seen), mend=broken.mend)
        except NotApplicable as skipped:
            return replace(result, status="skipped", seen=one_line(skipped))
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises is the finding
            seen = f"it raised {describe(error)}{place(error)}"
            return replace(
                result, status="failed", seen=seen, mend="let it do this without an error"
            )

    def _missing(self, rule: Rule) -> str:
        """Why a rule can't be checked, or nothing. What is skipped is missing as well, for the same
        reason."""
        own = {rule.name for rule in self.rules}
        for needed in (self.result(name) for name in rule.needs if name in own):
            if needed.status == "failed":
                return f"it needs {needed.check}, which fails"
            if needed.status == "skipped":
                return (
                    needed.seen
                    if needed.seen.startswith("it needs")
                    else f"it needs {needed.check}, which was skipped"
                )
        return ""


def describe(error: BaseException) -> str:
    """An exception in one line."""
    return one_line(f"{type(error).__name__}: {str(error).strip()}")


def one_line(text: object, most: int = 300) -> str:
    """The first line of a text, shortened.

    >>> one_line("first\\nsecond"), one_line("abcdef", 5)
    ('first', 'ab...')
    """
    lines = str(text).strip().splitlines()
    first = lines[0] if lines else ""
    return first if len(first) <= most else first[: most - 3] + "..."
