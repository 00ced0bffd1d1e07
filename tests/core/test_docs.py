"""The docs name every hook with its arguments, every field of a spec, every switch and every key of a bench.toml."""

import inspect
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from bench import config, hookspecs, plugins, switches
from bench.specs import Parameter, Spec

DOCS = Path(__file__).parents[2] / "docs"
PLUGINS, CONFIG = ((DOCS / name).read_text() for name in ("plugins.md", "config.md"))
HOOKS = {name: function for name, function in vars(hookspecs).items() if hasattr(function, f"{hookspecs.PROJECT}_spec")}


def hook_row(page, name):
    """The row of the table of hooks, and the arguments that it shows."""
    rows = re.findall(rf"^\| `{name}\((.*?)\)` \|", page, re.MULTILINE)
    return [argument.strip() for argument in rows[0].split(",") if argument.strip()] if rows else None


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_and_its_arguments_are_documented(name):
    assert hook_row(PLUGINS, name) == list(inspect.signature(HOOKS[name]).parameters)


def test_no_hook_is_documented_that_does_not_exist():
    assert set(re.findall(r"^\| `(bench_\w+)\(", PLUGINS, re.MULTILINE)) == set(HOOKS)
    assert {f"bench_register_{kind}" for kind in plugins.KINDS} < set(HOOKS)


@pytest.mark.parametrize("spoilt", ["bench_run_started(run)", "bench_run_started(run, cells, more)", "bench_run_begun(run, cells)"])
def test_the_test_sees_a_missing_hook_and_a_missing_argument(spoilt):
    page = PLUGINS.replace("bench_run_started(run, cells)", spoilt)
    assert page != PLUGINS
    assert hook_row(page, "bench_run_started") != ["run", "cells"]


@pytest.mark.parametrize("kind", [Spec, *plugins.KINDS.values(), Parameter], ids=lambda kind: kind.__name__)
def test_every_field_of_a_spec_is_documented(kind):
    assert [f.name for f in fields(kind) if not re.search(rf"`{f.name}`|\b{f.name}[,)]", PLUGINS)] == []


def test_the_method_in_one_file_keeps_the_rules(tmp_path, command):
    source = re.search(r"^```python\n(.*?)^```", PLUGINS, re.DOTALL | re.MULTILINE)[1]
    (tmp_path / "tint.py").write_text(source)
    status, out, err = command("check", "--plugin", "tint.py", "tint", "tint[spread=0]")
    assert status == 0, out + err


@pytest.mark.parametrize("name", [switches.PATHS, switches.DISABLE, switches.NO_AUTOLOAD, switches.STRICT])
def test_every_variable_is_documented(name):
    assert name in PLUGINS


@pytest.mark.parametrize("key", config.RUN)
def test_every_key_of_a_run_is_documented(key):
    assert f"`{key}`" in CONFIG


def test_the_example_of_a_bench_toml_is_one(tmp_path):
    text = re.search(r"```toml\n(.*?)```", CONFIG, re.DOTALL)[1]
    (tmp_path / "bench.toml").write_text(text)
    found = config.read(tmp_path / "bench.toml")
    assert set(tomllib.loads(text)["run"]) <= set(config.RUN)
    assert found.run["methods"] == ("mdn[components=4]", "cvae[draws=[64,256]]", "grey")
