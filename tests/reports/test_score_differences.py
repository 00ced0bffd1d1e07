"""The forest plot of differences."""

import matplotlib.text
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench.output import Output
from bench.reports import score_differences
from bench.scores.intervals import mean_interval

REPORT = score_differences

N = 40
BASE = np.random.default_rng(0).gamma(6, 0.01, N)
ENERGY, VARIOGRAM = ("fair-energy-score", "field"), ("fair-variogram-score", "grid")


def values(shift, number, noise=0.002):
    return BASE + shift + np.random.default_rng(number).normal(0, noise, N)


def scored(make, name, energy, variogram=None, **more):
    both = {ENERGY: energy} | ({} if variogram is None else {VARIOGRAM: variogram})
    return make.draws(name, both, **more)


def three(make, **more):
    """mdn has the better energy score, cvae the better variogram score; grey is the worst in both."""
    rows = scored(make, "cvae", values(0.01, 1), values(0, 2), **more) + scored(
        make, "mdn", values(0, 3), values(0.02, 4), **more
    )
    return rows + scored(make, "grey", values(0.03, 5), values(0.04, 6), role="control", **more)


def panels(make, tmp_path, drawn, rows, datasets=("lfw",)):
    score_differences.write([make.results(tmp_path / "run", rows, datasets)], Output(tmp_path))
    return drawn["score-differences"].axes


def labels(axes):
    return [t.get_text() for t in axes.get_yticklabels()]


def marks(axes):
    """Place from the top -> the marker of a mean."""
    found = {round(float(m.get_ydata()[0]), 2): m for m in axes.lines if len(m.get_xdata()) == 1}
    return [found.get(round(float(y), 2)) for y in axes.get_yticks()]


def bars(axes):
    """Place -> the ends of an interval: the lines of two points that have a length."""
    return {
        float(b.get_ydata()[0]): list(b.get_xdata())
        for b in axes.lines
        if len(b.get_xdata()) == 2 and b.get_linewidth() == 1.4
    }


def hollow(mark):
    return mark.get_markerfacecolor() == "white"


def words(figure):
    return " ".join(t.get_text().replace("\n", " ") for t in figure.findobj(matplotlib.text.Text))


def test_the_figure_is_written_in_two_formats_and_its_numbers_as_csv(make, tmp_path):
    paths = score_differences.write([make.results(tmp_path / "run", three(make))], Output(tmp_path))
    assert [p.name for p in paths] == [
        "score-differences.png",
        "score-differences.svg",
        "score-differences.csv",
    ]
    with Image.open(paths[0]) as image:
        assert np.asarray(image.convert("L")).std() > 5


def test_the_same_results_give_the_same_files(make, tmp_path):
    results = [make.results(tmp_path / "run", three(make))]
    once, twice = (score_differences.write(results, Output(tmp_path / name)) for name in "ab")
    assert [p.read_bytes() for p in once] == [p.read_bytes() for p in twice]


def test_a_line_is_the_paired_mean_difference_with_its_interval(make, tmp_path, drawn):
    energy, variogram = panels(make, tmp_path, drawn, three(make))
    assert labels(energy) == ["mdn − cvae", "mdn − grey", "cvae − grey"]
    methods = {
        "mdn": (values(0, 3), values(0.02, 4)),
        "cvae": (values(0.01, 1), values(0, 2)),
        "grey": (values(0.03, 5), values(0.04, 6)),
    }
    for place, axes in enumerate([energy, variogram]):
        for label, mark, at in zip(labels(energy), marks(axes), axes.get_yticks()):
            first, second = label.split(" − ")
            expected = mean_interval(methods[first][place] - methods[second][place])
            assert mark.get_xdata()[0] == pytest.approx(expected.mean)
            assert bars(axes)[float(at)] == pytest.approx([expected.low, expected.high])


def test_a_pair_is_the_same_way_round_in_both_scores_and_shows_that_they_disagree(
    make, tmp_path, drawn
):
    energy, variogram = panels(make, tmp_path, drawn, three(make))
    assert marks(energy)[0].get_xdata()[0] < 0 < marks(variogram)[0].get_xdata()[0]


def test_a_control_comes_second_and_the_sign_says_that_it_is_better(make, tmp_path, drawn):
    rows = scored(make, "mdn", values(0.02, 1)) + scored(make, "mean", values(0, 2), role="control")
    energy, _ = panels(make, tmp_path, drawn, rows)
    assert labels(energy) == ["mdn − mean"]
    expected = mean_interval(values(0.02, 1) - values(0, 2))
    assert marks(energy)[0].get_xdata()[0] == pytest.approx(expected.mean)
    assert next(iter(bars(energy).values())) == pytest.approx(
        [expected.low, expected.high], rel=1e-3
    )
    assert "first is better  |  second is better" in energy.get_xlabel()


def test_lines_are_ordered_by_difference_from_the_top(make, tmp_path, drawn):
    rows = [r for i in range(5) for r in scored(make, f"m{i}", values(0.004 * i**2, i))]
    energy, _ = panels(make, tmp_path, drawn, rows)
    means = [m.get_xdata()[0] for m in marks(energy)]
    assert len(means) == 10
    assert means == sorted(means)
    top, bottom = energy.get_ylim()[::-1]
    assert top < min(energy.get_yticks()) < max(energy.get_yticks()) < bottom


