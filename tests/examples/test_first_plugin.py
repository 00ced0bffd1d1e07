"""docs/first-plugin.md: its commands run as they are typed, and its changes apply."""

import re
import shlex

import pandas as pd
import pytest

from .conftest import ROOT

PAGE = ROOT / "docs" / "first-plugin.md"


@pytest.fixture(scope="module")
def typed(fresh):
    """What every command of the page printed, and the folder that it left behind."""
    folder, printed = fresh.home / "tour", {}
    folder.mkdir()
    where = folder
    for kind, block in re.findall(
        r"^```(\w*)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    ):
        if kind == "diff":
            change(where, block)
            continue
        for line in block.splitlines():
            command = shlex.split(line)
            if command[0] == "cd":
                where = (where / command[1]).resolve(strict=True)
            else:
                printed.setdefault(line, []).append(fresh.run(*command, cwd=where))
    yield printed, where
    fresh.run("pip", "uninstall", "-q", "-y", "huebench-halo")


def change(package, block):
    """Apply a change to the one file in which its lines before are found, once."""
    lines = block.splitlines()
    before, after = (
        "".join(f"{line[1:]}\n" for line in lines if line[:1] in (" ", sign)) for sign in "-+"
    )
    files = [path for path in sorted((package / "src").rglob("*.py")) if before in path.read_text()]
    assert len(files) == 1
    assert files[0].read_text().count(before) == 1
    files[0].write_text(files[0].read_text().replace(before, after))


def test_the_method_is_found_as_a_local_file_and_installed(typed):
    printed, _ = typed
    assert "halo" in printed["bench --plugin . list methods"][0]
    assert "halo" in printed["bench list methods"][0]
    assert "huebench-halo 0.1.0" in printed["bench --plugin . show halo"][0]


def test_its_tests_pass_before_and_after_the_change(typed):
    printed, _ = typed
    assert len(printed["pytest"]) == 2
    assert all(
        re.search(r"\d+ passed", text) and "failed" not in text for text in printed["pytest"]
    )


def test_it_is_in_the_tables_and_on_the_page(typed):
    _, package = typed
    run = package / "runs" / "first"
    for table in ("ranking.md", "overview.md", "presented.md"):
        assert "halo" in (run / "tables" / table).read_text()
    assert "halo" in (run / "report" / "index.html").read_text()
    assert '"halo"' in (run / "report" / "data.js").read_text()


def test_the_change_changes_its_scores_and_those_of_nothing_else(typed):
    _, package = typed
    runs = [
        pd.read_parquet(package / "runs" / name / "scores.parquet").astype({"method": str})
        for name in ("first", "second")
    ]
    for method, same in (("halo", False), ("marginal", True)):
        values = [
            scores.loc[scores["method"] == method, "value"].reset_index(drop=True)
            for scores in runs
        ]
        assert values[0].equals(values[1]) is same


def test_the_comparison_and_the_ranking_say_what_the_page_says(typed):
    printed, package = typed
    lines = [
        line.split()
        for line in printed["bench compare runs/first runs/second"][0].splitlines()
        if line.startswith("demo ")
    ]
    words = {(method, metric): rest[-1] for _, method, metric, *rest in lines}
    assert words["halo", "absolute-error"] == words["halo", "fair-variogram-score"] == "better"
    assert words["halo", "fair-energy-score"] == "shown"  # no difference shown
    assert {word for (method, _), word in words.items() if method != "halo"} == {"identical"}
    assert any((package / "compare-first-second").iterdir())
    assert (
        "a control, nor to be worse**: halo"
        in (package / "runs" / "first" / "tables" / "ranking.md").read_text()
    )


def test_the_changed_package_is_still_clean(typed, fresh):
    _, package = typed
    fresh.run("ruff", "check", ".", cwd=package)


def test_the_page_s_files_are_those_that_are_written(typed):
    _, package = typed
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    files = [name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])]
    assert len(files) == 7
    assert all((package / name).is_file() for name in files)


def test_every_command_of_the_page_is_known_here(typed):
    printed, _ = typed
    assert {line.split()[0] for line in printed} == {"bench", "pip", "pytest"}


def test_the_page_links_to_what_there_is():
    links = re.findall(r"\]\(([^)#]+)\)", PAGE.read_text())
    assert links
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


def test_a_change_that_is_not_found_or_found_twice_fails(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("x = 1\nx = 1\n")
    with pytest.raises(AssertionError, match="2 == 1"):
        change(tmp_path, "-x = 1\n+x = 2\n")
    with pytest.raises(AssertionError, match="0 == 1"):
        change(tmp_path, "-y = 1\n+y = 2\n")
