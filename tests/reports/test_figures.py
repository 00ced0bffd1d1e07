"""The plot of Figure 5, and the grids of Figures 3 and 4."""

import numpy as np
import pytest
from PIL import Image

from bench.colour import picture
from bench.errors import BenchError
from bench.output import Output
from bench.reports import eob_variance, picture_grid
from bench.reports.figures.contact_sheet import (
    CELL,
    GAP,
    GROUP_GAP,
    LABEL,
    MARGIN,
    PictureColumns,
    wrap,
)

REPORT = eob_variance

METHODS = {
    "mdn": ("colourizer", "modes", 5),
    "cvae[kl=0.0001]": ("colourizer", "centroids", 5),
    "vae[loss=l2]": ("codec", "reconstruction", 1),
    "vae[loss=full]": ("codec", "reconstruction", 1),
    "grey": ("control", "point", 1),
}


def cloud(make, name, variance, **more):
    error = np.random.default_rng(len(name)).gamma(6, 0.01, len(variance))
    return make.rows(
        name, {("error-of-best", "sum", "all"): error, ("variance", "ab", "all"): variance}, **more
    )


def spread(n=40, zeros=0):
    values = np.random.default_rng(0).gamma(3, 0.002, n)
    values[:zeros] = 0
    return values


def test_the_plot_is_written_twice_in_two_formats(make, tmp_path):
    rows = cloud(make, "mdn", spread()) + cloud(make, "cvae", spread())
    paths = eob_variance.write([make.results(tmp_path / "run", rows)], Output(tmp_path))
    names = ["eob-variance.png", "eob-variance.svg", "eob-variance-log.png", "eob-variance-log.svg"]
    assert [p.name for p in paths] == names
    for path in (paths[0], paths[2]):
        with Image.open(path) as image:
            assert image.info["dpi"] == pytest.approx((200, 200), abs=0.1)
            assert image.width > 600
            assert np.asarray(image.convert("L")).std() > 5
    assert paths[1].read_text().startswith("<?xml")


def test_many_points_are_a_picture_in_the_svg(make, tmp_path, monkeypatch):
    results = [make.results(tmp_path / "run", cloud(make, "mdn", spread()))]
    eob_variance.write(results, Output(tmp_path / "shapes"))
    monkeypatch.setattr(eob_variance, "VECTORS", 1)
    eob_variance.write(results, Output(tmp_path / "picture"))
    shapes, picture = (
        (tmp_path / name / "figures" / "eob-variance.svg").read_text()
        for name in ("shapes", "picture")
    )
    assert "<image" not in shapes
    assert "<image" in picture


def test_the_same_results_give_the_same_files(make, tmp_path):
    results = [make.results(tmp_path / "run", cloud(make, "mdn", spread()))]
    once, twice = (eob_variance.write(results, Output(tmp_path / name)) for name in "ab")
    assert [p.read_bytes() for p in once] == [p.read_bytes() for p in twice]


def texts(figure):
    import matplotlib.text

    return " ".join(t.get_text().replace("\n", " ") for t in figure.findobj(matplotlib.text.Text))


def test_points_without_a_logarithm_are_counted(make, tmp_path, drawn):
    rows = cloud(make, "mdn", spread(zeros=3)) + cloud(
        make, "point", np.zeros(40), k=1, role="control"
    )
    eob_variance.write([make.results(tmp_path / "run", rows)], Output(tmp_path))
    shown = texts(drawn["eob-variance-log"])
    assert "zeros, not on log axes: mdn 3 of 40, point 40 of 40 points; mean of point" in shown
    assert "not on log axes" not in texts(drawn["eob-variance"])
    offsets = [len(c.get_offsets()) for c in drawn["eob-variance-log"].axes[0].collections[:2]]
    assert offsets == [37, 0]


def test_a_panel_a_data_set_and_failures_named(make, tmp_path, drawn):
    rows = [r for d in "abcd" for r in cloud(make, "mdn", spread(), dataset=d)]
    rows.append(make.failed("cvae", "killed", dataset="b"))
    eob_variance.write([make.results(tmp_path / "run", rows, tuple("abcd"))], Output(tmp_path))
    panels = drawn["eob-variance"].axes
    assert [a.get_title() for a in panels] == list("abcd")
    assert "not shown: cvae (failed)" in texts(drawn["eob-variance"])
    assert panels[0].get_xscale() == "linear"
    assert drawn["eob-variance-log"].axes[0].get_yscale() == "log"


def test_methods_differ_in_colour_and_marker_and_keep_them(make, tmp_path, drawn):
    rows = (
        cloud(make, "a", spread())
        + cloud(make, "b", spread())
        + cloud(make, "b", spread(), dataset="two")
    )
    eob_variance.write([make.results(tmp_path / "run", rows, ("lfw", "two"))], Output(tmp_path))
    lines = [
        line
        for axes in drawn["eob-variance"].axes
        for line in axes.lines
        if len(line.get_xdata()) == 1
    ]
    looks = [(line.get_marker(), line.get_color()) for line in lines if line.get_marker() != "None"]
    (a, b, again) = looks
    assert a[0] != b[0]
    assert a[1] != b[1]
    assert again == b


