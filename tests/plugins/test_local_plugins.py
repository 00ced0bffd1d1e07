"""Local plugins, loaded by path; off switches; and installed ones whose code may change."""

import json
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.plugins import loader, local
from bench.plugins.selection import Switches, from_environment, locate

SOURCE = """
from bench.contracts import Method
from bench.hookspecs import hookimpl
from bench.specs import MethodSpec

@hookimpl
def bench_register_methods():
    yield MethodSpec(name="{name}", summary="a test", factory="{factory}")

class Here(Method):
    pass
"""


@pytest.fixture(autouse=True)
def _own_modules():
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(path, name="halo", factory=":Here"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SOURCE.format(name=name, factory=factory))
    return path


def project(folder, entries, name="halo-project", version="0.3"):
    lines = "\n".join(f'{key} = "{value}"' for key, value in entries.items())
    head = f'[project]\nname = "{name}"\nversion = "{version}"\n[project.entry-points.huebench]\n{lines}\n'
    folder.mkdir(exist_ok=True)
    (folder / "pyproject.toml").write_text(head)


def only(*paths):
    return loader.load(
        [c for c in loader.candidates(Switches(paths=tuple(paths))) if c.plugin.content]
    )


def test_a_file_is_a_plugin_and_the_path_stays(tmp_path):
    before = list(sys.path)
    found = only(write(tmp_path / "halo.py"))
    spec = found.get("methods", "halo")
    assert spec.load().__name__ == "Here"
    assert found.owner("methods", "halo").origin == str(tmp_path / "halo.py")
    assert sys.path == before


def test_two_files_of_one_name_are_two_modules(tmp_path):
    found = only(
        write(tmp_path / "a" / "halo.py", "one"), write(tmp_path / "b" / "other.py", "two")
    )
    classes = [found.get("methods", name).load() for name in ("one", "two")]
    assert classes[0].__module__ != classes[1].__module__


def test_a_package_names_its_modules_relative_to_itself(tmp_path):
    write(tmp_path / "halo" / "__init__.py", factory=".deep.model:Halo")
    (tmp_path / "halo" / "deep").mkdir()
    (tmp_path / "halo" / "deep" / "__init__.py").write_text("")
    (tmp_path / "halo" / "deep" / "model.py").write_text(
        "from ..shared import LEVEL\nclass Halo:\n    level = LEVEL\n"
    )
    (tmp_path / "halo" / "shared.py").write_text("LEVEL = 3\n")
    assert only(tmp_path / "halo").get("methods", "halo").load().level == 3


@pytest.mark.parametrize("root", ["", "src/"])
def test_a_project_is_loaded_as_its_entry_points_say(tmp_path, root):
    project(tmp_path, {"one": "halo", "two": "single"})
    write(tmp_path / f"{root}halo" / "__init__.py", "a", ".:Here")
    write(tmp_path / f"{root}single.py", "b")
    found = only(tmp_path)
    assert found.get("methods", "b").load().__name__ == "Here"
    owner = found.owner("methods", "a")
    assert (owner.name, owner.distribution, owner.version) == ("one", "halo-project", "0.3")


def test_an_entry_point_may_name_a_module_of_a_package(tmp_path):
    project(tmp_path, {"one": "halo.plugin.main"})
    write(tmp_path / "src" / "halo" / "plugin" / "main.py", factory="..model:Halo")
    (tmp_path / "src" / "halo" / "plugin" / "__init__.py").write_text("from ..model import Halo\n")
    (tmp_path / "src" / "halo" / "__init__.py").write_text("")
    (tmp_path / "src" / "halo" / "model.py").write_text("class Halo: pass\n")
    assert only(tmp_path).get("methods", "halo").load().__name__ == "Halo"


@pytest.mark.parametrize("kind", ["folder", "project", "project of a package in a package"])
def test_a_package_lists_its_plugins(tmp_path, kind):
    inner = {"project of a package in a package": "halo/deep"}.get(kind, "halo")
    package = tmp_path / inner
    write(package / "one.py", "first")
    write(package / "two_more.py", "second", factory=".model:Halo")
    (package / "model.py").write_text("class Halo: pass\n")
    (tmp_path / "halo" / "__init__.py").write_text("")
    (package / "__init__.py").write_text('PLUGINS = ("one", "two_more")\n')
    if kind == "folder":
        found = only(package)
    else:
        project(tmp_path, {"all": inner.replace("/", ".")})
        found = only(tmp_path)
    assert [(p.name, p.error) for p in found.plugins] == [("one", None), ("two-more", None)]
    assert found.owner("methods", "second").name == "two-more"
    assert found.get("methods", "first").load().__name__ == "Here"
    assert found.get("methods", "second").load().__name__ == "Halo"
    assert len({p.identity for p in found.plugins}) == 1  # of the whole folder's code


