"""The examples and a scaffold of each kind, installed by pip in a fresh environment, are listed,
checked and used."""

import json
import re

import pandas as pd
import pytest

from bench.plugins.loader import KINDS

from .conftest import EXAMPLES, SCAFFOLDS

NAMES = {
    "method": "palette-transfer",
    "dataset": "mondrian",
    "metric": "histogram-intersection",
    "report": "mean-rank",
    "protocol": "square10",
    "executor": "shuffled",
}


def test_there_is_an_example_of_every_kind():
    assert set(EXAMPLES) == set(NAMES) == {kind.removesuffix("s") for kind in KINDS}


def test_the_example_method_is_short():
    files = [path for path in EXAMPLES["method"].rglob("*.py") if "build" not in path.parts]
    assert len(files) == 3
    assert sum(len(path.read_text().splitlines()) for path in files) < 100


def test_all_are_listed_with_their_distribution(fresh):
    rows = json.loads(fresh.run("bench", "list", "--json"))
    found = {(row["kind"], row["name"]): row["distribution"] for row in rows}
    assert found["method", "mdn"] == "huebench"
    for kind, name in [*NAMES.items(), *SCAFFOLDS.items()]:
        assert found[kind, name] == f"huebench-{name}"


def test_huebench_in_it_is_the_wheel(fresh):
    place = fresh.run(
        fresh.python,
        "-c",
        "import bench, bench.methods.mdn; print(bench.__file__, bench.methods.mdn.__file__)",
    )
    assert all(part.startswith(str(fresh.home / "venv")) for part in place.split())


def test_plugins_are_well(fresh):
    found = json.loads(fresh.run("bench", "plugins", "doctor", "--json"))
    assert {row["plugin"] for row in found} > {*NAMES.values(), *SCAFFOLDS.values()}
    assert [row for row in found if row["error"]] == []


@pytest.mark.parametrize("name", NAMES.values())
def test_an_example_passes_the_check(fresh, name):
    assert "passed" in fresh.run("bench", "check", name)


@pytest.mark.parametrize(
    "kind", [*(kind for kind in SCAFFOLDS if kind != "method"), "network"]
)  # a method's: with the page, docs/first-plugin.md
def test_a_scaffold_s_own_tests_pass_untouched(fresh, kind):
    out = fresh.run("pytest", "-q", cwd=fresh.scaffolds[kind])
    assert re.search(r"\d+ passed", out)
    assert "failed" not in out


@pytest.mark.parametrize("kind", ["metric", "report", "protocol", "executor"])
def test_an_example_s_own_tests_pass(fresh, kind):
    assert re.search(r"\d+ passed", fresh.run("pytest", "-q", cwd=fresh.examples[kind]))


LABEL = "palette-transfer[levels=16]"
RUN = [
    "bench",
    "run",
    "--dataset",
    "mondrian",
    "--limit-test",
    4,
    "--protocol",
    "square10[k=3,draws=4]",
]


@pytest.fixture(scope="module")
def together(fresh):
    """A run with all examples at once: what it printed, and its folder."""
    out = fresh.run(
        *RUN,
        "--methods",
        f"{LABEL},fresh-tint,marginal",
        "--executor",
        "shuffled",
        "--metrics",
        "histogram-intersection,fair-energy-score,absolute-error",
        "--out",
        "together",
    )
    return out, fresh.home / "together"


def test_a_run_with_all_examples_together_measures_the_method(together):
    out, run = together
    assert LABEL in out
    manifest = json.loads((run / "manifest.json").read_text())
    assert [(cell["method"], cell["dataset"], cell["status"]) for cell in manifest["cells"]] == [
        (name, "mondrian", "done") for name in (LABEL, "fresh-tint", "marginal")
    ]
    assert (
        manifest["protocol"]["name"],
        manifest["protocol"]["k"],
        manifest["protocol"]["draws"],
    ) == ("square10", 3, 4)
    scores = pd.read_parquet(run / "scores.parquet").astype(
        {"method": str, "metric": str, "ask": str}
    )
    mine = scores[(scores["method"] == LABEL) & (scores["metric"] == "histogram-intersection")]
    assert set(mine["ask"]) == {"present", "draws"}
    assert mine["value"].between(0, 1).all()
    assert mine["image"].nunique() == 4


def test_the_method_is_in_the_tables_and_on_the_page(together):
    _, run = together
    for table in ("ranking.md", "overview.md", "mean-rank.md", "mean-rank.csv"):
        assert LABEL in (run / "tables" / table).read_text()
    page = (run / "report" / "index.html").read_text()
    assert LABEL in page
    assert "Mean ranks" in page
    assert json.dumps(LABEL) in (run / "report" / "data.js").read_text()
    assert LABEL in (run / "report.md").read_text()


def test_the_metric_is_in_the_tables(together):
    _, run = together
    assert "histogram-intersection, mean ↑" in (run / "tables" / "overview.md").read_text()


@pytest.mark.slow
def test_the_order_of_execution_changes_nothing(fresh, together):
    """The same run, one cell after the other and in a store of its own."""
    _, run = together
    fresh.run(
        *RUN,
        "--methods",
        f"marginal,fresh-tint,{LABEL}",
        "--metrics",
        "fair-energy-score",
        "--store",
        "other-store",
        "--out",
        "serial",
    )
    both = [
        pd.read_parquet(folder / "scores.parquet").astype({"method": str})
        for folder in (run, fresh.home / "serial")
    ]
    drawn = [
        scores[(scores["metric"] == "fair-energy-score") & (scores["ask"] == "draws")]
        for scores in both
    ]
    values = [scores.set_index(["method", "image"])["value"].sort_index() for scores in drawn]
    assert len(values[0]) == 3 * 4
    assert values[0].equals(values[1])


QUICK = """[mypy]
strict = true
[mypy-torch.*,pandas.*,lightning.*,PIL.*,pyarrow.*]
follow_imports = skip
"""
"""Reading torch takes mypy a quarter of a minute: only the slow test does, and a network needs it."""


def test_mypy_accepts_scaffolds_and_examples(fresh):
    (fresh.home / "mypy.ini").write_text(QUICK)
    light = [folder for kind, folder in fresh.scaffolds.items() if kind != "network"]
    for folder in [*light, *fresh.examples.values()]:
        code = ["src"] if (folder / "src").is_dir() else sorted(folder.glob("*.py"))
        fresh.run(
            "mypy",
            "--config-file",
            fresh.home / "mypy.ini",
            "--cache-dir",
            fresh.home / "quick",
            *code,
            cwd=folder,
        )


@pytest.mark.slow
def test_mypy_accepts_the_scaffolds_by_their_own_configuration(fresh):
    for folder in fresh.scaffolds.values():
        fresh.run("mypy", "--cache-dir", fresh.home / "mypy", "src", cwd=folder)
