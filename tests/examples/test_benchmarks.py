"""Every script of `benchmarks/` runs, at its smallest size; `make test` also holds them against
mypy."""

import ast
import os
import subprocess
import sys
from importlib import import_module
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from ..patience import LONG
from .conftest import ROOT

FAST = {"coverage", "gate", "mutation", "preparation", "startup", "upsampling"}
SLOW = {
    "adversaries",
    "article",
    "copies",
    "memory",
    "networks",
    "overhead",
    "precomputed",
    "ratios",
    "reporting",
    "scaling",
    "scoring",
}
GIVEN = {
    "article": ("run",),
    "copies": ("demo", "--quick"),
    "mutation": ("show", "--quick"),
    "scoring": ("--quick", "--per-metric"),
    "upsampling": ("photographs", "--quick"),
}
"""What a script is given where that is not `--quick` alone."""
SHARED = {"measure", "mutants"}
"""What the others import."""
SCRIPTS = sorted((ROOT / "benchmarks").glob("*.py"))


def absent(source):
    """Names that a script takes from huebench's modules, and that these do not have."""
    modules, nodes = {}, list(ast.walk(ast.parse(source)))
    for node in nodes:
        if isinstance(node, ast.Import):
            modules |= {a.name: import_module(a.name) for a in node.names if a.name == "bench"}
        elif isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] == "bench":
            for a in node.names:
                found = getattr(import_module(node.module), a.name, None) or submodule(
                    node.module, a.name
                )
                if found is None:
                    yield f"{node.module}.{a.name}"
                elif isinstance(found, ModuleType):
                    modules[a.asname or a.name] = found
    used = [
        (n.value.id, n.attr)
        for n in nodes
        if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)
    ]
    yield from (
        f"{name}.{attribute}"
        for name, attribute in used
        if name in modules and not hasattr(modules[name], attribute)
    )


def submodule(package, name):
    """A module of a package, None where there is none."""
    try:
        return import_module(f"{package}.{name}")
    except ModuleNotFoundError:
        return None


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_name_that_it_uses_exists(path):
    assert list(absent(path.read_text())) == []


@pytest.mark.parametrize(
    "wrong",
    [
        "from bench.scores import scoring\nscoring.CellScores",
        "from bench.scores.scoring import CellScores",
        "from bench.scores import scorings",
        "import bench\nbench.rum()",
    ],
)
def test_the_test_sees_a_name_that_is_gone(wrong):
    assert list(absent(wrong))


def test_every_script_is_run():
    assert {path.stem for path in SCRIPTS} == {*FAST, *SLOW, *SHARED}


@pytest.mark.parametrize(
    "name", [*sorted(FAST), *(pytest.param(name, marks=pytest.mark.slow) for name in sorted(SLOW))]
)
def test_it_runs(name, tmp_path):
    environment = os.environ | {"BENCH_STORE": str(tmp_path / "store"), "BENCH_THREADS": "1"}

    def run(*words):
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LONG,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout

    if name == "upsampling":
        pictures(tmp_path / "photographs", 2)
    if name == "article":
        pictures(tmp_path / "church", 60)
        run(
            "-m",
            "bench.cli",
            "run",
            "--methods",
            "vae[loss=[l2,full],steps=2],marginal",
            "--preset",
            "tiny",
            "-d",
            "church",
            "--data-home",
            tmp_path,
            "--limit-test",
            "6",
            "--figures",
            "none",
            "--out",
            "run",
        )
    said = run(ROOT / "benchmarks" / f"{name}.py", *GIVEN.get(name, ("--quick",)))
    assert any(letter.isdigit() for letter in said)
    if name == "article":
        ours, _, theirs = said.partition("## Table 1, as published, not measured here")
        assert "| church: vae" in ours
        assert "| .049 |" not in ours
        assert "| church | .049 | .049 | .056 | .056 | .050 | .050 |" in theirs.partition("## ")[0]


def pictures(folder, count):
    """Photographs of random colours."""
    folder.mkdir()
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (80, 90, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