def test_a_name_registered_twice_by_one_plugin_is_its_error_alone(tmp_path):
    path = write(tmp_path / "halo.py")
    path.write_text(path.read_text().replace("    yield", "    for _ in range(2): yield"))
    assert only(path).plugins[0].error == "ValueError: it registers method 'halo' twice"


def test_a_misspelt_argument_of_a_hook_is_named(tmp_path):
    path = write(tmp_path / "halo.py")
    path.write_text(path.read_text() + "\n@hookimpl\ndef bench_run_finished(folder): ...\n")
    assert "folder" in only(path).plugins[0].error


def test_a_virtual_environment_in_a_project_is_not_its_code(tmp_path):
    write(tmp_path / "halo" / "__init__.py")
    before = local.content(tmp_path / "halo")
    write(tmp_path / "halo" / "venv" / "lib" / "x.py")
    (tmp_path / "halo" / "venv" / "pyvenv.cfg").write_text("")
    (tmp_path / "halo" / "dangling.py").symlink_to(tmp_path / "gone.py")
    assert local.content(tmp_path / "halo") == before


def test_damaged_metadata_of_a_distribution_harms_nobody(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path / "mod_damaged.py")
    info = tmp_path / "damaged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: damaged\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[huebench]\nhalo = mod_damaged\n")
    (info / "direct_url.json").write_text("{")
    found = loader.load([e for d in distributions(path=[str(tmp_path)]) for e in d.entry_points])
    assert found.get("methods", "halo").load().__name__ == "Here"


def test_a_factory_relative_to_an_installed_module_works_too(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path / "mod_halo" / "__init__.py", factory=".model:Halo")
    (tmp_path / "mod_halo" / "model.py").write_text("class Halo: pass\n")
    info = tmp_path / "halo-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: halo\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[huebench]\nhalo = mod_halo\n")
    found = loader.load([e for d in distributions(path=[str(tmp_path)]) for e in d.entry_points])
    assert found.get("methods", "halo").factory == "mod_halo.model:Halo"
    assert found.get("methods", "halo").load().__name__ == "Halo"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda f: f / "absent.py", "absent.py is not there: give the path of a Python file"),
        (lambda f: write(f / "halo.txt"), r"halo.txt is no Python file \(.py\)"),
        (lambda f: f / "a:b.py", "a path with ':' can't be handed to other processes"),
        (lambda f: f, "has neither __init__.py nor pyproject.toml"),
        (lambda f: project(f, {}) or f, "has no entry points of the group huebench"),
        (lambda f: project(f, {"a": "gone"}) or f, "names the module gone, which is neither in"),
        (lambda f: (f / "pyproject.toml").write_text("[") and f, "pyproject.toml can't be read"),
    ],
    ids=["absent", "no-python", "colon", "no-package", "no-entries", "no-module", "no-toml"],
)
def test_what_is_no_plugin_is_refused_in_one_line(tmp_path, make, says):
    given = make(tmp_path)
    with pytest.raises(BenchError, match=says):
        loader.candidates(Switches((locate(given),)))


def test_a_broken_file_is_recorded_like_any_other_plugin(tmp_path):
    (tmp_path / "bad.py").write_text("raise RuntimeError('no')")
    found = only(tmp_path / "bad.py", write(tmp_path / "halo.py"))
    assert {p.name: p.error for p in found.plugins} == {"bad": "RuntimeError: no", "halo": None}
    assert not [name for name in sys.modules if name.startswith("_bench_local_bad")]
    with pytest.raises(
        BenchError,
        match=r"unknown method 'x' .*plugins that did not load: bad \(`bench plugins doctor`\)",
    ):
        found.get("methods", "x")


def test_a_relative_factory_in_a_file_says_what_to_write_instead(tmp_path):
    found = only(write(tmp_path / "halo.py", factory=".model:Halo"))
    assert "name a class in it, ':Class'" in found.plugins[0].error


def test_what_is_stored_depends_on_a_local_plugin_s_code(tmp_path):
    path = write(tmp_path / "halo.py")
    first = only(path).plugins[0].identity
    assert only(path).plugins[0].identity == first
    path.write_text(path.read_text() + "\n# other\n")
    assert only(path).plugins[0].identity != first


