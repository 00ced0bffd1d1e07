"""The loader, with real distributions written into a folder on the path."""

import importlib
import sys
from importlib.metadata import distributions

import pytest

from bench.errors import BenchError
from bench.plugins import loader

HEAD = """
from bench.errors import BenchError
from bench.hookspecs import hookimpl
from bench.specs import DatasetSpec, MethodSpec

def method(name):
    return MethodSpec(name=name, summary="a test", factory="x:Y")
"""
ONE_METHOD = HEAD + "@hookimpl\ndef bench_register_methods():\n    return [method('{name}')]\n"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A function that installs a distribution into an empty folder on the path."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def install(distribution, source, entry="plug", module=None, version="1.0"):
        module = module or f"mod_{distribution}"
        files = source if isinstance(source, dict) else {f"{module}.py": source}
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        info = tmp_path / f"{distribution}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        )
        (info / "entry_points.txt").write_text(
            f"[huebench]\n{entry} = {module}\n[other]\nx = nowhere\n"
        )
        importlib.invalidate_caches()
        return module

    install.folder = tmp_path
    yield install
    for name in set(sys.modules) - before:
        del sys.modules[name]


def entries(site):
    found = [
        e
        for d in distributions(path=[str(site.folder)])
        for e in d.entry_points
        if e.group == "huebench"
    ]
    return sorted(found, key=lambda e: e.dist.name)


def test_a_plugin_s_specs_are_found_with_their_owner(site):
    site("shade", ONE_METHOD.format(name="shady"), version="2.3")
    found = loader.load(entries(site))
    assert found.get("methods", "shady").summary == "a test"
    owner = found.owner("methods", "shady")
    assert (owner.distribution, owner.version, owner.value, owner.error) == (
        "shade",
        "2.3",
        "mod_shade",
        None,
    )


def test_a_broken_import_is_recorded_and_named_when_asked_for(site):
    site("broke", "import no_such_module_at_all", entry="shady", version="0.9")
    site("fine", ONE_METHOD.format(name="good"), entry="good")
    found = loader.load(entries(site))
    assert found.get("methods", "good").name == "good"
    with pytest.raises(BenchError, match="no_such_module_at_all") as caught:
        found.get("methods", "shady")
    message = str(caught.value)
    assert all(
        part in message for part in ("shady", "broke 0.9", "mod_broke", "ModuleNotFoundError")
    )
    assert "\n" not in message


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise RuntimeError('first\\nsecond')", "RuntimeError: first"),
        ("def", "SyntaxError"),
        (
            HEAD + "@hookimpl\ndef bench_register_methods():\n    raise KeyError('late')",
            "KeyError: 'late'",
        ),
        (
            HEAD + "@hookimpl\ndef bench_register_methods():\n    return [3]",
            "returned int, not MethodSpec",
        ),
        (
            HEAD + "@hookimpl\ndef bench_register_datasets():\n    return [method('x')]",
            "MethodSpec, not DatasetSpec",
        ),
        (HEAD + "@hookimpl\ndef bench_register_methods():\n    pass", "TypeError"),
        (
            HEAD + "@hookimpl\ndef bench_register_methods(wrong):\n    return []",
            "PluginValidationError",
        ),
        (
            HEAD + "@hookimpl\ndef bench_register_method():\n    return []",
            "unknown hook 'bench_register_method'",
        ),
    ],
    ids=[
        "raises",
        "syntax",
        "hook-raises",
        "no-spec",
        "wrong-kind",
        "returns-none",
        "wrong-arguments",
        "misspelt-hook",
    ],
)
def test_a_plugin_that_does_not_load_is_recorded_in_one_line_and_leaves_the_others(
    site, source, says
):
    site("bad", source, entry="bad")
    site("fine", ONE_METHOD.format(name="good"), entry="good")
    found = loader.load(entries(site))
    errors = {plugin.name: plugin.error for plugin in found.plugins}
    assert says in errors["bad"]
    assert "\n" not in errors["bad"]
    assert errors["good"] is None
    assert [spec for kind in found.specs.values() for spec in kind] == ["good"]


def test_nothing_of_a_half_good_plugin_stays(site):
    hooks = """
@hookimpl
def bench_register_methods():
    yield method('early')
    raise RuntimeError('then not')

@hookimpl
def bench_run_finished(run):
    raise AssertionError('a refused plugin was called')
"""
    module = site("half", HEAD + hooks)
    found = loader.load(entries(site))
    assert found.specs["methods"] == {}
    assert found.owners == {}
    assert not found.manager.is_registered(sys.modules[module])
    assert found.manager.hook.bench_run_finished(run="x") == []


def test_two_distributions_may_not_register_the_same_method(site):
    site("first", ONE_METHOD.format(name="same"), entry="one", version="1.1")
    site("second", ONE_METHOD.format(name="same"), entry="two", version="2.2")
    with pytest.raises(
        BenchError, match=r"method 'same' is registered by both first 1\.1 and second 2\.2"
    ):
        loader.load(entries(site))


def test_a_method_and_a_dataset_may_share_a_name(site):
    dataset = "@hookimpl\ndef bench_register_datasets():\n  yield DatasetSpec(name='same', summary='', factory='x:Y')\n"
    site("both", ONE_METHOD.format(name="same") + dataset)
    found = loader.load(entries(site))
    assert type(found.get("methods", "same")).__name__ == "MethodSpec"
    assert type(found.get("datasets", "same")).__name__ == "DatasetSpec"


