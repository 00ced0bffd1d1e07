"""Broken metrics, reports and data sets: what fails is said, and everything else is written."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

BROKEN = Path(__file__).parent / "broken_parts"
SAID = {
    "raises-in-combine": "RuntimeError: not combined",
    "raises-in-finish": "RuntimeError: not finished",
    "raises-once-made": "RuntimeError: made twice",
    "named-badly": "UnicodeEncodeError: .*surrogates not allowed",
    "hangs-when-made": r"making hangs-when-made took longer than 5 s \(--timeout\)$",
    "aborts-when-scoring": r"scoring .* by aborts-when-scoring: its process ended by signal 6 "
    r"\(SIGABRT\)$",
    "hangs-when-scoring": r"scoring .* by hangs-when-scoring took longer than 5 s \(--timeout\)$",
    "hangs-in-finish": r"scoring .* by hangs-in-finish took longer than 5 s \(--timeout\)$",
}
LIMITED = ("hangs-when-made", "aborts-when-scoring", "hangs-when-scoring", "hangs-in-finish")
HERE = "raises-once-made"
"""Is made once in each process."""
REPORT = r"report 'report-that-raises' failed: RuntimeError: no report \xff (code.py:"


def run(folder, photographs, executor, metrics, *more):
    command = [
        sys.executable,
        "-P",
        "-m",
        "bench.cli",
        "run",
        "--plugin",
        str(BROKEN),
        "-m",
        "grey,marginal",
        "--metrics",
        ",".join(("absolute-error", "sound-one", *metrics)),
        "-d",
        str(photographs),
        "--executor",
        executor,
        "--out",
        "run",
        "--store",
        "store",
        *more,
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def limited(photographs, tmp_path_factory):
    """A run in a process of its own."""
    folder = tmp_path_factory.mktemp("limited")
    return folder, run(
        folder, photographs, "process", [name for name in SAID if name != HERE], "--timeout", "5"
    )


@pytest.fixture(scope="module")
def here(photographs, tmp_path_factory):
    """A run in one process, which a report ends: no metric that does."""
    folder = tmp_path_factory.mktemp("here")
    return folder, run(
        folder, photographs, "serial", [name for name in SAID if name not in LIMITED]
    )


def scores_of(run):
    scores = pd.read_parquet(run[0] / "run" / "scores.parquet")
    return scores[scores["ask"] == "present"]


@pytest.mark.parametrize("metric", [name for name in SAID if name != HERE])
def test_a_metric_that_fails_is_rows_that_say_why(limited, metric):
    assert limited[1].returncode == 6, limited[1].stderr
    assert "Traceback" not in limited[1].stderr
    scores = scores_of(limited)
    rows = scores[(scores["metric"] == metric) & (scores["status"] == "failed")]
    assert set(rows["method"]) == {"grey", "marginal"}
    assert rows["reason"].astype(str).str.contains(SAID[metric]).all(), set(rows["reason"])


@pytest.mark.parametrize("metric", ["absolute-error", "sound-one"])
def test_the_other_metrics_are_kept(limited, metric):
    scores = scores_of(limited)
    done = scores[(scores["metric"] == metric) & (scores["status"] == "done")]
    assert set(done["method"]) == {"grey", "marginal"}
    assert done["value"].notna().all()
    assert done["image"].nunique() == 4


def test_a_metric_that_raises_keeps_the_others_in_this_process_too(here):
    scores = scores_of(here)
    for metric in set(SAID) - set(LIMITED):
        rows = scores[(scores["metric"] == metric) & (scores["status"] == "failed")]
        assert rows["reason"].astype(str).str.contains(SAID[metric]).all(), set(rows["reason"])
        assert len(rows) == 2
    assert set(
        scores[(scores["metric"] == "sound-one") & (scores["status"] == "done")]["method"]
    ) == {"grey", "marginal"}


def test_a_metric_that_raises_is_named_at_the_end(limited, photographs):
    said = f"grey on {photographs.name}: RuntimeError: not combined"
    assert f"bench: raises-in-combine: failed for {said}" in limited[1].stderr


def test_a_report_that_fails_keeps_none_of_the_others_from_being_written(limited):
    folder, done = limited
    assert (folder / "run" / "sound.md").read_text() == "sound\n"
    assert "## A report" in (folder / "run" / "report.md").read_text()
    assert (folder / "run" / "report" / "index.html").is_file()
    assert f"bench: {REPORT}" in done.stderr
    assert (
        "writing report 'report-that-aborts': its process ended by signal 6 (SIGABRT)"
        in done.stderr
    )
    assert "bench: tracebacks are in run/failures.txt" in done.stderr
    assert (
        r'raise RuntimeError("no report \udcff")' in (folder / "run" / "failures.txt").read_text()
    )


def test_reports_that_are_asked_for_again_say_what_fails_and_write_the_others(bench, limited):
    folder, _ = limited
    (folder / "run" / "sound.md").unlink()
    status, _, err = bench(
        "report",
        folder / "run",
        "--plugin",
        BROKEN,
        "--reports",
        "report-that-raises,report-that-sound",
    )
    assert status == 6
    assert err.splitlines()[-1].startswith(f"bench: {REPORT}")
    assert (folder / "run" / "sound.md").read_text() == "sound\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("data-aborts", r"its process ended by signal 6 (SIGABRT)"),
        ("data-greedy", "GiB, more than 1 (--memory)"),
    ],
)
def test_a_data_set_that_ends_the_process_is_one_line(tmp_path, name, said):
    done = run(tmp_path, name, "process", (), "--memory", "1")
    assert done.returncode == 2, done.stderr
    assert said in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].startswith("bench: opening the run's data")
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "store").glob("*/??/tmp-*"))


def test_what_a_manifest_says_does_not_depend_on_the_process(limited, here):
    cells = [
        json.loads((folder / "run" / "manifest.json").read_text())["cells"]
        for folder, _ in (limited, here)
    ]
    assert [[cell["key"], cell["status"]] for cell in cells[0]] == [
        [cell["key"], cell["status"]] for cell in cells[1]
    ]
