"""Every check catches the plugins that are broken for it, alone; the healthy ones pass all."""

import pytest

from bench.testing import rules, suite
from bench.testing.results import BAD

from .conftest import mutants

CASES = [
    (kind, key, mutant.check)
    for kind, of_kind in mutants.MUTANTS.items()
    for key, mutant in of_kind.items()
]


def results(name, session, **given):
    return [
        result
        for checking in suite.checkings([name], session, **given)
        for result in checking.results()
    ]


def near(samples, truth, context):
    """The healthy metric in NumPy."""
    error = abs(samples.ab.numpy().astype(float) - truth.numpy()[:, None].astype(float)).mean(
        (2, 3, 4)
    )
    weights = samples.weights.numpy() if samples.weights is not None else 1 / error.shape[1]
    return {"error": (error * weights).sum(1)}


@pytest.mark.parametrize(("kind", "key", "check"), CASES, ids=[key for _, key, _ in CASES])
@pytest.mark.usefixtures("with_mutants")
def test_exactly_one_check_catches_a_mutant(session, monkeypatch, kind, key, check):
    monkeypatch.setattr(session, "limit", 1.0 if key == "NeverEnds" else session.limit)
    given = {"reference": near} if kind == "metric" else {}
    found = results(mutants.name_of(kind, key), session, **given)
    failed = [result for result in found if result.status in BAD]
    assert [result.check for result in failed] == [check], [(r.check, r.seen) for r in failed]
    rule, seen, mend = (getattr(failed[0], part) for part in ("rule", "seen", "mend"))
    assert min(len(rule), len(seen), len(mend)) > 5
    assert failed[0].message.splitlines()[1:] == [
        f"  rule: {rule}",
        f"  seen: {seen}",
        f"  mend: {mend}",
    ]


@pytest.mark.parametrize("kind", mutants.HEALTHY)
@pytest.mark.usefixtures("with_mutants")
def test_the_healthy_ones_pass_all(session, kind):
    given = {"reference": near} if kind == "metric" else {}
    found = results(mutants.HEALTHY[kind].name, session, **given)
    assert {result.check: result.seen for result in found if result.status != "passed"} == (
        {"weights-sum-to-one": "its sample sets have no weights: all fields count alike"}
        if kind == "method"
        else {}
    )


@pytest.mark.usefixtures("with_mutants")
def test_a_registration_that_imports_torch_is_caught(session):
    found = {result.check: result for result in results("mutant-heavy", session)}
    assert found["registers-light"].status == "failed"
    assert "imports torch" in found["registers-light"].seen


@pytest.mark.parametrize("kind", suite.SINGULAR)
def test_every_rule_has_a_mutant_and_a_text(kind):
    caught = {check for _, _, check in CASES} | {"registers-light"}
    assert rules(kind)
    for rule in rules(kind):
        assert rule.name in caught, rule.name
        assert rule.text.endswith("."), rule.name
        assert "\n" not in rule.text


@pytest.mark.parametrize("kind", suite.SINGULAR)
def test_rules_need_rules_that_come_before_them(kind):
    seen = set()
    for rule in rules(kind):
        assert set(rule.needs) <= seen, rule.name
        seen.add(rule.name)
    assert any(rule.needs for rule in rules(kind))