def test_two_entry_points_may_not_have_the_same_name(site):
    site("first", ONE_METHOD.format(name="a"), entry="plug", version="1.1")
    site("second", ONE_METHOD.format(name="b"), entry="plug", version="2.2")
    with pytest.raises(
        BenchError, match=r"two plugins are named 'plug': first 1\.1 and second 2\.2"
    ):
        loader.load(entries(site))


def test_the_same_distribution_found_twice_counts_once(site):
    site("only", ONE_METHOD.format(name="a"))
    found = loader.load(entries(site) + entries(site))
    assert [plugin.name for plugin in found.plugins] == ["plug"]
    assert found.plugins[0].error is None


def test_the_order_of_loading_is_that_of_names_not_of_the_path(site):
    for name in ("b", "c", "a"):
        site(
            f"dist-{name}",
            ONE_METHOD.format(name=f"method-{name}"),
            entry=name,
            module=f"mod_order_{name}",
        )
    forwards = entries(site)
    for found in (
        loader.load(forwards),
        loader.load(reversed(forwards)),
        loader.load(forwards[1:] + forwards[:1]),
    ):
        assert [plugin.name for plugin in found.plugins] == ["a", "b", "c"]
        assert list(found.specs["methods"]) == ["method-a", "method-b", "method-c"]


RAN = "open({ran!r}, 'a').close()\n"


@pytest.mark.parametrize("where", ["mod_many", "mod_many.plugins"])
def test_a_package_lists_plugins_and_each_is_one_of_its_own(site, where):
    folder, ran = where.replace(".", "/"), str(site.folder / "ran")
    files = {
        "mod_many/__init__.py": RAN.format(ran=ran),
        f"{folder}/__init__.py": RAN.format(ran=ran)
        + "PLUGINS: tuple[str, ...] = ('one_more', 'bad', 'gone')",
        f"{folder}/one_more.py": ONE_METHOD.format(name="shady"),
        f"{folder}/bad.py": "raise RuntimeError('no')",
        f"{folder}/unlisted.py": ONE_METHOD.format(name="other"),
    }
    site("many", files, entry="all", module=where)
    given = entries(site)
    assert not (site.folder / "ran").exists()
    found = loader.load(given)
    errors = {plugin.name: plugin.error for plugin in found.plugins}
    assert errors == {
        "one-more": None,
        "bad": "RuntimeError: no",
        "gone": f"ModuleNotFoundError: No module named '{where}.gone'",
    }
    owner = found.owner("methods", "shady")
    assert (owner.name, owner.value, owner.distribution, owner.identity) == (
        "one-more",
        f"{where}.one_more",
        "many",
        "many",
    )
    assert list(found.specs["methods"]) == ["shady"]


@pytest.mark.parametrize(
    "line", ["PLUGINS = ()", "PLUGINS = tuple('ab')", "PLUGINS = ('a.b',)", "PLUGINS = {'a': 'b'}"]
)
def test_a_list_that_can_not_be_read_says_how_it_is_written(site, line):
    site("many", {"mod_many/__init__.py": line}, module="mod_many")
    assert loader.load(entries(site)).plugins[0].error == (
        "ValueError: its PLUGINS can't be read: write it out, as a tuple of at least one name of "
        "a module beside, and in no package that is listed itself"
    )


def test_finding_what_a_package_lists_runs_no_code(site):
    files = {"mod_many/__init__.py": "raise SystemExit\nPLUGINS = ('one', 'two')"}
    site("many", files, module="mod_many")
    found = loader.load(entries(site))
    assert [plugin.name for plugin in found.plugins] == ["one", "two"]
    assert {plugin.error for plugin in found.plugins} == {"SystemExit: "}


def test_an_unknown_name_gives_the_nearest(site):
    site("shade", ONE_METHOD.format(name="shady"))
    with pytest.raises(BenchError, match="unknown method 'shadi': did you mean 'shady'"):
        loader.load(entries(site)).get("methods", "shadi")


def test_a_plugin_that_raises_a_bench_error_is_recorded_like_any_other(site):
    site("bad", HEAD + "raise BenchError('set SHADE_HOME')", entry="bad")
    site("fine", ONE_METHOD.format(name="good"), entry="good")
    found = loader.load(entries(site))
    assert [plugin.error for plugin in found.plugins] == ["BenchError: set SHADE_HOME", None]


def test_a_plugin_that_exits_is_recorded_like_any_other(site):
    site("bad", "import sys\nsys.exit(3)", entry="bad")
    found = loader.load(entries(site))
    assert found.plugins[0].error == "SystemExit: 3"


def test_a_misspelt_hook_names_the_nearest(site):
    site("bad", HEAD + "@hookimpl\ndef bench_register_method():\n    return []")
    assert "bench_register_methods" in loader.load(entries(site)).plugins[0].error


def test_the_installed_registry_has_the_built_in_protocols():
    found = loader.registry()
    assert {"paper", "square"} <= set(found.specs["protocols"])
    assert found.owner("protocols", "paper").distribution == "huebench"
