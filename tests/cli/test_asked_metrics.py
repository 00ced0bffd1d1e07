"""Metrics that someone asked for by name, whatever they declare: in the table at the end, and in a
baseline."""

import json
from pathlib import Path

import pytest

RUN = (
    "run",
    "-m",
    "grey,marginal",
    "--store",
    "store",
    "--figures",
    "none",
    "--limit-train",
    "24",
    "--limit-test",
    "8",
)


def header(out):
    return out.splitlines()[0].split()


def values(out, name):
    lines = [line.split() for line in out.splitlines()[1:3]]
    return [line[header(out).index(name)] for line in lines]


def metrics(path):
    return {column["metric"] for column in json.loads(Path(path).read_text())["columns"]}


def test_they_are_in_the_table_and_in_the_baseline(command):
    status, out, err = command(
        *RUN, "--metrics", "psnr,absolute-error,spread-skill,effective-modes", "--out", "run"
    )
    assert status == 0, err
    assert header(out) == [
        "dataset",
        "method",
        "absolute-error",
        "effective-modes",
        "psnr",
        "spread-skill",
        "presents",
    ]
    assert [0 < float(value) < 60 for value in values(out, "psnr")] == [True, True]
    assert values(out, "spread-skill")[0] == "0.0000"  # grey has no spread
    assert 0 < float(values(out, "spread-skill")[1]) < 5  # a value of the whole set
    status, _, err = command("baseline", "write", "run", "b.json")
    assert status == 0, err
    assert {"psnr", "absolute-error", "spread-skill", "effective-modes"} <= metrics("b.json")
    assert command("gate", "run", "--baseline", "b.json", "--inconclusive", "fail")[0] == 0


def test_without_names_the_table_is_that_of_the_headlines(command):
    status, out, err = command(*RUN, "--out", "run")
    assert status == 0, err
    assert "psnr" not in header(out)
    assert "fair-energy-score" in header(out)
    status, out, err = command("score", "run", "--metrics", "ssim", "--store", "store")
    assert status == 0, err
    assert "ssim" in header(out)
    assert "fair-energy-score" in header(out)
    assert command("baseline", "write", "run", "b.json")[0] == 0
    assert {"ssim", "fair-energy-score"} <= metrics("b.json")
    assert "psnr" not in metrics("b.json")


PLUGIN = """
import numpy as np
from bench.contracts import Metric, Score
from bench.hookspecs import hookimpl
from bench.specs import MetricSpec


@hookimpl
def bench_register_metrics():
    yield MetricSpec(name="halo", summary="mean a", factory=":Halo", unit="ab", direction="none",
                     accepts=frozenset({"iid", "point"}))


class Halo(Metric):
    def score(self, samples, truth, context):
        return [Score("a", "all", samples.ab[:, :, 0].mean(dim=(1, 2, 3)).numpy().astype(np.float64))]
"""


@pytest.fixture
def halo(command):
    Path("halo.py").write_text(PLUGIN)
    status, out, err = command(
        *RUN, "--plugin", "halo.py", "--metrics", "halo,absolute-error", "--out", "run"
    )
    assert status == 0, err
    assert "halo" in header(out)
    return command


def test_a_plugin_s_metric_is_not_dropped_without_a_word(halo):
    status, _, err = halo("baseline", "write", "run", "b.json")
    assert status == 2
    assert "run has scores of halo, which nothing that is loaded here registers" in err
    assert not Path("b.json").exists()
    status, _, err = halo("baseline", "write", "run", "b.json", "--force")
    assert status == 0
    assert "not gated: halo: not loaded here" in err
    assert halo("baseline", "write", "run", "with.json", "--plugin", "halo.py")[0] == 0
    assert "halo" in metrics("with.json")
    status, out, _ = halo("gate", "run", "--baseline", "b.json")
    assert status == 0
    assert "note: not gated: halo: not loaded here" in out


def test_a_truth_has_no_spread_and_passes(command):
    status, _, err = command(
        "run",
        "-m",
        "truth,marginal",
        "--store",
        "store",
        "--figures",
        "none",
        "--limit-train",
        "24",
        "--limit-test",
        "12",
        "--out",
        "run",
    )
    assert status == 0, err
    status, _, err = command("baseline", "write", "run", "b.json")
    assert status == 0
    status, out, _ = command("gate", "run", "--baseline", "b.json", "--inconclusive", "fail")
    assert status == 0, out
    assert "inconclusive" not in out
