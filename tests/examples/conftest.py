"""A fresh environment: huebench as a wheel of this tree, the examples and a scaffold of each kind,
installed by pip.

What they depend on is not downloaded: links to the packages of the running environment, huebench
and its plugins left out.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from types import SimpleNamespace

import pytest

from ..patience import LONG

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = {
    path.parent.name: path.parent for path in sorted((ROOT / "examples").glob("*/pyproject.toml"))
}
SCAFFOLDS = {
    "method": "fresh-tint",
    "dataset": "fresh-set",
    "metric": "fresh-error",
    "report": "fresh-table",
    "protocol": "fresh-rules",
    "executor": "fresh-pool",
}
SOURCES = (
    "bench",
    "methods",
    "metrics",
    "datasets",
    "reports",
    "pyproject.toml",
    "README.md",
    "LICENSE",
)
PIP = """[global]
disable-pip-version-check = true
[install]
no-index = true
no-deps = true
no-build-isolation = false
"""
"""pip reads `no-build-isolation = false` as the option being given."""


@pytest.fixture(scope="session")
def fresh(tmp_path_factory):
    """The environment: `fresh.run(*command)` runs one in it and returns standard output; it fails
    on a failure."""
    home = tmp_path_factory.mktemp("fresh")
    environment = _environment(home)
    python = str(home / "venv" / "bin" / "python")

    def run(*command, cwd=home, status=0):
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LONG,
            check=False,
        )
        assert done.returncode == status, (
            f"{command} gave {done.returncode}:\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        )
        return done.stdout

    run(python, "-m", "pip", "install", "-q", _copy(ROOT, home / "tree", SOURCES))
    scaffolds = {kind: home / f"huebench-{name}" for kind, name in SCAFFOLDS.items()}
    for kind, name in SCAFFOLDS.items():
        run("bench", "new", kind, name)
    run("bench", "new", "method", "fresh-network", "--network")
    scaffolds["network"] = home / "huebench-fresh-network"
    examples = {kind: _copy(path, home / "examples" / kind) for kind, path in EXAMPLES.items()}
    run(python, "-m", "pip", "install", "-q", *examples.values(), *scaffolds.values())
    return SimpleNamespace(
        run=run,
        home=home,
        python=python,
        examples=examples,
        scaffolds=scaffolds,
        environment=environment,
    )


def _copy(source, target, names=None):
    """A copy to build in: building leaves files beside the sources."""
    left_out = shutil.ignore_patterns("__pycache__", "build", "*.egg-info", ".*_cache")
    target.mkdir(parents=True)
    for name in names or sorted(os.listdir(source)):
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, ignore=left_out)
        else:
            shutil.copy(source / name, target)
    return target


def _environment(home):
    """Make the virtual environment and return the variables with which commands run in it."""
    venv.create(home / "venv", symlinks=True)
    scripts, packages = home / "venv" / "bin", home / "packages"
    packages.mkdir()
    for path in {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}:
        for entry in path.iterdir():
            if (
                not entry.name.lower().startswith(("huebench", "__editable__", "_editable_"))
                and entry.suffix != ".pth"
            ):
                (packages / entry.name).symlink_to(entry)
    site = next((home / "venv" / "lib").glob("python*/site-packages"))
    (site / "dependencies.pth").write_text(f"{packages}\n")
    (home / "venv" / "pip.conf").write_text(PIP)
    for name in ("pip", "pytest", "mypy"):
        (scripts / name).write_text(f'#!/bin/sh\nexec "{scripts / "python"}" -m {name} "$@"\n')
        (scripts / name).chmod(0o755)
    (scripts / "ruff").symlink_to(Path(sys.executable).parent / "ruff")
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("BENCH_", "PIP_", "PYTHON", "COV_", "GITHUB_"))
    }
    paths = {
        "PATH": os.pathsep.join([str(scripts), os.environ.get("PATH", "")]),
        "VIRTUAL_ENV": str(home / "venv"),
    }
    return (
        kept
        | paths
        | {
            "BENCH_STORE": str(home / "store"),
            "BENCH_DATA": str(home / "data"),
            "PYTHONNOUSERSITE": "1",
        }
    )
