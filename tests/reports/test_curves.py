"""The figures of draws."""

import matplotlib.text
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench.output import Output
from bench.reports import curves

REPORT = curves

N, M = 60, 10


def drawn_rows(make, name, *, n=N, curve=True, shift=0.0, spread=None, **more):
    rng = np.random.default_rng(4)
    error = rng.gamma(6, 0.01, n)
    rows = []
    for draws in range(1, M + 1) if curve else ():
        rows += make.rows(
            name,
            {("error-of-best-curve", "sum", "all"): error / draws + shift},
            ask="draws",
            k=draws,
            **more,
        )
    shares = np.full((M + 1, n), 1 / (M + 1))
    shares[0], shares[1:] = 0.5, 0.05
    values = {("rank-histogram", f"bin-{b}"): shares[b] for b in range(M + 1)}
    values |= {
        ("spread-skill", "spread"): np.linspace(1, 2, n) if spread is None else spread,
        ("spread-skill", "skill"): np.linspace(1, 2, n) * rng.uniform(0.8, 1.2, n),
    }
    return rows + make.draws(name, values, **more)


def words(figure):
    return " ".join(t.get_text().replace("\n", " ") for t in figure.findobj(matplotlib.text.Text))


def test_figures_are_written_in_two_formats_and_their_numbers_as_csv(make, tmp_path):
    paths = curves.write(
        [make.results(tmp_path / "run", drawn_rows(make, "mdn", n=120))], Output(tmp_path)
    )
    names = ["error-of-best-curve", "rank-histogram-lfw", "spread-skill"]
    assert (
        {p.stem for p in paths if p.suffix == ".png"}
        == {p.stem for p in paths if p.suffix == ".svg"}
        == set(names)
    )
    assert [p.name for p in paths if p.suffix == ".csv"] == [
        "error-of-best-curve.csv",
        "rank-histogram.csv",
    ]
    for path in (p for p in paths if p.suffix == ".png"):
        with Image.open(path) as image:
            assert np.asarray(image.convert("L")).std() > 5


def test_the_same_results_give_the_same_files(make, tmp_path):
    results = [make.results(tmp_path / "run", drawn_rows(make, "mdn"))]
    once, twice = (curves.write(results, Output(tmp_path / name)) for name in "ab")
    assert [p.read_bytes() for p in once] == [p.read_bytes() for p in twice]


def test_a_curve_has_the_mean_of_its_column_for_every_n(make, tmp_path, drawn):
    rows = drawn_rows(make, "mdn") + drawn_rows(make, "grey", shift=0.1, role="control")
    curves.write([make.results(tmp_path / "run", rows)], Output(tmp_path))
    mdn, grey = drawn["error-of-best-curve"].axes[0].lines
    mean = np.random.default_rng(4).gamma(6, 0.01, N).mean()
    assert mdn.get_xdata() == pytest.approx(np.arange(1, M + 1))
    assert mdn.get_ydata() == pytest.approx(mean / np.arange(1, M + 1))
    assert [mdn.get_linestyle(), grey.get_linestyle()] == ["-", "--"]
    table = pd.read_csv(tmp_path / "tables/error-of-best-curve.csv")
    assert len(table) == 2 * M
    assert (table.low < table.value).all()


def test_bars_are_shares_beside_the_flat_line_and_a_high_one_has_its_number(make, tmp_path, drawn):
    curves.write([make.results(tmp_path / "run", drawn_rows(make, "mdn"))], Output(tmp_path))
    (axes,) = drawn["rank-histogram-lfw"].axes
    assert [b.get_height() for b in axes.patches] == pytest.approx([0.5] + [0.05] * M)
    flat = next(line for line in axes.lines if line.get_linestyle() == "--")
    assert list(flat.get_ydata()) == pytest.approx([1 / (M + 1)] * 2)
    assert "0.50" in words(drawn["rank-histogram-lfw"])
    assert axes.get_ylim()[1] < 0.5


def test_spread_is_binned_by_spread_and_few_photographs_give_no_plot(make, tmp_path, drawn):
    curves.write([make.results(tmp_path / "run", drawn_rows(make, "mdn", n=99))], Output(tmp_path))
    assert "spread-skill" not in drawn
    order = np.random.default_rng(0).permutation(np.linspace(1, 2, 100))
    curves.write(
        [make.results(tmp_path / "run", drawn_rows(make, "mdn", n=100, spread=order))],
        Output(tmp_path),
    )
    line, diagonal = drawn["spread-skill"].axes[0].lines
    halves = np.linspace(1, 2, 100).reshape(2, 50).mean(1)
    assert line.get_xdata() == pytest.approx(np.sqrt(halves))
    assert diagonal.get_xdata() == pytest.approx(diagonal.get_ydata())


def test_what_is_not_shown_is_named(make, tmp_path, drawn):
    rows = drawn_rows(make, "mdn") + drawn_rows(make, "cvae", curve=False)
    rows += [
        make.refused("cvae", "error-of-best-curve", "it can't draw"),
        make.failed("zhang", "killed"),
    ]
    curves.write([make.results(tmp_path / "run", rows)], Output(tmp_path))
    assert "not shown: cvae (refused), zhang (failed)" in words(drawn["error-of-best-curve"])
    assert "not shown: zhang (failed)" in words(drawn["rank-histogram-lfw"])
    legend = [t.get_text() for t in drawn["error-of-best-curve"].legends[0].get_texts()]
    assert legend == ["mdn"]


def test_older_runs_and_codecs_give_no_figure(make, tmp_path):
    rows = make.rows("mdn", {("variance", "ab", "all"): np.ones(N)})
    rows += make.rows(
        "vae", {("absolute-error", "sum", "all"): np.ones(N)}, role="codec", kind="reconstruction"
    )
    assert curves.write([make.results(tmp_path / "run", rows)], Output(tmp_path)) == []
    assert curves.write([make.results(tmp_path / "run", [])], Output(tmp_path)) == []


def test_odd_names_are_shown_as_they_are(make, tmp_path):
    odd = "a $x_ {b$ c"
    paths = curves.write(
        [make.results(tmp_path / "run", drawn_rows(make, odd, dataset=odd), (odd,))],
        Output(tmp_path),
    )
    assert any(p.name.startswith("rank-histogram-a-x_-b-c-") for p in paths)