def test_filled_where_the_corrected_p_is_small_and_hollow_elsewhere(make, tmp_path, drawn):
    rows = (
        scored(make, "a", values(0, 1))
        + scored(make, "b", values(0.00001, 2))
        + scored(make, "c", values(0.02, 3))
    )
    energy, _ = panels(make, tmp_path, drawn, rows)
    assert {label: hollow(mark) for label, mark in zip(labels(energy), marks(energy))} == {
        label: "c" not in label for label in labels(energy)
    }
    table = pd.read_csv(tmp_path / "tables/score-differences.csv")
    assert ((table.p_corrected <= 0.05) == (table["second"] == "c")).all()


def test_controls_stand_below_a_line_in_another_marker(make, tmp_path, drawn):
    energy, _ = panels(make, tmp_path, drawn, three(make))
    pair, *controls = marks(energy)
    assert {c.get_marker() for c in controls} == {"s"}
    assert pair.get_marker() == "o"
    (split,) = [line for line in energy.lines if list(line.get_xdata()) == [0, 1]]
    ticks = energy.get_yticks()
    assert ticks[0] < split.get_ydata()[0] < ticks[1]


def test_of_many_pairs_with_controls_those_of_the_best_are_shown_and_all_are_in_the_table(
    make, tmp_path, drawn
):
    rows = [r for i in range(5) for r in scored(make, f"m{i}", values(0.01 * i, i))]
    rows += [r for i in range(4) for r in scored(make, f"c{i}", values(0.1, 9 + i), role="control")]
    energy, _ = panels(make, tmp_path, drawn, rows)
    against = [label for label in labels(energy) if "− c" in label]
    assert len(labels(energy)) == 10 + 4
    assert {label.split(" − ")[0] for label in against} == {"m0"}
    assert "against controls only m0" in words(drawn["score-differences"])
    table = pd.read_csv(tmp_path / "tables/score-differences.csv")
    assert [len(table), int(table.shown.sum())] == [10 + 20, 14]


def test_the_figure_grows_with_its_lines(make, tmp_path, drawn):
    heights = []
    for count in (3, 6):
        rows = [
            r
            for i in range(count)
            for r in scored(make, f"m{i}", values(0.01 * i, i), values(0.01 * i, i))
        ]
        heights.append(panels(make, tmp_path, drawn, rows)[0].figure.get_figheight())
    assert heights[1] - heights[0] == pytest.approx(score_differences.LINE * (15 - 3))


def test_methods_that_cant_be_ranked_are_named_with_the_reason(make, tmp_path, drawn):
    gap = np.where(np.arange(N) == 1, np.nan, BASE)
    rows = three(make) + scored(make, "zhang", values(0.01, 7)) + scored(make, "knn", gap, BASE)
    rows += [
        make.failed("gan", "killed"),
        make.refused("zhang", "fair-variogram-score", "it can't"),
    ]
    energy, variogram = panels(make, tmp_path, drawn, rows)
    said = [" ".join(t.get_text().replace("\n", " ") for t in a.texts) for a in (energy, variogram)]
    assert said[0] == "not ranked: knn (no value for some photographs), gan (failed)"
    assert said[1] == "not ranked: zhang (refused), gan (failed)"
    there = {label: mark is not None for label, mark in zip(labels(energy), marks(variogram))}
    assert not there["mdn − zhang"]
    assert there["mdn − cvae"]
    assert there["knn − mdn"]  # ranked by one score alone


def test_a_row_of_panels_a_data_set_with_odd_names_as_they_are(make, tmp_path, drawn):
    odd = "a/b $x$ <y>"
    rows = three(make, dataset=odd) + three(make, dataset="two")
    axes = panels(make, tmp_path, drawn, rows, (odd, "two"))
    assert [a.get_title() for a in axes] == [odd, odd, "two", "two"]
    assert all("energy" in a.get_xlabel() for a in axes[::2])
    assert all("variogram" in a.get_xlabel() for a in axes[1::2])


@pytest.mark.filterwarnings("error:constrained_layout")
def test_long_remarks_leave_room_for_the_lines(make, tmp_path):
    rows = scored(make, "a", values(0, 1)) + scored(make, "b", values(0.01, 2))
    rows += [make.failed(f"a_method_with_a_long_name[number={i}]", "killed") for i in range(8)]
    assert (
        len(score_differences.write([make.results(tmp_path / "run", rows)], Output(tmp_path))) == 3
    )


def test_odd_names_are_no_mathematics(make, tmp_path):
    odd = "a $x_ {b$ c"
    rows = scored(make, odd, values(0, 1), dataset=odd) + scored(
        make, "mdn", values(0.01, 2), dataset=odd
    )
    assert (
        len(
            score_differences.write(
                [make.results(tmp_path / "run", rows, (odd,))], Output(tmp_path)
            )
        )
        == 3
    )


def test_nothing_to_compare_or_not_wanted_gives_nothing(make, tmp_path):
    alone = make.results(tmp_path / "run", scored(make, "mdn", values(0, 1)))
    controls = make.results(
        tmp_path / "run",
        [r for i in range(2) for r in scored(make, f"c{i}", values(0, i), role="control")],
    )
    old = make.results(tmp_path / "run", make.rows("mdn", {("variance", "ab", "all"): np.ones(N)}))
    for results in (alone, controls, old, make.results(tmp_path / "run", [])):
        assert score_differences.write([results], Output(tmp_path)) == []
    assert (
        score_differences.write(
            [make.results(tmp_path / "run", three(make))], Output(tmp_path, figures=frozenset())
        )
        == []
    )