def test_tests_and_caches_are_not_code(tmp_path):
    write(tmp_path / "halo" / "__init__.py")
    before = local.content(tmp_path / "halo")
    for name in ("tests/test_a.py", ".venv/x.py", "__pycache__/y.py", "build/z.py"):
        write(tmp_path / "halo" / name)
    assert local.content(tmp_path / "halo") == before
    write(tmp_path / "halo" / "model.py")
    assert local.content(tmp_path / "halo") != before


def test_an_editable_installation_is_known_by_its_code(tmp_path, monkeypatch):
    site, source = tmp_path / "site", tmp_path / "my project"
    site.mkdir()
    write(source / "mod_edit.py")
    monkeypatch.syspath_prepend(source)
    info = site / "edit-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: edit\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[huebench]\nedit = mod_edit\n")
    (info / "direct_url.json").write_text(
        json.dumps({"url": source.as_uri(), "dir_info": {"editable": True}})
    )
    entries = [e for d in distributions(path=[str(site)]) for e in d.entry_points]
    plugin = loader.load(entries).plugins[0]
    assert (plugin.origin, plugin.content) == ("editable", local.content(source))
    assert plugin.identity == f"edit@{plugin.content}"
    (info / "direct_url.json").write_text(json.dumps({"url": source.as_uri(), "dir_info": {}}))
    assert loader.load(entries).plugins[0].identity == "edit"


def test_what_is_turned_off_is_not_loaded_and_says_so():
    found = loader.load(loader.candidates(Switches(disable=frozenset({"cvae"}))))
    assert "cvae" not in found.specs["methods"]
    assert [p.off for p in found.plugins if p.name == "cvae"] == ["--no-plugin"]
    with pytest.raises(
        BenchError, match=r"plugin 'cvae' of huebench \S+ is turned off by --no-plugin"
    ):
        found.get("methods", "cvae")


def test_an_unknown_plugin_to_turn_off_gives_the_nearest():
    with pytest.raises(BenchError, match="unknown plugin to turn off 'cave': did you mean 'cvae'"):
        loader.candidates(Switches(disable=frozenset({"cave"})))


def test_switches_add_up():
    one, two = (
        Switches((Path("a"),), frozenset({"x"})),
        Switches((Path("b"), Path("a")), autoload=False, strict=True),
    )
    assert one | two == Switches(
        (Path("a"), Path("b")), frozenset({"x"}), autoload=False, strict=True
    )
    assert Switches() | Switches() == Switches()


def test_the_environment_says_the_same_to_a_child(tmp_path):
    path = write(tmp_path / "halo.py")
    chosen = Switches((path.resolve(),), frozenset({"cvae", "lpips"}), autoload=False, strict=True)
    assert from_environment(chosen.variables()) == chosen
    assert from_environment(Switches().variables()) == Switches()


def test_a_flag_in_the_environment_is_1_or_0():
    with pytest.raises(BenchError, match="BENCH_STRICT_PLUGINS=maybe is neither 1 nor 0"):
        from_environment({"BENCH_STRICT_PLUGINS": "maybe"})


@pytest.mark.parametrize("kind", ["environment", "use"])
def test_strict_makes_a_broken_plugin_an_error(tmp_path, kind):
    (tmp_path / "bad.py").write_text("raise RuntimeError('no')")
    code = (
        "from bench.plugins import loader; from bench.plugins.selection import Switches, locate; "
    )
    given = (
        {"BENCH_STRICT_PLUGINS": "1", "BENCH_PLUGINS": str(tmp_path / "bad.py")}
        if kind == "environment"
        else {}
    )
    code += (
        ""
        if given
        else f"loader.use(Switches((locate({str(tmp_path / 'bad.py')!r}),), strict=True)); "
    )
    code += "loader.registry()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=given, capture_output=True, text=True, check=False
    )
    assert "bench.errors.BenchError: plugin 'bad' of local file" in done.stderr


def test_a_local_plugin_may_not_take_the_name_of_an_installed_one(tmp_path):
    path = write(tmp_path / "cvae.py")
    with pytest.raises(
        BenchError,
        match=r"two plugins are named 'cvae': huebench .* and local file .*turn an installed one "
        r"off",
    ):
        loader.load(loader.candidates(Switches((path,))))
    found = loader.load(loader.candidates(Switches((path,), frozenset({"cvae"}))))
    assert found.get("methods", "halo").name == "halo"