def test_undefined_values_are_counted_too(make, tmp_path, drawn):
    rows = cloud(make, "mdn", np.where(np.arange(40) == 1, np.nan, spread()))
    eob_variance.write([make.results(tmp_path / "run", rows)], Output(tmp_path))
    assert "undefined: mdn 1 of 40 points; mean of mdn" in texts(drawn["eob-variance"])


def test_a_control_alone_still_gives_both_plots(make, tmp_path):
    rows = cloud(make, "grey", np.zeros(40), k=1, role="control")
    assert len(eob_variance.write([make.results(tmp_path / "run", rows)], Output(tmp_path))) == 4


def test_no_diverse_method_no_plot(make, tmp_path):
    assert (
        eob_variance.write(
            [make.results(tmp_path / "run", [make.failed("mdn", "killed")])], Output(tmp_path)
        )
        == []
    )


def test_dollar_signs_are_no_mathematics(make, tmp_path):
    odd = "a $x_ {b$ c"
    rows = cloud(make, "mdn", spread(), dataset=odd)
    assert eob_variance.write([make.results(tmp_path / "run", rows, (odd,))], Output(tmp_path))


def test_the_grid_has_the_expected_size_and_pixels(make, tmp_path):
    results = make.pictured(tmp_path, METHODS)
    pictures, reconstructions = picture_grid.write([results], Output(tmp_path))
    assert [pictures.name, reconstructions.name] == ["pictures-lfw.png", "reconstructions-lfw.png"]
    image = np.asarray(Image.open(pictures))
    columns = 1 + 5 + 5 + 1 + 1
    assert image.shape[1] == 2 * MARGIN + columns * (CELL + GAP) - 5 * GAP + 4 * GROUP_GAP
    assert image.shape[0] > 8 * (CELL + GAP)
    page = results.pictures("lfw", results.test_images("lfw")[:1])[0]
    small = page.lightness.reshape(CELL, 2, CELL, 2).mean(axis=(1, 3), dtype=np.float64)
    expected = picture(small, page.truth).astype(int)
    truth = image[:, -MARGIN - CELL : -MARGIN].astype(int)
    top = next(
        i for i in range(len(truth) - CELL) if abs(truth[i : i + CELL] - expected).max() <= 2
    )
    grey = image[top : top + CELL, MARGIN : MARGIN + CELL].astype(int)
    assert np.ptp(grey, axis=-1).max() <= 2
    assert grey.std() > 5


def test_reconstructions_are_rows_and_the_truth_is_last(make, tmp_path):
    results = make.pictured(tmp_path, METHODS)
    image = np.asarray(
        Image.open(picture_grid.write([results], Output(tmp_path, count=3))[1])
    ).astype(int)
    assert image.shape[1] == 2 * MARGIN + LABEL + 3 * (CELL + GAP) - GAP
    left = MARGIN + LABEL
    inked = (
        (image[:, left : left + CELL] < 250).all(axis=(1, 2)).nonzero()[0]
    )  # rows filled by a picture
    assert inked[-1] - inked[0] + 1 == 3 * (CELL + GAP) - GAP


def test_many_methods_are_put_in_bands(make):
    def group(columns):
        return PictureColumns("m", "", [[]] * columns)

    sizes = [
        [len(g.columns) for g in band]
        for band in picture_grid.in_bands([group(5)] * 4 + [group(1)])
    ]
    assert sizes == [[5, 5], [5, 5, 1]]
    assert len(picture_grid.in_bands([group(5)] * 3)) == 1
    assert [len(b) for b in picture_grid.in_bands([group(10), group(10), group(10)])] == [1, 1, 1]


def test_odd_names_make_safe_files(make, tmp_path):
    results = make.pictured(tmp_path, {"mdn": METHODS["mdn"]}, name="../my $set|\n")
    (path,) = picture_grid.write([results], Output(tmp_path, count=1))
    assert path.parent == tmp_path / "figures"
    assert path.name.startswith("pictures-my-set-")


def test_two_runs_share_a_grid(make, tmp_path):
    photographs = make.photographs(14)
    first = make.pictured(tmp_path / "a", {"mdn": METHODS["mdn"]}, photographs=photographs)
    second = make.pictured(tmp_path / "b", {"cvae": METHODS["mdn"]}, photographs=photographs)
    (path,) = picture_grid.write([first, second], Output(tmp_path))
    assert Image.open(path).width == 2 * MARGIN + 12 * (CELL + GAP) - 4 * GAP + 3 * GROUP_GAP


def test_missing_samples_are_said(make, tmp_path):
    import shutil

    results = make.pictured(tmp_path, {"mdn": METHODS["mdn"]})
    shutil.rmtree(tmp_path / "store" / "samples")
    with pytest.raises(BenchError, match="repeat the run"):
        picture_grid.write([results], Output(tmp_path))


def test_only_failures_give_no_grid(make, tmp_path):
    assert picture_grid.write([make.pictured(tmp_path, {}, failed=["mdn"])], Output(tmp_path)) == []


def test_long_words_are_broken_and_long_texts_end(tmp_path):
    lines = wrap("vae[temperature=0.7,components=8]averyveryverylongword", 23, True, 130, 3)
    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert wrap("mdn", 23, True, 130, 3) == ["mdn"]
