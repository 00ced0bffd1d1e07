"""A table that is one decorated function."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench.extend import table
from bench.output import Output, request
from bench.plugins import loader
from bench.plugins.selection import Switches
from bench.scores.intervals import Estimate

SIZES = '''
from bench.extend import table

def sizes_bars(axes, rows):
    """Photographs of each run."""
    axes.bar(rows["run"], rows["photographs"])

@table(title="Photographs", figures=[sizes_bars], order=7, licence="MIT")
def run_sizes(results):
    """How many photographs each run has.

    Counted *by id*.
    """
    return [{"run": r.folder.name, "photographs": r.scores["image"].nunique()} for r in results]
'''


def drawn_whole(figure, rows, results):
    """The whole figure."""
    figure.suptitle(f"{results[0]} of {len(rows)}")


def drawn_axes(rows, axes):
    """One panel."""
    axes.plot(rows["n"], label="a $b$ c")
    axes.legend()


@table(
    title="A title",
    caption="Above *it*.",
    columns={"where": "Data set"},
    figures=(drawn_whole, drawn_axes),
)
def all_kinds(results):
    """A table of all kinds of values"""
    return [
        {"where": "a|b", "n": 1234, "share": 0.12345, "error": Estimate(1.5, 1.25, 1.75, 9)},
        {"where": "*c*", "n": 5, "share": np.float64("nan"), "error": None, "late": True},
    ]


@table()
def from_frame(results):
    """A data frame."""
    return pd.DataFrame({"method": pd.Categorical(["x"]), "n": [3]})


@table()
def wrong(results):
    """No rows."""
    return results


def written(function, folder, results=("first",), **wanted):
    return {
        path.relative_to(folder).as_posix(): path
        for path in function.spec.load()(list(results), request(folder, **wanted))
    }


def test_rows_are_written_in_every_format(tmp_path):
    found = written(all_kinds, tmp_path)
    tables = [f"tables/all-kinds.{end}" for end in ("md", "html", "tex", "csv")]
    figures = [
        f"figures/drawn-{name}.{end}" for name in ("whole", "axes") for end in ("png", "svg")
    ]
    assert list(found) == tables + figures
    assert found["tables/all-kinds.md"].read_text() == (
        "### A title\n\nAbove *it*.\n\n"
        "| Data set | N | Share | Error | Late |\n| --- | ---: | ---: | ---: | ---: |\n"
        "| a\\|b | 1,234 | 0.123 | 1.50 [1.25, 1.75] | – |\n| \\*c\\* | 5 | – | – | True |\n"
    )
    frame = pd.read_csv(found["tables/all-kinds.csv"])
    assert frame.columns.tolist() == [
        "where", "n", "share", "error_mean", "error_low", "error_high", "error", "late",
    ]  # fmt: skip
    assert frame["share"].tolist() == [0.12345, pytest.approx(np.nan, nan_ok=True)]
    assert r"\caption{A title. Above \emph{it}.}" in found["tables/all-kinds.tex"].read_text()


def test_only_what_is_wanted_is_written(tmp_path):
    found = written(all_kinds, tmp_path, formats=["csv"], figures=["drawn-axes"])
    assert list(found) == [
        "tables/all-kinds.csv",
        "figures/drawn-axes.png",
        "figures/drawn-axes.svg",
    ]


def test_a_figure_has_what_its_function_takes_and_obeys_no_label(tmp_path):
    found = written(all_kinds, tmp_path)
    axes, whole = (found[f"figures/drawn-{name}.png"] for name in ("axes", "whole"))
    with Image.open(axes) as image:
        assert min(image.size) > 400
    assert "a $b$ c" in found["figures/drawn-axes.svg"].read_text()
    assert "first of 2" in found["figures/drawn-whole.svg"].read_text()
    assert axes.read_bytes() != whole.read_bytes()
    again = written(all_kinds, tmp_path / "again")
    assert (
        again["figures/drawn-axes.svg"].read_bytes() == found["figures/drawn-axes.svg"].read_bytes()
    )


def test_a_data_frame_is_as_good_and_without_rows_there_is_no_table(tmp_path):
    text = written(from_frame, tmp_path)["tables/from-frame.md"].read_text()
    assert text == "### A data frame\n\n| Method | N |\n| --- | ---: |\n| x | 3 |\n"
    assert written(wrong, tmp_path, results=[]) == {}


def test_what_are_no_rows_is_said_in_one_line(tmp_path):
    with pytest.raises(
        ValueError, match=r"^wrong gave a list: return a list of mappings, one a ro"
    ):
        written(wrong, tmp_path)


def test_the_function_stays_and_its_spec_says_what_it_draws():
    assert all_kinds([])[0]["n"] == 1234
    spec = all_kinds.spec
    assert (spec.name, spec.summary) == ("all-kinds", "A table of all kinds of values")
    assert spec.figures == {"drawn-whole": "The whole figure", "drawn-axes": "One panel"}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("order=", "ordr=", "unknown option of @table 'ordr': did you mean 'order'?"),
        ('"""How many', 'text = """How many', "ValueError: run_sizes needs a docstring"),
        ('"""Photographs', 'text = """Photographs', "ValueError: sizes_bars needs a docstring"),
    ],
)
def test_a_mistake_is_the_plugin_s_error_in_one_line(tmp_path, old, new, says):
    assert SIZES.count(old) == 1
    (tmp_path / "sizes.py").write_text(SIZES.replace(old, new))
    found = loader.load(
        c for c in loader.candidates(Switches((tmp_path / "sizes.py",))) if c.plugin.content
    )
    assert says in found.plugins[0].error


def test_it_keeps_the_rules_and_is_in_the_report_of_a_run(command, tmp_path):
    path = tmp_path / "sizes.py"
    path.write_text(SIZES)
    status, out, err = command("check", "--plugin", path, "run-sizes")
    assert status == 0, out + err
    given = ["run", "--plugin", path, "-m", "grey", "-d", "demo", "--metrics", "absolute-error"]
    given += ["--limit-train", "8", "--limit-test", "2", "--store", "store", "--out", "here"]
    assert command(*given)[0] == 0
    text = (tmp_path / "here/tables/run-sizes.md").read_text()
    assert text.splitlines()[-1] == "| here | 2 |"
    page = (tmp_path / "here/report/index.html").read_text()
    assert "Counted <em>by id</em>" in page
    assert "Photographs of each run" in page


def test_importing_it_is_light():
    code = (
        "import sys; from bench.extend import table\n"
        "print({'torch', 'pandas', 'matplotlib', 'numpy', 'markdown_it'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_report_is_not_written_where_no_format_is_wanted(tmp_path):
    out = Output(tmp_path, frozenset(), frozenset())
    assert all_kinds.spec.load()(["first"], out) == []
