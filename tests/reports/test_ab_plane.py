"""The plot of colours in the ab plane."""

import shutil

import matplotlib.text
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench.errors import BenchError
from bench.output import Output
from bench.reports import ab_plane
from bench.reports.ab_plane import BINS, Colours

REPORT = ab_plane

METHODS = {
    "grey": ("control", "point", 1),
    "mdn": ("colourizer", "modes", 3),
    "vae": ("codec", "reconstruction", 1),
}
EDGES = np.arange(-110, 111, 4)


def histogram(ab):
    """Shares `(a, b)` of colours `(..., 2, h, w)`."""
    a, b = np.moveaxis(np.asarray(ab), -3, 0).reshape(2, -1)
    counts, _, _ = np.histogram2d(a, b, [EDGES, EDGES])
    return counts / a.size


def panels(figure):
    """Those with an image, without the colour bar."""
    return [a for a in figure.axes if a.images]


def words(figure):
    return " ".join(t.get_text().replace("\n", " ") for t in figure.findobj(matplotlib.text.Text))


def test_files_are_named_after_the_data_set_and_are_the_same_again(make, tmp_path):
    odd = "a/b $x$ <y>"
    results = [make.pictured(tmp_path, METHODS, name=odd, photographs=make.photographs(7))]
    once, twice = (ab_plane.write(results, Output(tmp_path / name)) for name in "ab")
    assert [p.suffix for p in once] == [".png", ".svg", ".csv"]
    assert once[0].name.startswith("ab-plane-a-b-x-y-")
    assert [p.read_bytes() for p in once] == [p.read_bytes() for p in twice]
    with Image.open(once[0]) as image:
        assert np.asarray(image.convert("L")).std() > 5
    assert set(pd.read_csv(once[2]).dataset) == {odd}


def test_panels_are_log_densities_and_numbers_those_of_the_pictures(make, tmp_path, drawn):
    results = make.pictured(tmp_path, METHODS, photographs=make.photographs(25))
    ab_plane.write([results], Output(tmp_path))
    truth, mdn, grey = panels(drawn["ab-plane-lfw"])
    pages = results.pictures("lfw", results.test_images("lfw"))
    expected = {"truth": histogram([p.truth for p in pages])}
    expected |= {
        name: histogram([p.colourizations[name] for p in pages]) for name in ("mdn", "grey")
    }
    for axes, shares in zip((truth, mdn, grey), expected.values()):
        shown = axes.images[0].get_array().filled(np.nan)  # rows are b, from below
        assert 10 ** shown.T[shares > 0] == pytest.approx(shares[shares > 0] / 16)
        assert np.isnan(shown.T[shares == 0]).all()
        assert axes.images[0].origin == "lower"
    distance = abs(expected["mdn"] - expected["truth"]).sum() / 2
    assert [a.get_title() for a in (truth, mdn, grey)] == [
        "truth",
        f"mdn\nTV {distance:.2f}",
        "grey\ncontrol, TV 0.00",
    ]
    table = pd.read_csv(tmp_path / "tables/ab-plane.csv").set_index("method")
    assert list(table.role) == ["truth", "colourizer", "control"]
    assert list(table.tv) == pytest.approx([0, distance, 0])
    colours = (
        np.moveaxis(np.array([p.colourizations["mdn"] for p in pages]), 2, 0)
        .reshape(2, -1)
        .astype(float)
    )
    assert list(table.loc["mdn", ["mean_a", "mean_b"]]) == pytest.approx(colours.mean(1), abs=1e-6)
    assert list(table.loc["mdn", ["sd_a", "sd_b"]]) == pytest.approx(colours.std(1))
    assert list(table.loc["mdn", ["photographs", "fields"]]) == [23, 3]


def test_all_panels_share_the_scale_and_the_outline_of_the_truth(make, tmp_path, drawn):
    ab_plane.write([make.pictured(tmp_path, METHODS)], Output(tmp_path))
    axes = panels(drawn["ab-plane-lfw"])
    assert len({(a.images[0].norm.vmin, a.images[0].norm.vmax) for a in axes}) == 1
    outlines = [a.collections[-1].get_paths()[0].vertices for a in axes]
    assert all(np.array_equal(o, outlines[0]) for o in outlines)


