"""docs/train-a-network.md and what `bench new method NAME --network` writes: the page shows the
package's own code, its changes apply, and the method learns, keeps the rules and goes on after a
kill, before and after them."""

import ast
import re
import subprocess
import sys

import pytest

from bench.plugins import scaffold
from bench.plugins.loader import registry
from bench.plugins.scaffold import Package

from ..patience import LONG
from .conftest import ROOT
from .test_first_plugin import change

PAGE = (ROOT / "docs" / "train-a-network.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def package(tmp_path):
    return scaffold.create(
        Package("method", "tinge", network=True), registry(), tmp_path / "huebench-tinge"
    )


def test_the_page_shows_the_package_s_own_code(package):
    """However it is laid out: docs and packages have lines of other lengths."""
    written = {
        ast.dump(node)
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.stmt)
    }
    shown = [node for kind, block in BLOCKS if kind == "python" for node in ast.parse(block).body]
    assert [node.name for node in shown] == [
        "Objective",
        "fit",
        "save",
        "load",
        "predict",
        "_build",
        "test_a_killed_fit_goes_on_and_ends_with_the_same_bits",
    ]
    assert [ast.unparse(node) for node in shown if ast.dump(node) not in written] == []


def run(package, *command):
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=package,
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    return done.stdout


def pytest_of(package, tmp_path, *more):
    """Its tests, as its installation would run them."""
    options = ["-p", "no:cacheprovider", "-o", "pythonpath=src", "--bench-plugin", "."]
    return run(package, "pytest", "-q", *options, f"--basetemp={tmp_path / 'inner'}", *more)


def test_it_learns_keeps_the_rules_and_goes_on_after_a_kill(package, tmp_path):
    found = re.search(r"(\d+) passed", pytest_of(package, tmp_path))
    assert int(found[1]) > 20


def test_it_keeps_the_rules_with_features_of_another_method(package, tmp_path):
    for kind, block in BLOCKS:
        if kind == "diff":
            change(package, block)
    run(package, "ruff", "check", "--no-cache", ".")
    out = run(package, "bench.cli", "check", "--plugin", ".", "tinge")
    assert "failed" not in out.replace("0 failed", "")
