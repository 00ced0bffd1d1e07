"""The core knows no shelf, and registration is light."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.plugins import lists

from ..patience import LONG

CORE = Path(__file__).resolve().parents[2] / "bench"
SHELVES = {"methods", "metrics", "datasets", "reports"}


def imported(path):
    """Absolute dotted names that a file of the core imports, anywhere in it, `importlib` by literal
    included."""
    package = ["bench", *path.relative_to(CORE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(
            node.func, "attr", getattr(node.func, "id", "")
        ) in ("import_module", "__import__"):
            yield from (
                a.value
                for a in node.args
                if isinstance(a, ast.Constant) and isinstance(a.value, str)
            )


def of_a_shelf(name):
    parts = name.split(".")
    return parts[0] in SHELVES or (parts[0] == "bench" and len(parts) > 1 and parts[1] in SHELVES)


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda p: str(p.relative_to(CORE)))
def test_the_core_imports_no_shelf(path):
    assert [name for name in imported(path) if of_a_shelf(name)] == []


@pytest.mark.parametrize("shelf", sorted(SHELVES))
def test_a_shelf_lists_the_modules_that_register_and_no_other(shelf):
    folder = CORE.parent / shelf
    registers = re.compile(r"^(def bench_register_|@metric\(|@table\()", re.MULTILINE)
    registering = {path.stem for path in folder.glob("*.py") if registers.search(path.read_text())}
    assert registering
    assert set(lists.listed(folder / "__init__.py")) == registering


@pytest.mark.parametrize(
    "line",
    [
        "import bench.methods.vae",
        "from bench.metrics import variance",
        "from bench import datasets",
        "from . import reports",
        "from .methods import vae",
        "def f():\n    import bench.datasets",
        "import importlib\nimportlib.import_module('bench.methods.vae')",
    ],
)
def test_the_rule_sees_every_way_to_import_a_shelf(line, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "CORE", tmp_path)
    (tmp_path / "core.py").write_text(line)
    assert any(of_a_shelf(name) for name in imported(tmp_path / "core.py"))


@pytest.mark.parametrize(
    "code",
    [
        "import bench.specs, bench.plugins.loader, bench.hookspecs, bench.plugins.notation",
        "from bench.plugins.loader import registry; assert registry().specs['protocols']",
    ],
    ids=["core", "registration"],
)
def test_registration_imports_no_torch(code):
    check = (
        "\nimport sys; print([m for m in ('torch', 'lightning', 'skimage') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code + check],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