def test_the_region_is_the_fewest_bins_that_hold_enough():
    colours, ab = Colours(), np.zeros((1, 2, 10, 10))
    ab[0, 0].flat[60:90], ab[0, 0].flat[90:96], ab[0, 0].flat[96:] = 20, 40, 60
    colours.add(ab)
    inside = np.argwhere(colours.region())
    assert {tuple(4 * (i - BINS // 2)) for i in inside} == {(0, 0), (20, 0), (40, 0)}
    even = Colours()
    even.add(np.zeros((1, 2, 4, 4)))
    assert even.region().sum() == 1


def test_photographs_weigh_the_same_whatever_their_fields_and_far_colours_are_kept():
    colours = Colours()
    colours.add(np.full((4, 2, 2, 2), 30.0))
    colours.add(np.full((1, 2, 2, 2), 500.0))
    assert colours.shares[(30 + 110) // 4, (30 + 110) // 4] == pytest.approx(0.5)
    assert colours.shares[-1, -1] == pytest.approx(0.5)
    assert list(colours.mean) == pytest.approx([265, 265])
    assert list(colours.deviation) == pytest.approx([235, 235])


def test_coarse_bins_forgive_colours_on_a_grid():
    fine, grid = Colours(), Colours()
    a, b = np.meshgrid(np.linspace(-9.9, 9.9, 40), np.linspace(-9.9, 9.9, 40))
    fine.add(np.stack([a, b])[None])
    grid.add(np.zeros((1, 2, 4, 4)))
    assert fine.distance(grid) > 0.9
    assert fine.distance(grid, ab_plane.COARSE) == pytest.approx(0)


def test_too_many_methods_and_failed_ones_are_named(make, tmp_path, drawn):
    many = {f"m{i}": ("colourizer", "iid", 1) for i in range(12)} | {
        "grey": ("control", "point", 1)
    }
    results = make.pictured(tmp_path, many, photographs=make.photographs(5), failed=["zhang"])
    ab_plane.write([results], Output(tmp_path))
    figure = drawn["ab-plane-lfw"]
    assert len(panels(figure)) == 12
    assert "no panel, but in the table: m11, grey" in words(figure)
    assert "not shown: zhang (failed)" in words(figure)
    assert len(pd.read_csv(tmp_path / "tables/ab-plane.csv")) == 14


def test_of_many_photographs_the_first_are_read(make, tmp_path, drawn, monkeypatch):
    monkeypatch.setattr(ab_plane, "PHOTOGRAPHS", 18)
    results = make.pictured(tmp_path, METHODS, photographs=make.photographs(25))
    ab_plane.write([results], Output(tmp_path))
    pages = results.pictures("lfw", results.test_images("lfw")[:18])
    shown = panels(drawn["ab-plane-lfw"])[0].images[0].get_array().filled(np.nan)
    assert np.nansum(10**shown * 16) == pytest.approx(1)
    assert 16 * 10 ** np.nanmax(shown) == pytest.approx(histogram([p.truth for p in pages]).max())
    assert "the first 18 of 23 test photographs" in words(drawn["ab-plane-lfw"])


def test_runs_are_compared_on_the_photographs_that_they_share(make, tmp_path, drawn):
    first = make.pictured(
        tmp_path / "1", {"mdn": ("colourizer", "iid", 2)}, photographs=make.photographs(9)
    )
    second = make.pictured(
        tmp_path / "2", {"cvae": ("colourizer", "iid", 2)}, photographs=make.photographs(6)
    )
    ab_plane.write([first, second], Output(tmp_path))
    table = pd.read_csv(tmp_path / "tables/ab-plane.csv").set_index("method")
    assert list(table.photographs) == [4, 4, 4]
    assert [a.get_title().split("\n")[0] for a in panels(drawn["ab-plane-lfw"])] == [
        "truth",
        "mdn",
        "cvae",
    ]


def test_a_missing_store_is_said(make, tmp_path):
    results = make.pictured(tmp_path, METHODS)
    shutil.rmtree(results.store.folder)
    with pytest.raises(BenchError, match="prepared photographs of lfw are not in the store"):
        ab_plane.write([results], Output(tmp_path))


def test_odd_names_are_no_mathematics(make, tmp_path):
    odd = "a $x_ {b$ c"
    results = make.pictured(
        tmp_path, {odd: ("colourizer", "iid", 1)}, name=odd, photographs=make.photographs(5)
    )
    assert len(ab_plane.write([results], Output(tmp_path))) == 3


def test_no_pictures_or_not_wanted_gives_nothing(make, tmp_path):
    without = make.results(
        tmp_path / "run", make.rows("mdn", {("variance", "ab", "all"): np.ones(5)})
    )
    for results in (without, make.results(tmp_path / "run", [])):
        assert ab_plane.write([results], Output(tmp_path)) == []
    assert (
        ab_plane.write(
            [make.pictured(tmp_path, METHODS)], Output(tmp_path, figures=frozenset({"pictures"}))
        )
        == []
    )
