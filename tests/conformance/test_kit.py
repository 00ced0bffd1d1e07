"""The kit itself: expected failures, the command, the decorator, other processes, and the page."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.cli import main
from bench.errors import BenchError, ExitCode
from bench.plugins import local
from bench.plugins.loader import registry
from bench.testing import (
    Broken,
    NotApplicable,
    Rule,
    check,
    check_method,
    check_metric,
    page,
    rules,
    state,
    suite,
)
from bench.testing.children import Children, alive
from bench.testing.fitting import Ground
from bench.testing.results import Checking, one_line
from bench.testing.rules.spec_rules import SpecSubject, others
from bench.testing.session import Session
from bench.testing.toy import PALETTE, Toy, ToyLaw

from ..patience import LONG, until
from .conftest import HERE, MUTANTS, mutants

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"


def run(arguments, capsys):
    """Exit status and lines of `bench ...`."""
    try:
        main(arguments)
        status = 0
    except SystemExit as stopped:
        status = stopped.code
    return status, capsys.readouterr()


@pytest.mark.usefixtures("with_mutants", "shared")
def test_an_expected_failure_is_fine_and_its_pass_is_not():
    expected = {"direction-is-right": "the paper says so", "finite": "it was not, once"}
    found = {r.check: r for r in check_metric("mutant-wrong-way", expected_failures=expected)}
    assert (found["direction-is-right"].status, found["direction-is-right"].ok) == (
        "expected failure",
        True,
    )
    assert found["direction-is-right"].reason == "the paper says so"
    assert (found["finite"].status, found["finite"].ok) == ("unexpected pass", False)
    assert "expected to fail: it was not, once" in found["finite"].message


def test_a_check_that_is_not_there_can_not_be_expected_to_fail():
    with pytest.raises(
        BenchError, match="unknown check 'direction-right': did you mean 'direction-is-right'"
    ):
        check_metric("variance", expected_failures={"direction-right": "x"})


def test_names_that_are_wrong_are_one_line():
    with pytest.raises(BenchError, match="unknown plugin 'vari': did you mean 'variance'"):
        check("vari")
    with pytest.raises(BenchError, match="unknown method 'variance'"):
        check_method("variance")
    with pytest.raises(BenchError, match="variance is a metric, not a method"):
        check_method(registry().get("metrics", "variance"))
    with pytest.raises(
        BenchError, match="unknown parameter of knn 'neighbors': did you mean 'neighbours'"
    ):
        check("knn[neighbors=3]")
    with pytest.raises(BenchError, match="neighbours takes int"):
        check("knn[neighbours=few]")


def test_a_spec_that_nobody_registered_is_checked_but_for_its_registration(session):
    spec = mutants.specs("metric")[0]
    spec = replace(spec, name="unregistered", factory=f"{mutants.__name__}{spec.factory}")
    found = {r.check: r for r in check(spec, session=session)}
    assert found["registers-light"].status == "skipped"
    assert "nobody has registered it" in found["registers-light"].seen
    assert all(r.ok for r in found.values())
    assert found["direction-is-right"].status == "passed"


def test_parameters_in_brackets_are_used(session):
    (few,) = suite.checkings(["knn[neighbours=2]"], session)
    assert few.subject.name == "knn[neighbours=2]"
    assert few.subject.parameters() == {"neighbours": 2}
    assert "knn has 2 neighbours and can't present 3" in few.result("answers").seen


def test_a_rule_is_skipped_where_one_that_it_needs_fails_or_is_skipped():
    def first(subject):
        """One."""
        raise Broken("seen", "mend")

    def second(subject):
        """Two."""
        raise NotApplicable("why")

    def third(subject):
        """Three."""

    def fourth(subject):
        """Four."""
        raise ZeroDivisionError("first line\nsecond line")

    made = (
        Rule(first),
        Rule(second),
        Rule(third, ("first",)),
        Rule(third, ("second",)),
        Rule(fourth, ("elsewhere",)),
    )
    subject = SpecSubject(registry().get("metrics", "variance"), None)
    found = [Checking(subject, [*made[:2], one]).result(one.name) for one in made[2:]]
    assert [r.seen for r in found[:2]] == [
        "it needs first, which fails",
        "it needs second, which was skipped",
    ]
    line = fourth.__code__.co_firstlineno + 2
    assert (found[2].status, found[2].seen) == (
        "failed",
        f"it raised ZeroDivisionError: first line (test_kit.py:{line} in fourth)",
    )


def test_the_command_prints_a_line_a_check_and_its_status_tells(capsys):
    status, output = run(["check", "variance", "--expect-failure", "direction-is-right=no"], capsys)
    lines = output.out.splitlines()
    assert status == 0
    assert len(lines) == len(rules("metric")) + 1
    assert lines[0].split() == ["passed", "registers-light"]
    assert lines[-1] == f"metric variance: {len(rules('metric')) - 2} passed, 2 skipped"
    status, output = run(["check", "variance", "--expect-failure", "finite=no"], capsys)
    assert status == ExitCode.CELLS_FAILED
    assert "unexpected pass  finite: it passes, though it is expected to fail: no" in output.out


def test_the_command_checks_local_plugins_and_tells_rule_and_remedy(capsys):
    local = ["--plugin", str(HERE / "heavy_plugin.py"), "--plugin", str(MUTANTS)]
    status, output = run([*local, "check", "mutant-heavy", "mutant-alone"], capsys)
    assert status == ExitCode.CELLS_FAILED
    assert "failed           registers-light: " in output.out
    assert "rule: Importing the registering module" in output.out
    assert "mend: move the class to a module of its own" in output.out
    assert "failed           can-be-called: called with (results, out)" in output.out


def test_the_command_as_json(capsys):
    status, output = run(["check", "paper", "serial", "--json"], capsys)
    found = json.loads(output.out)
    assert status == 0
    assert {(r["kind"], r["subject"]) for r in found} == {
        ("protocol", "paper"),
        ("executor", "serial"),
    }
    assert {"check", "status", "rule", "seen", "mend", "reason"} <= found[0].keys()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check"], "name a plugin to check"),
        (["check", "nothing-like-it"], "unknown plugin 'nothing-like-it'"),
        (["check", "variance", "--expect-failure", "finite"], "is not CHECK=REASON"),
        (["check", "variance", "--expect-failure", "fine=x"], "unknown check 'fine'"),
        (["check", "grey", "--timeout", "0"], "duration"),
    ],
)
def test_bad_calls_are_one_line(arguments, says, capsys):
    status, output = run(arguments, capsys)
    assert status == ExitCode.USAGE
    assert says in output.err
    assert len(output.err.splitlines()) == 1


def test_the_page_is_what_the_checks_say(capsys):
    text = PAGE.read_text()
    assert page.page(text) == text, "run `python -m bench.testing.page docs/conformance.md`"
    _, output = run(["check", "--rules"], capsys)
    assert output.out.strip() == page.table()


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("name", ["check_method", "check_metric"])
def test_the_page_s_examples_run(name, capsys):
    (code,) = [
        block.partition("```")[0]
        for block in PAGE.read_text().split("```python\n")[1:]
        if f"import {name}\n" in block
    ]
    exec(compile(code, str(PAGE), "exec"), {})
    assert ("passed same-seed-same-samples" in capsys.readouterr().out) == (name == "check_method")


THREE_LINES = """from bench.testing import parametrize_with_checks
@parametrize_with_checks(["healthy-error"])
def test_conformance(check): check()
"""
MORE = """
from bench.testing import parametrize_with_checks

