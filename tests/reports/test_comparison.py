"""What `bench compare` writes: tables that say what the numbers say, pictures inside the page,
names that are shown."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench.output import Output
from bench.reports import comparison as shelf
from bench.reports.figures import changed_photographs
from bench.reports.figures.contact_sheet import CELL, GAP, GROUP_GAP, MARGIN
from bench.results.compare import compare
from bench.scores.columns import FrameScores

N = 30
BASE = np.random.default_rng(0).gamma(4, 0.05, N)
EVIL = "<script>alert(1)</script>"
IMAGES = [f"{EVIL}{i}" for i in range(N)]


def scored(make, values, method="mdn", **more):
    shown = make.rows(
        method, {("error-of-best", "sum", "all"): values, ("variance", "ab", "all"): values}, **more
    )
    return shown + make.draws(method, {("fair-energy-score", "field"): values}, **more)


@pytest.fixture
def written(make, tmp_path):
    """`written(rows of A, rows of B)`: the folder with every format."""

    def made(first, second, name="lfw", count=3, **more):
        runs = [
            make.results(tmp_path / side, rows, (name,), store=str(tmp_path / "store"), **more)
            for side, rows in (("a", first), ("b", second))
        ]
        shelf.write(compare(*runs), out := Output(tmp_path / "out", count=count))
        return out.folder

    (tmp_path / "out").mkdir()
    return made


def test_the_tables_hold_both_means_the_difference_and_its_word(make, written, table):
    later = BASE - 0.02 - 0.001 * np.arange(N)
    text = (written(scored(make, BASE), scored(make, later)) / "compare.md").read_text()
    header, _ = table(text, "## Headline")
    assert header == ["Method", "Metric", "A", "B", "B − A", "B is"]
    lines = [
        line for line in text.split("## Every value")[0].splitlines() if line.startswith("| mdn")
    ]
    assert [line.split(" | ")[-1].rstrip(" |") for line in lines] == ["better"] * 3
    assert f"| {BASE.mean():.3f} | {later.mean():.3f} | {(later - BASE).mean():+.4f} [" in lines[0]
    assert "3 rows: 3 better." in text
    assert "another training seed" in text


def test_photographs_that_changed_most_come_with_both_values(make, written, table):
    later = BASE.copy()
    later[[3, 7]] += [0.1, 0.2]
    text = (written(scored(make, BASE), scored(make, later)) / "compare.md").read_text()
    body = text.split("photographs that changed most")[1].split("##")[0]
    assert "by fair-energy-score ↓ (field, draws, k = 10)" in body
    assert re.findall(r"\| (\d+\.jpg) \| ([\d.]+) \| ([\d.]+) \| (\S+) \|", body) == [
        ("007.jpg", f"{BASE[7]:.3f}", f"{later[7]:.3f}", "+0.200"),
        ("003.jpg", f"{BASE[3]:.3f}", f"{later[3]:.3f}", "+0.100"),
    ]


def test_without_draws_error_of_best_says_what_changed_and_equal_runs_say_so(make, written):
    rows = make.rows("mdn", {("error-of-best", "sum", "all"): BASE})
    text = (written(rows, rows) / "compare.md").read_text()
    assert "by error-of-best ↓ (sum, present, k = 5)" in text
    assert "No value of a photograph changed." in text
    assert "No pictures" not in text


def test_nothing_is_listed_where_no_photographs_are_wanted(make, written):
    text = (written(scored(make, BASE), scored(make, BASE + 1), count=0) / "compare.md").read_text()
    assert "changed most" not in text


def test_undefined_values_are_words_with_counts(make, written):
    hole = scored(make, BASE)
    hole = [
        row | ({"value": np.nan, "status": "undefined"} if row["image"] == "004.jpg" else {})
        for row in hole
    ]
    text = (written(scored(make, BASE), hole) / "compare.md").read_text()
    assert "| – | – | – | undefined: 1 in B of 30 |" in text
    assert "nan" not in text


def test_the_csv_file_has_all_rows_and_what_is_not_compared(make, written):
    first = scored(make, BASE) + make.rows("old", {("variance", "ab", "all"): BASE})
    folder = written(
        first, scored(make, BASE + 0.1), sets=[make.set("mdn", "fid", "distance", 5, 4, 6)]
    )
    table = pd.read_csv(folder / "compare.csv")
    assert table["word"].tolist() == ["worse", "worse", "worse", "not tested", "not compared"]
    assert table["difference_mean"][:3].tolist() == pytest.approx([0.1] * 3)
    assert table.loc[0, ["metric", "k", "images", "undefined_a"]].tolist() == [
        "error-of-best",
        5,
        N,
        0,
    ]
    assert table.loc[4, ["method", "only_in", "reason"]].tolist() == [
        "old",
        "A",
        "B has no such method",
    ]


def test_the_same_reason_is_said_once(make, written):
    extra = [
        row for method in ("mdn", "cvae") for row in make.rows(method, {("psnr", "x", "all"): BASE})
    ]
    both = scored(make, BASE) + scored(make, BASE, "cvae")
    text = (written(both + extra, both) / "compare.md").read_text()
    assert "| psnr | mdn on lfw (present); cvae on lfw (present) | A | not measured in B |" in text


def test_names_are_shown_and_not_obeyed(make, written):
    rows = [scored(make, BASE + step, dataset=EVIL, images=IMAGES) for step in (0, np.arange(N))]
    folder = written(*rows, name=EVIL)
    page = (folder / "compare.html").read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;29") == 1
    assert EVIL in pd.read_csv(folder / "compare.csv")["dataset"].tolist()
    assert r"\textless{}script\textgreater{}" in (folder / "compare.tex").read_text()
    assert not re.search(r"(?<!\\)<script", (folder / "compare.md").read_text())


def test_samples_that_are_gone_are_a_remark(make, written):
    later = scored(make, BASE + np.arange(N))
    folder = written(scored(make, BASE), later)
    assert (
        "No pictures: prepared photographs of lfw are not in the store"
        in (folder / "compare.md").read_text()
    )
    assert not (folder / "figures").exists()


@pytest.fixture
def pictured(make, tmp_path):
    """Two runs with samples."""
    methods = {
        "mdn": ("colourizer", "modes", 3),
        "cvae": ("colourizer", "centroids", 7),
        "grey": ("control", "point", 1),
    }
    photographs = make.photographs(14)
    runs = [
        make.pictured(tmp_path / side, methods, name=EVIL, photographs=photographs) for side in "ab"
    ]
    values = {("error-of-best", "sum", "all"): np.arange(12.0)}
    images = runs[0].test_images(EVIL)
    for step, run in enumerate(runs):
        rows = [
            r
            for method in ("mdn", "cvae")
            for r in make.rows(
                method, {k: v * (1 + step) for k, v in values.items()}, dataset=EVIL, images=images
            )
        ]
        run.table = FrameScores(pd.DataFrame(rows))
    return runs


def test_the_sheet_has_a_band_a_method_and_is_inside_the_page(pictured, tmp_path):
    out = Output(tmp_path / "out", count=2)
    paths = shelf.write(compare(*pictured), out)
    (sheet,) = [path for path in paths if path.suffix == ".png"]
    assert re.fullmatch(r"changed-[a-z0-9-]+\.png", sheet.name)
    with Image.open(sheet) as image:
        columns = 1 + 5 + 5 + 1  # grey, five of A's seven, of B's, truth
        assert image.width == 2 * MARGIN + columns * (CELL + GAP) - 4 * GAP + 3 * GROUP_GAP
        assert image.height > 4 * (CELL + GAP)
    page = (out.folder / "compare.html").read_text()
    assert page.count('src="data:image/jpeg;base64,') == 1
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "<script" not in page
    assert f"](figures/{sheet.name})" in (out.folder / "compare.md").read_text()


def test_the_sheet_shows_grey_both_runs_and_the_truth(pictured, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        changed_photographs,
        "column_sheet",
        lambda bands, *words: seen.append((bands, words)) or blank(),
    )
    shelf.write(compare(*pictured), Output(tmp_path / "out", frozenset(), count=2))
    ((bands, (_, remarks)),) = seen
    assert [group.title for group in bands[0]] == ["Grey", "A: mdn", "B: mdn", "Truth"]
    assert [len(group.columns) for group in bands[1]] == [1, 5, 5, 1]
    assert bands[1][1].subtitle == "5 of 7 shown"
    grey, first, _, truth = ([column[0] for column in group.columns] for group in bands[0])
    assert np.ptp(grey[0].astype(int), axis=2).max() <= 1
    assert np.array_equal(first[0], truth[0])  # the builder's first sample is the truth
    images = pictured[0].test_images(EVIL)
    assert f"mdn, from above: {images[11]}, {images[10]}" in remarks


def blank():
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_the_same_comparison_gives_the_same_files(pictured, tmp_path):
    once, twice = (
        shelf.write(compare(*pictured), Output(tmp_path / name, count=1)) for name in ("x", "y")
    )
    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in twice]
