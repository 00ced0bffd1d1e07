"""`bench new`: names, folders, and packages that other programs accept."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.plugins import scaffold
from bench.plugins.loader import registry
from bench.plugins.scaffold import KINDS, LICENCES, Package
from bench.store import files

TEXTS = st.text(st.sampled_from("abz09-_ .A/é"), max_size=12)


@pytest.fixture
def bench(command):
    """Run `bench ...` in an empty folder."""
    return command


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Packages of every kind: names of one letter, of several words, and as long as they may be."""
    home = tmp_path_factory.mktemp("packages")
    made = [
        Package(kind, name, "MIT", network)
        for kind, network in (*((kind, False) for kind in KINDS), ("method", True))
        for name in ("q", "2".join("abc") + "-d", "a-" + "word" * 7)
    ]
    assert len(made[2].name) == scaffold.LONGEST
    return [
        (package, scaffold.create(package, registry(), home / str(number)))
        for number, package in enumerate(made)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_is_named_after_the_plugin_and_says_what_comes_next(bench, kind):
    status, out, err = bench("new", kind, "two-words")
    assert (status, err) == (0, "")
    assert f"{kind} 'two-words' is in {Path.cwd() / 'huebench-two-words'}" in out
    project = tomllib.loads(Path("huebench-two-words/pyproject.toml").read_text())["project"]
    assert (project["name"], project["license"]) == ("huebench-two-words", "Apache-2.0")
    assert project["entry-points"]["huebench"] == {"two-words": "huebench_two_words"}
    listed = {line.strip() for line in out.splitlines()}
    assert {
        "src/huebench_two_words/__init__.py",
        "tests/test_two_words.py",
        ".github/workflows/test.yml",
        "LICENSE",
        ".gitignore",
        "README.md",
    } <= listed


@pytest.mark.parametrize("licence", LICENCES)
def test_the_licence_is_in_every_place(bench, licence):
    assert bench("new", "metric", "some-error", "--licence", licence)[0] == 0
    package = Path("huebench-some-error")
    assert tomllib.loads((package / "pyproject.toml").read_text())["project"]["license"] == licence
    assert f'licence="{licence}"' in (package / "src/huebench_some_error/__init__.py").read_text()
    title = {
        "Apache-2.0": "Apache License",
        "MIT": "MIT License",
        "BSD-3-Clause": "BSD 3-Clause License",
    }[licence]
    text = (package / "LICENSE").read_text()
    assert text.strip().startswith(title)
    assert ("the authors of huebench-some-error" in text) == (licence != "Apache-2.0")


def test_the_licence_of_apache_is_the_project_s_own_copy():
    root = Path(__file__).resolve().parents[2]
    assert (root / "bench/plugins/templates/licences/Apache-2.0").read_text() == (
        root / "LICENSE"
    ).read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("method", "mdn"), "method 'mdn' is registered already by huebench"),
        (("dataset", "mdn"), "a plugin 'mdn' is registered already by huebench"),
        (("metric", "fair-crps"), "metric 'fair-crps' is registered already by huebench"),
        (("method", "My Method"), "such as 'my-method'"),
        (("method", "-x"), "No such option"),
        (("method", "a--b"), "such as 'a-b'"),
        (("method", "x" * 31), "at most 30 characters"),
        (("method", "../up"), "such as 'up'"),
        (("metric", "fine", "--network"), "a metric trains no network, only a method does"),
        (("dataset", "class"), "a word of Python"),
        (("dataset", "none"), "a word of Python"),
        (("report", "page"), "report 'page' is registered already by huebench"),
        (("protocol", "paper"), "protocol 'paper' is registered already by huebench"),
        (("weights", "x"), "'weights' is not one of"),
        (("metric", "fine", "--licence", "GPL"), "'GPL' is not one of"),
        (("metric", "fine", "--out", "full"), "is not an empty folder: choose another --out"),
        (("metric", "fine", "--out", "file"), "is not an empty folder: choose another --out"),
        (("metric", "fine", "--out", "file/below"), "can't be written ("),
        (("metric", "fine", "--out", "."), "is not an empty folder: choose another --out"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_written(bench, arguments, says):
    Path("full").mkdir()
    Path("full/mine.txt").write_text("mine")
    Path("file").write_text("mine")
    status, out, err = bench("new", *arguments)
    assert (status, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
    assert sorted(map(str, Path().rglob("*"))) == ["file", "full", "full/mine.txt"]


def test_the_working_folder_is_not_replaced(bench):
    status, _, err = bench("new", "metric", "fine", "--out", ".")
    assert status == 2
    assert "is the working folder" in err


def test_an_empty_folder_is_used_and_parents_are_made(bench):
    Path("empty").mkdir()
    for out in ("empty", "deep/er"):
        assert bench("new", "metric", "fine", "--out", out)[0] == 0
        assert Path(out, "pyproject.toml").is_file()


def test_a_name_of_another_kind_is_free_where_no_plugin_has_it(bench):
    assert bench("new", "dataset", "fair-crps")[0] == 0


@pytest.mark.parametrize("fails_at", [1, 4, 8])
def test_nothing_is_left_of_a_package_that_could_not_be_written(tmp_path, monkeypatch, fails_at):
    written = []

    def full(path, text):
        written.append(path)
        if len(written) == fails_at:
            raise OSError(28, "No space left on device")
        files.write_text(path, text)

    monkeypatch.setattr(scaffold, "write_text", full)
    with pytest.raises(BenchError, match="No space left on device"):
        scaffold.create(Package("method", "fine"), registry(), tmp_path / "fine")
    assert len(written) == fails_at
    assert list(tmp_path.iterdir()) == []


@given(TEXTS)
def test_a_name_is_accepted_or_a_better_one_is_proposed(name):
    package = Package("metric", name)
    try:
        scaffold.check_name(package, registry())
    except BenchError as error:
        proposal = str(error).rpartition("such as '")[2].partition("'")[0]
        assert not proposal or scaffold.NAME.fullmatch(proposal)
    else:
        assert package.words["module"].isidentifier()
        assert package.words["class_name"].isidentifier()


def test_ruff_accepts_them_by_their_own_rules(packages):
    for _, folder in packages:
        done = subprocess.run(
            [sys.executable, "-m", "ruff", "check", "--no-cache", "."],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_no_placeholder_is_left(packages):
    for _, folder in packages:
        for path in (p for p in folder.rglob("*") if p.is_file()):
            text = path.read_text().replace("${{", "").replace('"$HUEBENCH"', "")
            assert "$" not in text, path
            assert not {"__snake__", "__module__", "tmpl"} & set(
                path.name.replace(".", " ").split()
            )


def test_the_readme_names_files_that_exist(packages):
    for package, folder in packages:
        table = [
            line
            for line in (folder / "README.md").read_text().splitlines()
            if line.startswith("| `")
        ]
        files = [line.split("`")[1] for line in table]
        assert len(files) == (4 if KINDS[package.kind].file else 3)
        assert all((folder / file).is_file() for file in files)


def test_registering_imports_nothing_heavy(packages):
    for package, folder in packages[::3]:
        module = package.words["module"]
        code = (
            f"import sys; sys.path.insert(0, 'src'); import {module}\n"
            "from bench.plugins import decorated, loader\n"
            f"kind = '{package.kind}s'\n"
            f"(spec,) = decorated.registered({module}, kind, loader.KINDS[kind])\n"
            f"assert spec.name == '{package.name}'\n"
            "print([m for m in ('torch', 'numpy', 'pandas') if m in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_new_package_s_modes_are_those_of_any_folder(packages):
    assert all(os.stat(folder).st_mode & 0o777 == 0o755 for _, folder in packages)
