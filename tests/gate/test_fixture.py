"""The fixture `bench_gate`, in pytest runs of their own, as a user has them."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

CALL = 'bench_gate("marginal", dataset={photographs!r}, preset="tiny", baseline="base/{name}.json"{more})'
TESTS = {
    "same": "",
    "better": ", margins={'margin': [{'relative': 0.5}]}",
    "worse": "",
    "failing": ", inconclusive='fail'",
    "unsure": "",
    "fewer": ", k=3",
    "absent": ", margins='none.toml'",
}
"""Names of tests and baselines, and what is asked for besides."""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with a test file; `pytest_` runs it from elsewhere."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "photographs").mkdir()
    for i in range(80):
        colours = np.random.default_rng(i).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(colours).resize((80, 80), Image.Resampling.BICUBIC).save(
            folder / "photographs" / f"{i:03}.png"
        )
    lines = ["import pytest", 'WANTED = ("fair-energy-score", "error-of-best")']
    for name, more in TESTS.items():
        call = CALL.format(
            photographs=str(folder / "photographs"), name=name, more=f", metrics=WANTED{more}"
        )
        lines += [f"def test_{name}(bench_gate):", f"    {call}"]
    (folder / "test_quality.py").write_text("\n".join(lines))
    return folder


def pytest_(project, *options):
    environment = {
        **os.environ,
        "BENCH_STORE": str(project / "store"),
        "BENCH_DATA": str(project / "data"),
    }
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            project,
            *options,
            project / "test_quality.py",
        ],
        cwd=project.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def changed(project, name, change):
    """The same baseline with other values."""
    found = json.loads((project / "base" / "same.json").read_text())
    for column in found["columns"]:
        column["values"] = [round(change(i, v), 6) for i, v in enumerate(column["values"])]
    (project / "base" / f"{name}.json").write_text(json.dumps(found))


def test_baselines_are_written_where_they_are_asked_for_and_then_runs_are_held_against_them(
    project,
):
    code, out = pytest_(project, "-k", "same")
    assert code == 1
    assert "base/same.json is missing: `pytest --bench-write-baseline` writes it" in out
    code, out = pytest_(project, "-k", "same", "--bench-write-baseline")
    assert code == 0, out
    assert f"baseline written: {project / 'base' / 'same.json'}" in out

    for name, change in {
        "better": lambda i, v: 1.1 * v,
        "worse": lambda i, v: 0.8 * v,
        "absent": lambda i, v: v,
        "unsure": lambda i, v: v + 0.01 * (-1) ** i,
        "failing": lambda i, v: v + 0.01 * (-1) ** i,
        "fewer": lambda i, v: v,
    }.items():
        changed(project, name, change)
    code, out = pytest_(project)
    assert code == 1
    outcomes = {
        line.split("::test_")[1].split(" ")[0]
        for line in out.splitlines()
        if line.startswith("FAILED")
    }
    assert outcomes == {"worse", "failing", "fewer", "absent"}
    assert "2 regressed" in out
    assert "not comparable" in out
    assert "k: 5 and 3" in out
    assert "none.toml is missing" in out
    assert "GateWarning: bench_gate: 2 inconclusive: run" in out
    assert "2 inconclusive" in out
    assert "Traceback" not in out


def test_the_plugin_imports_nothing_heavy():
    code = "import sys, bench.gate.pytest_plugin; print(sorted({'torch', 'pandas', 'numpy', 'scipy', 'click'} & set(sys.modules)))"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "[]\n"
    )
