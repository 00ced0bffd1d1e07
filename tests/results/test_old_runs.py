"""A run and its store that an older huebench made, before the core was laid out in rooms, still
open, and what was finished then is not done again.

`old/run.tar.xz` was made by commit 3d81399, in a folder of eight drawn pictures `album`, with the
command of `RUN` and `--out run`; its report was left out.
"""

import json
import tarfile
from pathlib import Path

import pandas as pd
import pytest

OLD = Path(__file__).parent / "old" / "run.tar.xz"
METRICS = "absolute-error,error-of-best,fair-crps"
RUN = (
    "run",
    "-m",
    "grey,marginal",
    "-d",
    "./album",
    "--limit-train",
    "3",
    "--limit-test",
    "2",
    "-k",
    "2",
    "--draws",
    "3",
    "--metrics",
    METRICS,
    "--figures",
    "none",
    "--threads",
    "1",
    "--precision",
    "float32",
    "--store",
    "store",
)


@pytest.fixture
def old(command):
    """The command, in a folder with the old run, its store and its pictures."""
    with tarfile.open(OLD) as archive:
        archive.extractall(filter="data")
    return command


def finished(*kinds):
    """Keys of what is in the store."""
    return {
        path.parent.name for kind in kinds for path in Path("store", kind).glob("*/*/cell.json")
    }


def test_an_old_run_is_reported_and_scored_again(old):
    before = pd.read_parquet("run/scores.parquet")
    assert old("report", "run", "--figures", "none", "--store", "store")[0] == 0
    assert "marginal" in Path("run/report.md").read_text(encoding="utf-8")
    assert old("score", "run", "--metrics", METRICS, "--store", "store")[0] == 0
    pd.testing.assert_frame_equal(pd.read_parquet("run/scores.parquet"), before)


def test_what_an_old_store_has_is_not_done_again(old):
    kinds = ("fits", "samples", "scores", "prepared", "duplicates")
    before = finished(*kinds)
    assert before
    status, _, said = old(*RUN, "--out", "again")
    assert status == 0, said
    assert finished(*kinds) == before
    cells = json.loads(Path("again/manifest.json").read_text(encoding="utf-8"))["cells"]
    assert [(cell["method"], cell["cached"]) for cell in cells] == [
        ("grey", True),
        ("marginal", True),
    ]
    pd.testing.assert_frame_equal(
        pd.read_parquet("again/scores.parquet").drop(columns="run"),
        pd.read_parquet("run/scores.parquet").drop(columns="run"),
    )
    assert old("compare", "run", "again", "--out", "both")[0] == 0
