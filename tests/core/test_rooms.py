"""Rooms stand in layers, no import leads round in a circle, the core knows no shelf, and
registration is light."""

import ast
import graphlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from bench.plugins import lists

from ..patience import LONG

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "bench"
SHELVES = ("methods", "metrics", "datasets", "reports")
OF_A_SHELF = re.compile(rf"(?<![\w.])bench\.({'|'.join(SHELVES)})\b")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A folder that holds the package as it is installed: the shelves inside `bench`."""
    folder = tmp_path_factory.mktemp("package")
    ignored = shutil.ignore_patterns("__pycache__", "templates")
    shutil.copytree(CORE, folder / "bench", ignore=ignored)
    for shelf in SHELVES:
        shutil.copytree(ROOT / shelf, folder / "bench" / shelf, ignore=ignored)
    return folder


def linted(package, *options):
    """What import-linter says of a package."""
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(*sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "pyproject.toml")],
        cwd=package,
        env=os.environ | {"PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def circle(package):
    """Modules that import one another in a loop, the first such loop that is found; imports for
    type checking and within functions count."""
    code = (
        "import grimp, json; graph = grimp.build_graph('bench', cache_dir=None)\n"
        "print(json.dumps({m: sorted(graph.find_modules_directly_imported_by(m))"
        " for m in sorted(graph.modules)}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=package,
        env=os.environ | {"PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        check=True,
    )
    arrows = ast.literal_eval(done.stdout)
    assert len(arrows) > 100
    try:
        graphlib.TopologicalSorter(arrows).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def test_a_room_imports_only_what_is_below_it(package):
    status, said = linted(package)
    assert status == 0, said
    assert "Rooms in layers KEPT" in said


def test_no_import_leads_round_in_a_circle(package):
    assert circle(package) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("store/disk.py", "from bench.engine import plan"),
        ("errors.py", "def f():\n    from bench.cli import config"),
        ("keys.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import bench.gate"),
        ("cli/config.py", "import bench.methods.vae"),
        ("metrics/auc.py", "from bench.reports import page"),
        ("attic/old.py", ""),
    ],
)
def test_what_breaks_the_layers_is_seen(package, tmp_path, file, line):
    shutil.copytree(package, tmp_path / "package")
    path = tmp_path / "package" / "bench" / file
    path.parent.mkdir(exist_ok=True)
    (path.parent / "__init__.py").touch()
    path.write_text(f"{path.read_text() if path.exists() else ''}\n{line}\n")
    status, said = linted(tmp_path / "package")
    assert status == 1, said


def test_a_circle_is_seen(package, tmp_path):
    shutil.copytree(package, tmp_path / "package")
    for one, other in (("keys", "seeds"), ("seeds", "keys")):
        path = tmp_path / "package" / "bench" / f"{one}.py"
        path.write_text(f"{path.read_text()}\ndef late():\n    import bench.{other}\n")
    found = circle(tmp_path / "package")
    assert {"bench.keys", "bench.seeds"} <= set(found)


def named(source):
    """Shelves' modules that code names in its texts, docstrings apart."""
    tree = ast.parse(source)
    docs = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield from (match[0] for match in OF_A_SHELF.finditer(node.value))


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda p: str(p.relative_to(CORE)))
def test_the_core_names_no_module_of_a_shelf(path):
    assert list(named(path.read_text(encoding="utf-8"))) == []


def test_the_rule_sees_a_name_in_a_text():
    assert list(named("'''bench.methods.vae'''\nx = f'{y} bench.metrics.auc:Auc'")) == [
        "bench.metrics"
    ]


def test_every_folder_is_packaged():
    """Editable and built packages hold what pyproject.toml lists: a new folder has to be there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(project["tool"]["setuptools"]["packages"])
    core = {".".join(path.parent.relative_to(ROOT).parts) for path in CORE.rglob("__init__.py")}
    shelves = {
        ".".join(("bench", *path.parent.relative_to(ROOT).parts))
        for shelf in SHELVES
        for path in (ROOT / shelf).rglob("__init__.py")
    }
    assert listed == core | shelves


@pytest.mark.parametrize("shelf", SHELVES)
def test_a_shelf_lists_the_modules_that_register_and_no_other(shelf):
    registers = re.compile(r"^(def bench_register_|@metric\(|@table\()", re.MULTILINE)
    registering = {
        path.stem for path in (ROOT / shelf).glob("*.py") if registers.search(path.read_text())
    }
    assert registering
    assert set(lists.listed(ROOT / shelf / "__init__.py")) == registering


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


def test_the_picture_of_the_layers_is_the_rule():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = project["tool"]["importlinter"]["contracts"]
    rooms = [name for layer in contract["layers"] for name in re.split(r" [:|] ", layer)]
    drawn = (ROOT / "docs/figures/layers.svg").read_text(encoding="utf-8")
    shown = re.findall(r'<tspan font-weight="bold">([^<]*)</tspan>|>(\w+)/</text>', drawn)
    assert [name for bold, shelf in shown for name in (bold or shelf).split(", ")] == rooms
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (`.*`) \| ", page, re.MULTILINE)
    told = [name for row in listed for name in re.findall(r"`(\w+)(?:/|\.py)`", row)]
    ground = len(rooms[len(SHELVES) :]) - 8
    assert told[:ground] == rooms[len(SHELVES) :][:ground]
    assert set(told) == set(rooms[len(SHELVES) :])


@pytest.mark.parametrize("folder", ["bench", "methods", "metrics", "datasets", "reports", "tests"])
def test_no_folder_and_no_file_is_too_large_to_know(folder):
    paths = [p for p in (ROOT / folder).rglob("*.py") if "templates" not in p.parts]
    counts = Counter(path.parent for path in paths)
    assert {str(place): n for place, n in counts.items() if n > 20} == {}
    long = {str(p): n for p in paths if (n := len(p.read_text("utf-8").splitlines())) > 400}
    assert folder == "tests" or long == {}
    assert folder != "bench" or counts[ROOT / folder] <= 10
