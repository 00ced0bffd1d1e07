"""`bench baseline write` and `bench gate`: exit statuses, files and the lines on the terminal."""

import json
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from bench import keys
from bench.gate.margins import parse
from bench.protocol import make_paper

from .conftest import BASE, lost, rows
from .test_gate import NOISE


@pytest.fixture
def bench(monkeypatch, command):
    """Run `bench ...` in the folder of the runs, where no GitHub is."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    return command


@pytest.fixture
def runs(folder):
    """A run, and one that is worse."""
    folder("before", rows(BASE), rows(BASE, "variance"))
    folder("worse", rows(BASE + 0.02 + NOISE), rows(BASE, "variance"))
    folder("alike", rows(BASE + NOISE), rows(BASE, "variance"))
    folder("other", rows(BASE), rows(BASE, "variance"), protocol=make_paper(antialias=False, k=3))
    folder("elsewhere", rows(BASE, method="zhang"))
    folder("failed", lost("failed", "no memory"))


def error_line(err):
    lines = [line for line in err.splitlines() if line.startswith("bench: ")]
    assert len(lines) == 1, err
    assert "Traceback" not in err
    return lines[0]


def test_a_baseline_is_written_and_the_same_run_passes(bench, runs):
    status, out, _ = bench("baseline", "write", "before", "baselines/demo.json")
    assert (status, out) == (0, "baseline: baselines/demo.json (2 quantities, 2 kB)\n")
    status, out, err = bench("gate", "before", "--baseline", "baselines/demo.json")
    assert (status, err) == (0, "")
    assert (
        " ".join(out.splitlines()[0].split())
        == "dataset method metric baseline run worse by [bounds] margin p verdict"
    )
    assert out.splitlines()[-1] == "2 ok: run before against baselines/demo.json"


@pytest.mark.parametrize(
    ("run", "options", "status", "says"),
    [
        ("worse", (), 1, "1 regressed, 1 ok"),
        ("worse", ("--margins", "gate.toml"), 0, "2 ok"),
        ("alike", (), 0, "1 inconclusive, 1 ok"),
        ("alike", ("--inconclusive", "fail"), 5, "1 inconclusive, 1 ok"),
        ("alike", ("--inconclusive", "fail", "--margins", "gate.toml"), 0, "2 ok"),
        ("failed", (), 1, "2 regressed"),
    ],
)
def test_exit_statuses(bench, runs, tmp_path, run, options, status, says):
    bench("baseline", "write", "before", "b.json")
    (tmp_path / "gate.toml").write_text('[[margin]]\nmetric = "fair-*"\nabsolute = 0.05\n')
    got, out, _ = bench("gate", run, "--baseline", "b.json", *options)
    assert got == status, out
    assert out.splitlines()[-1].startswith(says)


def test_what_can_t_be_compared_is_one_line_and_status_4(bench, runs):
    bench("baseline", "write", "before", "b.json")
    status, out, err = bench(
        "gate", "other", "--baseline", "b.json", "--junit", "j.xml", "--markdown", "m.md"
    )
    assert (status, out) == (4, "")
    assert error_line(err).endswith("k: 5 and 3")
    assert len(ElementTree.parse("j.xml").findall("*/testcase/error")) == 1


def test_nothing_to_gate_is_one_line_and_status_3(bench, runs):
    bench("baseline", "write", "before", "b.json")
    status, _, err = bench("gate", "elsewhere", "--baseline", "b.json")
    assert status == 3
    assert "the run has zhang on demo" in error_line(err)
    status, _, err = bench("baseline", "write", "failed", "c.json", "--force")
    assert status == 3
    assert "has nothing to gate: mdn on demo (seed 0): failed: no memory" in error_line(err)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("gate", "before"), "needs --baseline FILE"),
        (("gate", "before", "--baseline", "none.json"), "none.json is missing"),
        (("gate", "before", "worse", "--baseline", "b.json"), "takes one run"),
        (("gate", "before", "--baseline", "b.json", "--metrics", "variance"), "are for --suggest"),
        (
            ("gate", "before", "--baseline", "b.json", "--margins", "none.toml"),
            "none.toml is missing",
        ),
        (("gate", "none", "--baseline", "b.json"), "none is no run folder"),
        (("gate", "before", "--baseline", "before/manifest.json"), "is no baseline"),
        (("baseline", "write", "failed", "c.json"), "failed: no memory: run it again, or --force"),
        (("baseline", "write", "before", "before/manifest.json"), "exists and is no baseline"),
        (
            ("baseline", "write", "before", "b.json", "--metrics", "varianze"),
            "did you mean 'variance'",
        ),
    ],
)
def test_mistakes_are_one_line_and_status_2(bench, runs, arguments, says):
    bench("baseline", "write", "before", "b.json")
    status, _, err = bench(*arguments)
    assert status == 2
    assert says in error_line(err)


def test_all_files_of_one_gate(bench, runs, tmp_path, monkeypatch):
    bench("baseline", "write", "before", "b.json")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    options = ("--markdown", "out/gate.md", "--junit", "out/gate.xml", "--json", "out/gate.json")
    status, out, _ = bench("gate", "worse", "--baseline", "b.json", *options)
    assert status == 1
    assert (
        sum(
            line.startswith("::error title=bench gate%3A regressed::fair-energy-score")
            for line in out.splitlines()
        )
        == 1
    )
    assert len(ElementTree.parse("out/gate.xml").findall("*/testcase/failure")) == 1
    assert json.loads((tmp_path / "out/gate.json").read_text())["exit_code"] == 1
    assert (tmp_path / "summary.md").read_text() == (tmp_path / "out/gate.md").read_text() + "\n"
    assert "::error" not in bench("gate", "worse", "--baseline", "b.json", "--no-github")[1]
    monkeypatch.delenv("GITHUB_ACTIONS")
    assert "::error" not in bench("gate", "worse", "--baseline", "b.json")[1]
    assert "::error" in bench("gate", "worse", "--baseline", "b.json", "--github")[1]


def test_a_bench_toml_says_the_same_and_options_win(bench, runs, tmp_path):
    bench("baseline", "write", "before", "b.json")
    (tmp_path / "bench.toml").write_text(
        '[gate]\nbaseline = "b.json"\ninconclusive = "fail"\n[[gate.margin]]\nabsolute = 0.05\n'
    )
    assert bench("gate", "worse", "--config", "bench.toml")[0] == 0
    (tmp_path / "gate.toml").write_text("[[margin]]\nabsolute = 0.001\n")
    assert bench("gate", "worse", "--config", "bench.toml", "--margins", "gate.toml")[0] == 1
    assert bench("gate", "alike", "--config", "bench.toml", "--margins", "gate.toml")[0] == 5
    assert (
        bench(
            "gate",
            "alike",
            "--config",
            "bench.toml",
            "--margins",
            "gate.toml",
            "--inconclusive",
            "warn",
        )[0]
        == 0
    )
    (tmp_path / "bench.toml").write_text("[gate]\nmargn = 1\n")
    status, _, err = bench("gate", "worse", "--config", "bench.toml", "--baseline", "b.json")
    assert status == 2
    assert "bench.toml [gate]: unknown key 'margn': did you mean 'margin'" in error_line(err)


def test_suggested_margins_are_the_noise_of_seeds_and_a_gate_with_them_passes_another_seed(
    bench, folder, tmp_path
):
    rng = np.random.default_rng(0)
    shifts = rng.normal(0, 0.02, 6)
    folder("five", *(rows(BASE + shift, seed=seed) for seed, shift in enumerate(shifts[:5])))
    status, out, _ = bench("gate", "five", "--suggest")
    assert status == 0
    settings = parse(tomllib.loads(out), "printed")
    (rule,) = settings.rules
    floor = (
        np.std(shifts[:5], ddof=1) * np.sqrt(2) * 2.13185
    )  # t of 4 degrees of freedom, one-sided 95 %
    assert floor <= rule.absolute <= 1.1 * floor
    assert (rule.dataset, rule.method, rule.metric, rule.variant) == (
        "demo",
        "mdn",
        "fair-energy-score",
        "field",
    )
    (tmp_path / "gate.toml").write_text(out)
    bench("baseline", "write", "five", "b.json")
    assert (
        "below the noise floor"
        not in bench("gate", "five", "--baseline", "b.json", "--margins", "gate.toml")[1]
    )
    assert (
        "1 of 1 margins lie below the noise floor"
        in bench("gate", "five", "--baseline", "b.json")[1]
    )


def test_several_runs_of_one_seed_each_suggest_the_same_as_one_of_all(bench, folder):
    shifts = (0.0, 0.03, 0.01)
    folder("all", *(rows(BASE + shift, seed=seed) for seed, shift in enumerate(shifts)))
    names = [
        folder(f"one{seed}", rows(BASE + shift, seed=seed)).name
        for seed, shift in enumerate(shifts)
    ]

    def margin(*runs):
        return (
            parse(tomllib.loads(bench("gate", *runs, "--suggest")[1]), "printed").rules[0].absolute
        )

    assert margin(*names) == margin("all") == margin("all", *names)


def test_a_seed_that_is_found_twice_counts_once_and_must_be_the_same(bench, folder):
    folder("one", rows(BASE), rows(BASE + 0.02, seed=1))
    folder("again", rows(BASE + 0.01))
    status, _, err = bench("gate", "one", "again", "--suggest")
    assert status == 2
    assert (
        "in another run: the noise floor needs runs that differ in their seeds only"
        in error_line(err)
    )


def test_a_floor_of_runs_that_differ_in_more_than_seeds_is_refused(bench, folder):
    folder("one", rows(BASE), rows(BASE + 0.02, seed=1))
    few = folder("few", rows(BASE, seed=2))
    manifest = json.loads((few / "manifest.json").read_text())
    manifest["protocol"]["draws"] = 3
    manifest["protocol_digest"] = keys.key("protocol", **manifest["protocol"])
    (few / "manifest.json").write_text(json.dumps(manifest))
    for command in (
        ("gate", "one", "few", "--suggest"),
        ("baseline", "write", "one", "b.json", "--floor", "few"),
    ):
        status, _, err = bench(*command)
        assert status == 4
        assert "are not comparable: draws" in error_line(err)


def test_a_floor_can_come_from_other_runs(bench, folder):
    folder("one", rows(BASE))
    folder("more", *(rows(BASE + 0.01 * seed, seed=seed) for seed in (1, 2, 3)))
    bench("baseline", "write", "one", "b.json", "--floor", "more")
    assert "floor" in bench("gate", "one", "--baseline", "b.json")[1]
    assert len(json.loads(Path("b.json").read_text())["floors"]) == 1


def test_one_seed_suggests_nothing(bench, runs):
    status, _, err = bench("gate", "before", "--suggest")
    assert status == 3
    assert "needs two training seeds or more" in error_line(err)


def test_methods_with_quotes_are_legal_toml(bench, folder):
    name = 'odd["\\é\n]'
    folder("odd", *(rows(BASE + 0.01 * seed, method=name, seed=seed) for seed in range(3)))
    rules = parse(tomllib.loads(bench("gate", "odd", "--suggest")[1]), "printed").rules
    assert [rule.method for rule in rules] == [name]
