"""The core knows no shelf, and registration is light."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

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


NAMED = re.compile(r"\bbench\.(methods|metrics|datasets|reports)\b")


def texts(path):
    """The texts in a file's code, f-strings' parts included, without docstrings."""
    tree = ast.parse(path.read_text(), str(path))
    said = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value


def of_a_shelf(name):
    parts = name.split(".")
    return parts[0] in SHELVES or (parts[0] == "bench" and len(parts) > 1 and parts[1] in SHELVES)


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda p: str(p.relative_to(CORE)))
def test_the_core_imports_no_shelf(path):
    assert [name for name in imported(path) if of_a_shelf(name)] == []


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda p: str(p.relative_to(CORE)))
def test_the_core_names_no_shelf_in_a_text(path):
    assert [text for text in texts(path) if NAMED.search(text)] == []


@pytest.mark.parametrize(
    ("line", "sees"),
    [
        ("factory = 'bench.methods.zhang_weights:inspect'", True),
        ("def f():\n    return {'inspect': f'bench.metrics.{name}'}", True),
        ('"""As `bench.methods.vae` does."""', False),
        ('a = 1\n"""Taken by `bench.reports`."""', False),
        ("text = 'bench.methodsuite'", False),
    ],
)
def test_the_rule_sees_a_shelf_in_a_text(line, sees, tmp_path):
    (tmp_path / "core.py").write_text(line)
    assert any(map(NAMED.search, texts(tmp_path / "core.py"))) == sees


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


TORCH = ("torch", "lightning", "skimage")
HELP = "from bench.cli import main\ntry:\n    main(['run', '--help'])\nexcept SystemExit:\n    pass"


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        (
            "import bench.specs, bench.plugins.loader, bench.hookspecs, bench.plugins.notation",
            TORCH,
        ),
        ("from bench.plugins.loader import registry; assert registry().specs['protocols']", TORCH),
        (HELP, (*TORCH, "numpy", "msgspec", "bench.store.local")),
    ],
    ids=["core", "registration", "help"],
)
def test_registration_and_help_are_light(code, heavy):
    check = f"\nimport sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code + check],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert (done.stdout.splitlines()[-1], done.stderr) == ("[]", "")
