"""The table of all metrics: nobody is left out, and every value is what its title says."""

import numpy as np
import pandas as pd
import pytest

from bench.output import Output
from bench.reports import overview
from bench.reports.headlines import headlines
from bench.reports.score_ranks import best_set
from bench.reports.scores import gather

N = 30
EOB = ("error-of-best", "sum", "all")


def errors(seed, shift=0.0):
    return np.random.default_rng(seed).gamma(6, 0.01, N) + shift


def written(make, folder, rows, **more):
    paths = overview.write([make.results(folder / "run", rows, **more)], Output(folder))
    return paths, pd.read_csv(folder / "tables/overview.csv")


def test_methods_of_different_k_stand_side_by_side(make, tmp_path):
    rows = make.rows("grey", {EOB: errors(1)}, kind="point", k=1, role="control")
    rows += make.rows("mdn", {EOB: errors(2)}, kind="modes", k=5)
    _, table = written(make, tmp_path, rows)
    values = table.set_index("method")
    assert values.loc["grey", "value_mean"] == pytest.approx(errors(1).mean())
    assert values.loc["mdn", "value_mean"] == pytest.approx(errors(2).mean())
    assert values["k"].to_dict() == {"grey": 1, "mdn": 5}


def test_a_curve_stands_for_all_its_draws(make, tmp_path):
    rows = [
        {**row, "k": n}
        for n in (1, 2, 10)
        for row in make.draws("mdn", {("error-of-best-curve", "sum"): errors(n)})
    ]
    _, table = written(make, tmp_path, rows)
    assert table.set_index("metric").loc["error-of-best-curve", "value_mean"] == pytest.approx(
        errors(10).mean()
    )


def test_a_ratio_is_the_ratio_and_no_part_of_it(make, tmp_path):
    rows = make.draws(
        "mdn", {("spread-skill", "spread"): errors(1), ("spread-skill", "skill"): errors(2)}
    )
    paths, table = written(
        make,
        tmp_path,
        rows,
        sets=[make.set("mdn", "spread-skill", "ratio", 0.8, 0.7, 0.9, images=N)],
    )
    assert table.set_index("metric").loc[
        "spread-skill", ["variant", "value_mean", "value_low"]
    ].tolist() == ["ratio", 0.8, 0.7]
    assert "0.800 [0.700, 0.900]" in paths[0].read_text()


def test_a_metric_whose_variants_follow_the_draws_is_there(make, tmp_path):
    _, table = written(make, tmp_path, make.draws("mdn", {("coverage", "a-82"): errors(1)}))
    assert table["metric"].tolist() == ["coverage"]


def test_a_metric_that_nobody_has_installed_is_there(make, tmp_path):
    _, table = written(make, tmp_path, make.draws("mdn", {("someone-elses", "x"): errors(1)}))
    assert table["variant"].tolist() == ["x"]


def test_bold_are_the_best_colourizers_and_those_not_told_from_them(make, tmp_path):
    base = errors(1)
    rows = [
        row
        for name, gap, role in (
            ("a", 0, "colourizer"),
            ("b", 1e-5, "colourizer"),
            ("c", 0.05, "colourizer"),
            ("truth", -0.05, "control"),
        )
        for row in make.draws(
            name, {("fair-energy-score", "field"): base + gap * (1 + errors(7))}, role=role
        )
    ]
    (line,) = [
        x
        for x in written(make, tmp_path, rows)[0][0].read_text().splitlines()
        if x.startswith("| fair-energy-score")
    ]
    assert [cell.strip().startswith("**") for cell in line.split("|")[2:-1]] == [
        True,
        False,
        False,
        False,
    ]
    entries = gather(
        [make.results(tmp_path / "run", rows)], None, ["colourizer", "control"], draws=True
    )["lfw"]
    measure = headlines(entries)[0].measure
    assert best_set(entries, measure, "down") == ("a",)
    assert best_set(entries, measure, "up") == ("c",)
    assert best_set(entries, measure, "none") == ()


def test_likelihoods_are_never_bold(make, tmp_path):
    nll = ("negative-log-likelihood", "photograph")
    rows = [
        row
        for name, gap in (("mdn", 0), ("zhang", 5))
        for row in make.draws(name, {nll: errors(1) + gap})
    ]
    assert "**" not in line_of(written(make, tmp_path, rows)[0][0], nll[0])


def test_a_row_says_which_of_several_variants_it_is(make, tmp_path):
    rows = make.draws(
        "mdn",
        {
            ("coverage", "a-82"): errors(1),
            ("coverage", "b-82"): errors(2),
            ("psnr", "mean-of-n"): errors(3),
        },
    )
    page = written(make, tmp_path, rows)[0][0]
    assert line_of(page, "coverage").startswith("| coverage, a-82 ")
    assert line_of(page, "psnr").startswith("| psnr ↓ |")  # as the rows here say


def line_of(page, metric):
    (line,) = [line for line in page.read_text().splitlines() if line.startswith(f"| {metric}")]
    return line


def test_the_captions_say_how_many_samples_each_half_has(make, tmp_path):
    rows = make.draws("mdn", {("psnr", "mean-of-n"): errors(1)}) + make.rows(
        "mdn", {EOB: errors(2)}, kind="modes", k=5
    )
    text = written(make, tmp_path, rows)[0][0].read_text()
    assert "**Of independent draws. Samples a photograph: 10" in text
    assert "**Of what is presented. Samples a photograph: 5" in text


def test_nothing_measured_nothing_written(make, tmp_path):
    assert overview.write([make.results(tmp_path / "run", [])], Output(tmp_path)) == []
