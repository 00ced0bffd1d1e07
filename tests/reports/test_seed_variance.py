"""The plot of training seeds."""

import matplotlib.text
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from bench.output import Output
from bench.reports import seed_variance
from bench.scores.intervals import seed_split

REPORT = seed_variance

N = 30
BASE = np.random.default_rng(0).gamma(6, 0.01, N)
ENERGY = ("fair-energy-score", "field")


def values(seeds, effect=0.002, n=N):
    rng = np.random.default_rng(4)
    return BASE[:n] + rng.normal(0, effect, (seeds, 1)) + rng.normal(0, 0.001, (seeds, n))


def trained(make, name, table, **more):
    return [
        r
        for seed, row in enumerate(table)
        for r in make.draws(name, {ENERGY: row}, seed=seed, **more)
    ]


def panel(make, tmp_path, drawn, rows):
    seed_variance.write([make.results(tmp_path / "run", rows)], Output(tmp_path))
    return drawn["seed-variance"].axes[0]


def row(axes, number):
    """A method's seeds, both intervals and the mean."""
    seeds, both, photographs, mean = axes.lines[4 * number : 4 * number + 4]
    return seeds, both, photographs, mean


def words(figure):
    return " ".join(t.get_text().replace("\n", " ") for t in figure.findobj(matplotlib.text.Text))


def test_the_figure_is_written_in_two_formats_and_its_numbers_as_csv(make, tmp_path):
    results = [make.results(tmp_path / "run", trained(make, "mdn", values(3)))]
    once, twice = (seed_variance.write(results, Output(tmp_path / name)) for name in "ab")
    assert [p.name for p in once] == ["seed-variance.png", "seed-variance.svg", "seed-variance.csv"]
    assert [p.read_bytes() for p in once] == [p.read_bytes() for p in twice]
    with Image.open(once[0]) as image:
        assert np.asarray(image.convert("L")).std() > 5


def test_points_are_seeds_and_the_intervals_those_of_the_split(make, tmp_path, drawn):
    table = values(4)
    axes = panel(make, tmp_path, drawn, trained(make, "mdn", table))
    seeds, both, photographs, mean = row(axes, 0)
    assert list(seeds.get_xdata()) == pytest.approx(table.mean(1))
    assert list(mean.get_xdata()) == pytest.approx([table.mean()])
    half = stats.t.ppf(0.975, N - 1) * table.mean(0).std(ddof=1) / np.sqrt(N)
    assert list(photographs.get_xdata()) == pytest.approx(
        [table.mean() - half, table.mean() + half]
    )
    split = seed_split(table)
    assert list(both.get_xdata()) == pytest.approx([split.mean.low, split.mean.high])
    assert both.get_xdata()[0] < photographs.get_xdata()[0]
    assert photographs.get_linewidth() > 2 * both.get_linewidth()
    (record,) = pd.read_csv(tmp_path / "tables/seed-variance.csv").to_dict("records")
    for name in (
        "seed_variance",
        "image_variance",
        "rest_variance",
        "seed_error",
        "image_error",
        "seeds",
    ):
        assert record[name] == pytest.approx(getattr(split, name))
    assert [record["mean"], record["low"], record["high"]] == pytest.approx(
        [split.mean.mean, split.mean.low, split.mean.high]
    )
    assert record["high_photographs"] == pytest.approx(table.mean() + half)
    assert record["images"] == N


def test_one_seed_is_hollow_and_what_another_would_change_is_not_known(make, tmp_path, drawn):
    rows = trained(make, "mdn", values(2)) + trained(make, "zhang", values(1))
    axes = panel(make, tmp_path, drawn, rows)
    seeds, both, photographs, mean = row(axes, 1)
    assert mean.get_markerfacecolor() == seeds.get_markerfacecolor() == "white"
    assert row(axes, 0)[3].get_markerfacecolor() != "white"
    assert np.isnan(both.get_xdata()).all()
    assert np.isfinite(photographs.get_xdata()).all()
    assert "one training seed: not known what another would change" in words(drawn["seed-variance"])
    table = pd.read_csv(tmp_path / "tables/seed-variance.csv").set_index("method")
    assert table.loc["zhang", ["low", "high", "seed_variance", "seed_error"]].isna().all()
    assert table.loc["zhang", ["low_photographs", "image_error"]].notna().all()


def test_controls_are_below_a_dashed_line(make, tmp_path, drawn):
    rows = (
        trained(make, "grey", values(1), role="control")
        + trained(make, "mdn", values(2))
        + trained(make, "cvae", values(2))
    )
    axes = panel(make, tmp_path, drawn, rows)
    assert [t.get_text() for t in axes.get_yticklabels()] == ["mdn", "cvae", "grey (control)"]
    (split,) = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert list(split.get_ydata()) == [1.5, 1.5]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_failed_seeds_and_methods_and_lost_photographs_are_named(make, tmp_path, drawn):
    table = values(2)
    table[1, :3] = np.nan
    rows = [
        *trained(make, "mdn", table),
        make.failed("mdn", "killed", seed=5),
        make.failed("cvae", "killed"),
    ]
    rows += [make.refused("knn", "fair-energy-score", "it can't draw")]
    panel(make, tmp_path, drawn, rows)
    shown = words(drawn["seed-variance"])
    assert "seeds not shown: mdn 5 (failed)" in shown
    assert "without a value in some seed: mdn 3" in shown
    assert "not shown: cvae (failed), knn (refused)" in shown
    (record,) = pd.read_csv(tmp_path / "tables/seed-variance.csv").to_dict("records")
    assert record["images"] == N - 3
    assert record["mean"] == pytest.approx(table[:, 3:].mean())


def test_only_data_sets_on_which_a_method_has_several_seeds(make, tmp_path, drawn):
    odd = "a/b $x$ <y>"
    rows = trained(make, "mdn", values(2), dataset=odd) + trained(
        make, "mdn", values(1), dataset="lfw"
    )
    seed_variance.write([make.results(tmp_path / "run", rows, ("lfw", odd))], Output(tmp_path))
    assert [a.get_title() for a in drawn["seed-variance"].axes] == [odd]


@pytest.mark.filterwarnings("error:constrained_layout")
def test_long_remarks_leave_room_for_the_rows(make, tmp_path):
    failed = [make.failed(f"a_method_with_a_long_name[number={i}]", "killed") for i in range(20)]
    rows = [*trained(make, "mdn", values(2)), *failed]
    assert len(seed_variance.write([make.results(tmp_path / "run", rows)], Output(tmp_path))) == 3


def test_odd_names_are_no_mathematics(make, tmp_path):
    odd = "a $x_ {b$ c"
    rows = trained(make, odd, values(2), dataset=odd)
    assert (
        len(seed_variance.write([make.results(tmp_path / "run", rows, (odd,))], Output(tmp_path)))
        == 3
    )


def test_one_seed_everywhere_or_not_wanted_gives_nothing(make, tmp_path):
    once = make.results(tmp_path / "run", trained(make, "mdn", values(1)))
    old = make.results(tmp_path / "run", make.rows("mdn", {("variance", "ab", "all"): np.ones(N)}))
    for results in (once, old, make.results(tmp_path / "run", [])):
        assert seed_variance.write([results], Output(tmp_path)) == []
    twice = make.results(tmp_path / "run", trained(make, "mdn", values(2)))
    assert seed_variance.write([twice], Output(tmp_path, figures=frozenset({"curves"}))) == []
