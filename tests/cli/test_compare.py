"""`bench compare`: statuses, files and the lines on the terminal."""

import json
import shutil
from pathlib import Path

import pytest

import bench as toolkit

QUICK = "zhang[batch=8,steps=2]"
METRICS = ("fair-energy-score", "error-of-best", "variance")


@pytest.fixture(scope="module")
def folders(photographs, tmp_path_factory, store):
    """Runs with the seeds 0 and 1, one with a control, one with fewer training photographs and
    other k."""
    folder = tmp_path_factory.mktemp("runs")

    def run(name, methods=(QUICK,), **more):
        toolkit.run(
            methods=methods,
            datasets=(str(photographs),),
            preset="tiny",
            store=store,
            out=folder / name,
            metrics=METRICS,
            **more,
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "bench.engine.runner.report.write", lambda *_: None
        )  # the runs' own reports are not looked at
        run("base", (QUICK, "grey"))
        run("new", seeds=(1,))
        run("other", k=2, limit_train=20, limit_test=2)
        run("grey", ("grey",))
    return folder


def error_line(err):
    lines = [line for line in err.splitlines() if line.startswith("bench: ")]
    assert len(lines) == 1, err
    assert "Traceback" not in err
    return lines[0]


def test_two_runs_are_compared_into_a_folder_named_after_them(bench, folders):
    status, out, err = bench("compare", folders / "base", folders / "new")
    assert status == 0, err
    assert out.splitlines()[0].split() == [
        "dataset",
        "method",
        "metric",
        "A",
        "B",
        "B",
        "-",
        "A",
        "[95",
        "%]",
        "B",
        "is",
    ]
    assert sum(QUICK in line and "too few images" in line for line in out.splitlines()) == 3
    assert f"remark: training seeds 0 in A, 1 in B: {QUICK} on photographs" in out
    assert "not compared, for reasons that the comparison lists: 1" in out
    assert out.splitlines()[-1] == "comparison: compare-base-new/compare.html"
    made = sorted(
        p.relative_to("compare-base-new").as_posix()
        for p in Path("compare-base-new").rglob("*")
        if p.is_file()
    )
    assert made[:4] == ["compare.csv", "compare.html", "compare.md", "comparison.json"]
    assert made[4].startswith("figures/changed-photographs")
    assert bench("compare", folders / "base", folders / "new")[0] == 0


def test_formats_metrics_and_the_number_of_photographs_are_chosen(bench, folders):
    status, out, err = bench(
        "compare",
        folders / "base",
        folders / "new",
        "--out",
        "c",
        "--format",
        "latex,csv",
        "--metrics",
        "variance,error-of-best",
        "--changed",
        "0",
    )
    assert status == 0, err
    assert sorted(p.name for p in Path("c").iterdir()) == [
        "compare.csv",
        "compare.tex",
        "comparison.json",
    ]
    assert "fair-energy-score" not in out + Path("c/compare.csv").read_text()


def test_all_that_differs_is_refused_in_one_line(bench, folders):
    status, _, err = bench("compare", folders / "base", folders / "other")
    assert status == 4
    line = error_line(err)
    for part in (
        "k: 5 and 2",
        "test photographs of photographs",
        "training photographs of photographs",
    ):
        assert part in line
    assert not any(Path(".").iterdir())


def test_runs_without_a_common_method_are_status_3(bench, folders):
    status, _, err = bench("compare", folders / "new", folders / "grey")
    assert status == 3
    assert "share no method" in error_line(err)


def test_bad_input_is_one_line_and_status_2(bench, folders, tmp_path):
    base, new = folders / "base", folders / "new"
    shutil.copytree(new, "damaged")
    text = Path("damaged/manifest.json").read_text()
    Path("damaged/manifest.json").write_text(text[: len(text) // 2])
    Path("mine").mkdir()
    Path("mine/thesis.tex").write_text("precious")
    for arguments, words in (
        (["nowhere", new], "nowhere is no run folder"),
        ([base, "damaged"], "damaged/manifest.json"),
        ([base, new, "--metrics", "varience"], "'varience': did you mean 'variance'"),
        ([base, new, "--format", "pdf", "--out", "x"], "unknown format 'pdf'"),
        ([base, new, "--out", "mine"], "holds no comparison"),
        ([base, new, "--out", new], "holds a run"),
        ([base, new, "--out", "mine/thesis.tex/deeper"], "can't be written"),
        ([base], "RUN_B"),
    ):
        status, _, err = bench("compare", *arguments)
        assert status == 2, err
        assert words in error_line(err)
    assert [p.name for p in Path("mine").iterdir()] == ["thesis.tex"]
    assert not Path("x").exists()


def test_a_comparison_is_no_part_of_a_report_but_is_listed(bench, folders):
    shutil.copytree(folders / "new", "run")
    status, _, err = bench("report", "run", "--reports", "comparison")
    assert status == 2
    assert "bench compare" in error_line(err)
    assert "comparison" in [
        row["name"] for row in json.loads(bench("list", "reports", "--json")[1])
    ]