@parametrize_with_checks(["mutant-wrong-way"], expected_failures={"direction-is-right": "so it is", "finite": "no"})
def test_metric(check):
    check()
"""


def test_a_test_file_of_three_lines_and_checks_without_one(tmp_path):
    (tmp_path / "test_mine.py").write_text(THREE_LINES)
    (tmp_path / "test_more.py").write_text(MORE)
    pytest_here = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rA",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        ".",
    ]
    command = [
        *pytest_here,
        "--bench-plugin",
        str(MUTANTS),
        "--bench-check",
        "mutant-skipsnan",
        "test_mine.py",
        "test_more.py",
    ]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=LONG, check=False
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert any(
        "test_mine.py::test_conformance[healthy-error-direction-is-right]" in x and "PASSED" in x
        for x in lines
    )
    assert any(
        "test_metric[mutant-wrong-way-direction-is-right]" in x and "XFAIL" in x and "so it is" in x
        for x in lines
    )
    failed = [x.partition(" - ")[0] for x in lines if x.startswith("FAILED")]
    assert sorted(x.split("::")[-1].split(" ")[-1] for x in failed) == [
        "bench-check[mutant-skipsnan-missing-values]",
        "test_metric[mutant-wrong-way-finite]",
    ]
    for part in (
        "  rule: A photograph without",
        "  seen: error of samples with NaN is",
        "  mend: let NaN through",
    ):
        assert any(line.startswith(part) for line in lines), done.stdout


@pytest.mark.parametrize("forks", [True, False])
def test_jobs_in_other_processes(tmp_path, forks):
    if forks and sys.platform != "linux":
        pytest.skip("processes are copied on Linux only")
    children = Children(tmp_path, forks=forks)
    owner = registry().owner("metrics", "variance")
    job = {"name": owner.name, "value": owner.value, "root": "", "plugins": []}
    try:
        folder, found = children.run("register", job, LONG)
        assert found == {"heavy": []}
        assert folder.is_dir()
        assert children.run("register", {**job, "value": "no_such_module"}, LONG)[1][
            "error"
        ].startswith("ModuleNotFoundError")
        assert children.run("nothing", job, LONG)[1]["error"].startswith("KeyError")
        assert children.leftovers() == set()
    finally:
        children.close()


def test_a_job_that_takes_too_long_is_killed_with_its_group(tmp_path):
    place = tmp_path / "slow_registration.py"
    place.write_text(
        "import subprocess, time\nsubprocess.Popen(['sleep', '1800'])\ntime.sleep(1800)\n"
    )
    children = Children(tmp_path)
    (plugin,) = local.find(place)
    job = {"name": plugin.name, "value": str(place), "root": str(place), "plugins": []}
    try:
        begun = children.begin("register", job)
        until(lambda: len(children.leftovers()) == 2)
        assert alive(begun.number)
        assert begun.result(0.1) is None
        assert not alive(begun.number)
        until(lambda: children.leftovers() == set())
    finally:
        children.close()


def test_a_session_leaves_nothing_behind():
    session = Session(LONG)
    suite.checkings(["paper"], session)[0].results()
    folder, server = session.folder, session.cold._server
    assert folder.is_dir()
    session.close()
    assert not folder.exists()
    assert server is None or server.returncode is not None


def test_checks_leave_global_states_alone(session):
    torch.manual_seed(3)
    before = state.random_states(), state.settings()
    suite.checkings(["marginal"], session)[0].results()
    assert (state.random_states(), state.settings()) == before


def test_no_check_imports_torch_before_it_is_needed():
    code = "import sys, bench.testing, bench.cli.check, bench.testing.pytest_plugin\nprint({'torch', 'pandas'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=True,
        env=os.environ,
    )
    assert done.stdout.strip() == "set()"


def test_the_toy_law_is_the_law_of_the_toy_photographs(tmp_path):
    """Frequencies of draws, the unbiased distance, and the truth's own probability."""
    ground = Ground.prepare(tmp_path)
    law = Toy().law(ground.test.ids)
    assert isinstance(law, ToyLaw)
    draws = law.sample(200, range(len(ground.test)))
    on = torch.stack([(draws == law.fields[:, i, None]).flatten(2).all(-1) for i in range(3)], -1)
    assert (
        on.double().mean(1) - law.p
    ).abs().max() < 0.12  # three and a half deviations of 200 draws
    assert (on.double().mean((0, 1)) - law.p.mean(0)).abs().max() < 0.035
    assert law.distance(draws[:, :50]).mean().abs() < 0.01
    grey = law.distance(torch.zeros_like(draws[:, :2]))
    torch.testing.assert_close(grey, 1 + law.p.square().sum(1))
    truth = ground.test.truth(slice(None))
    assert (law.log_prob(truth[:, None]) >= torch.log(torch.tensor(0.1)) - 1e-6).all()
    assert law.log_prob(torch.zeros(len(truth), 1, 2, 64, 64)).max() == -torch.inf
    assert len(PALETTE) == law.p.shape[1]


@pytest.mark.parametrize(
    ("kind", "name"), [("methods", "vae"), ("metrics", "variogram-score"), ("protocols", "paper")]
)
def test_other_values_of_every_declared_parameter_are_found(kind, name):
    found = {
        (spec.name, parameter.name): parameter
        for spec in registry().specs[kind].values()
        for parameter in spec.parameters
    }
    assert name in {of for of, _ in found}
    for place, parameter in found.items():
        values = list(others(parameter))
        assert values, place
        assert parameter.default not in values


def test_long_texts_are_one_line():
    assert one_line("") == ""
    assert len(one_line("x" * 1000)) == 300
