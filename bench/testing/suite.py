"""Which rules there are, and checking plugins by them."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from bench.errors import BenchError, unknown
from bench.plugins import notation
from bench.plugins.loader import KINDS, registry
from bench.specs import DatasetSpec, MethodSpec, MetricSpec, Spec
from bench.testing.results import Checking, CheckResult, Rule
from bench.testing.rules import spec_rules
from bench.testing.rules.spec_rules import SpecSubject
from bench.testing.session import Session, kind_of

SINGULAR = tuple(kind.removesuffix("s") for kind in KINDS)


def rules(kind: str) -> tuple[Rule, ...]:
    """The rules for a `method`, `metric`, `dataset`, `report`, `protocol` or `executor`, in the
    order in which they are checked."""
    from bench.testing.rules import datasets, methods, metrics, others

    own = {"method": methods.RULES, "metric": metrics.RULES, "dataset": datasets.RULES}
    return (*spec_rules.RULES, *(own[kind] if kind in own else others.rules_of(kind)))


def check(
    subject: Spec | str,
    *,
    expected_failures: Mapping[str, str] | None = None,
    session: Session | None = None,
    reference: Callable[..., Any] | None = None,
) -> list[CheckResult]:
    """Check a plugin object: a spec, or the name of a registered one, perhaps with parameters
    (`"mdn[components=4]"`).

    expected_failures: name of a check -> reason; such a check that passes is a finding. reference:
    for a metric, an independent implementation (`bench.testing.rules.metrics`). BenchError for unknown
    names.
    """
    expected = dict(expected_failures or {})
    made = checkings([subject], session, reference)
    known(expected, [rule for checking in made for rule in checking.rules])
    return [expecting(result, expected) for checking in made for result in checking.results()]


def check_method(
    method: MethodSpec | str, *, expected_failures: Mapping[str, str] | None = None
) -> list[CheckResult]:
    """`check` for a method."""
    return check(_one(method, "methods"), expected_failures=expected_failures)


def check_metric(
    metric: MetricSpec | str,
    *,
    expected_failures: Mapping[str, str] | None = None,
    reference: Callable[..., Any] | None = None,
) -> list[CheckResult]:
    """`check` for a metric. reference: see `bench.testing.rules.metric_rules.agrees_with_reference`."""
    return check(_one(metric, "metrics"), expected_failures=expected_failures, reference=reference)


@dataclass(frozen=True)
class Check:
    """One check of one subject, for a test: call it. A failure is an AssertionError in three parts,
    what can't be checked skips."""

    checking: Checking
    rule: Rule

    @property
    def id(self) -> str:
        """`halo-batch-size-changes-nothing`."""
        return f"{self.checking.subject.name}-{self.rule.name}"

    def __call__(self) -> None:
        import pytest

        __tracebackhide__ = True
        result = self.checking.result(self.rule.name)
        if result.status == "skipped":
            pytest.skip(result.seen)
        if not result.ok:
            pytest.fail(result.message, pytrace=False)


def checks(subjects: Iterable[Spec | str], session: Session | None = None) -> list[Check]:
    """All checks of some subjects, not yet done."""
    return [
        Check(checking, rule)
        for checking in checkings(subjects, session)
        for rule in checking.rules
    ]


def checkings(
    subjects: Iterable[Spec | str],
    session: Session | None = None,
    reference: Callable[..., Any] | None = None,
) -> list[Checking]:
    """Subjects under their rules; a name that several kinds have gives several."""
    chosen = session or shared_session()
    return [_checking(*one, chosen, reference) for subject in subjects for one in _found(subject)]


def parametrize_with_checks(
    subjects: Sequence[Spec | str], *, expected_failures: Mapping[str, str] | None = None
) -> Any:
    """A decorator: pytest runs the test once for every check of every subject. The whole of a test
    file::

        from bench.testing import parametrize_with_checks
        @parametrize_with_checks(["halo"])
        def test_conformance(check): check()

    expected_failures: name of a check -> reason; it is marked `xfail`, strictly: a pass fails the
    test.
    """
    import pytest

    found, expected = checks(subjects), dict(expected_failures or {})
    known(expected, [check.rule for check in found])
    marks = {
        name: [pytest.mark.xfail(reason=reason, strict=True)] for name, reason in expected.items()
    }
    return pytest.mark.parametrize(
        "check", [pytest.param(one, id=one.id, marks=marks.get(one.rule.name, [])) for one in found]
    )


@cache
def shared_session() -> Session:
    """The session of this process; it is closed when the process ends."""
    made = Session()
    atexit.register(made.close)
    return made


def close() -> None:
    """Close the shared session now; the next check begins another."""
    if shared_session.cache_info().currsize:
        shared_session().close()
        shared_session.cache_clear()


def _found(subject: Spec | str) -> list[tuple[Spec, dict[str, Any]]]:
    """The specs that a text names, in whatever kinds, and the parameters that it gives."""
    if isinstance(subject, Spec):
        return [(subject, {})]
    choice, plugins = notation.parse(subject), registry()
    kinds = [kind for kind in KINDS if choice.name in plugins.specs[kind]]
    if not kinds:
        raise plugins.missing(
            "plugin", choice.name, [name for specs in plugins.specs.values() for name in specs]
        )
    return [(plugins.specs[kind][choice.name], dict(choice.given)) for kind in kinds]


def _one(subject: Spec | str, kind: str) -> Spec | str:
    """The subject, which has to be of a kind; a name that several kinds have means that one."""
    if isinstance(subject, Spec):
        if kind_of(subject) != kind:
            raise BenchError(
                f"{subject.name} is a {kind_of(subject).removesuffix('s')}, not a "
                f"{kind.removesuffix('s')}"
            )
        return subject
    choice = notation.parse(subject)
    spec: Spec = registry().get(kind, choice.name)
    return subject if choice.given else spec


def _checking(
    spec: Spec, given: dict[str, Any], session: Session, reference: Callable[..., Any] | None
) -> Checking:
    subject: SpecSubject
    if isinstance(spec, MethodSpec):
        from bench.testing.method_subject import MethodSubject

        subject = MethodSubject(spec, session, given)
    elif isinstance(spec, MetricSpec):
        from bench.testing.metric_subject import MetricSubject

        subject = MetricSubject(spec, session, given, reference)
    elif isinstance(spec, DatasetSpec):
        from bench.testing.rules.datasets import DatasetSubject

        subject = DatasetSubject(spec, session, given)
    else:
        subject = SpecSubject(spec, session, given)
    _fitting(spec, given)
    return Checking(subject, rules(subject.kind))


def _fitting(spec: Spec, given: Mapping[str, Any]) -> None:
    """BenchError for a parameter in brackets that there is not, or that is ill-typed: the caller's
    error."""
    declared = {p.name: p for p in spec.parameters}
    for name, value in given.items():
        if name not in declared:
            raise unknown(f"parameter of {spec.name}", name, declared)
        declared[name].convert(value, spec.name)


def known(expected: Mapping[str, str], among: Iterable[Rule]) -> None:
    """BenchError for an expected failure of a check that there is not."""
    names = {rule.name for rule in among}
    for name in expected:
        if name not in names:
            raise unknown("check", name, names)


def expecting(result: CheckResult, expected: Mapping[str, str]) -> CheckResult:
    """The result, where it may be expected to fail."""
    return result.expected_to_fail(expected[result.check]) if result.check in expected else result
