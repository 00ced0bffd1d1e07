"""The examples and scaffolds as local files: nothing is installed."""

import json
import subprocess
import sys

import pytest

from bench.plugins import scaffold
from bench.plugins.loader import registry
from bench.plugins.scaffold import KINDS, Package

from .conftest import EXAMPLES
from .test_installed import NAMES


def listed(*plugins):
    """What `bench list` shows with local plugins, as (kind, name) -> distribution."""
    given = [part for path in plugins for part in ("--plugin", str(path))]
    done = subprocess.run(
        [sys.executable, "-m", "bench.cli", *given, "--strict-plugins", "list", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {(row["kind"], row["name"]): row["distribution"] for row in json.loads(done.stdout)}


@pytest.mark.parametrize("kind", NAMES)
def test_an_example_works_as_a_local_project(kind):
    assert listed(EXAMPLES[kind])[kind, NAMES[kind]] == f"huebench-{NAMES[kind]}"


def test_all_examples_work_together():
    assert set(NAMES.items()) <= set(listed(*EXAMPLES.values()))


@pytest.mark.parametrize("kind", KINDS)
def test_a_scaffold_works_as_a_local_project_and_as_a_local_package(kind, tmp_path):
    folder = scaffold.create(Package(kind, "local-one"), registry(), tmp_path / "package")
    assert listed(folder)[kind, "local-one"] == "huebench-local-one"
    assert (kind, "local-one") in listed(folder / "src" / "huebench_local_one")
