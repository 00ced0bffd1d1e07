"""`bench.toml`: what it may say, and what is said of what it may not."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from bench.cli import cli, config
from bench.cli import options_page as options
from bench.contracts.request import OPTIONS, Request
from bench.errors import BenchError
from bench.plugins import notation
from bench.plugins.selection import Switches

WHOLE = """
[run]
methods = ["grey", { name = "vae", loss = ["l2", "mah"], steps = 5 }, { name = "mdn", vae = { name = "vae", loss = "l2" } }]
datasets = ["church", "photos/"]
protocol = "square[k=3]"
preset = "small"
k = 5
draws = 8
seeds = [0, 2]
limit-test = 4
metrics = "variance"
out = "runs/a"
data-home = "data"
strict = true
executor = "process"
timeout = "10m"
memory = 4

[plugins]
paths = ["halo.py"]
disable = ["lpips"]
autoload = false
strict = true

[gate]
baseline = "b.json"
"""


def write(folder, text):
    path = folder / "bench.toml"
    path.write_text(text)
    return path


def test_a_run_described_in_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("halo.py").write_text("")
    found = config.read(write(tmp_path, WHOLE))
    assert dict(found.run) == {
        "methods": ("grey", "vae[loss=[l2,mah],steps=5]", "mdn[vae=vae[loss=l2]]"),
        "datasets": ("church", "photos/"),
        "protocol": "square[k=3]",
        "preset": "small",
        "k": 5,
        "draws": 8,
        "seeds": (0, 2),
        "limit_test": 4,
        "metrics": ("variance",),
        "out": Path("runs/a"),
        "data_home": Path("data"),
        "strict": True,
        "executor": "process",
        "timeout": 600.0,
        "memory": 4.0,
    }
    assert found.plugins == Switches(
        (tmp_path / "halo.py",), frozenset({"lpips"}), autoload=False, strict=True
    )
    assert found.gate == {"baseline": "b.json"}


def test_text_in_a_table_is_taken_as_it_is(tmp_path):
    text = """[run]
methods = [
  { name = "precomputed", folder = 'o, "[x]', kind = "iid" },
  { name = "vae", loss = ["[l2]", "a,b"], codec = { name = "c", p = "," } },
]
"""
    (first, second) = config.read(write(tmp_path, text)).run["methods"]
    assert dict(notation.parse(first).given) == {"folder": 'o, "[x]', "kind": "iid"}
    assert [dict(choice.given) for choice in notation.parse_many(second)] == [
        {"codec": 'c[p=","]', "loss": "[l2]"},
        {"codec": 'c[p=","]', "loss": "a,b"},
    ]


def test_every_key_is_a_field_of_a_request_or_the_folder():
    assert {key.replace("-", "_") for key in config.RUN} == {f.name for f in fields(Request)} | {
        "out",
        "figures",
    }


def test_the_command_line_takes_every_key():
    of_the_verb = {parameter.name for parameter in cli.commands["run"].params}
    assert of_the_verb >= {key.replace("-", "_") for key in config.RUN}


def test_the_documented_table_is_the_declared_one():
    page = (Path(__file__).parents[2] / "docs" / "config.md").read_text("utf-8")
    assert options.page(page, OPTIONS) == page, (
        "run `python -m bench.cli.options_page docs/config.md`"
    )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"k": 0}, "--k 0 is below 1"),
        ({"limit_test": -2}, "--limit-test -2 is below 1"),
        ({"near_duplicates": 65}, "--near-duplicates 65 is not in 0 to 64"),
        ({"duplicates": "dorp"}, "--duplicates dorp is not one of drop, keep, fail"),
        ({"memory": 0.0}, "--memory 0.0 is no number above 0"),
        ({"cache_budget": -0.5}, "--cache-budget -0.5 is not in 0 to 1e"),
    ],
)
def test_a_number_out_of_its_range_is_one_line_in_python_and_in_a_file(tmp_path, given, says):
    with pytest.raises(BenchError, match=f"^{says}"):
        Request(**given)
    ((name, value),) = given.items()
    key = name.replace("_", "-")
    written = f"'{value}'" if isinstance(value, str) else value
    fault = re.escape(says.partition(f"{value} ")[2])
    text = f"[run]\n{key} = {written}\n"
    with pytest.raises(BenchError, match=rf"bench.toml \[run\]: {key} = .* {fault}"):
        config.read(write(tmp_path, text))


def test_a_preset_that_only_a_plugin_knows_is_one_in_python():
    assert Request(preset="huge").preset == "huge"


def test_an_empty_file_asks_for_nothing(tmp_path):
    found = config.read(write(tmp_path, ""))
    assert (dict(found.run), found.plugins, dict(found.gate)) == ({}, Switches(), {})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[rn]", r"bench.toml: unknown key 'rn': did you mean 'run'\?"),
        ("run = 3", "bench.toml: run = 3 is no table"),
        (
            "[run]\nmethod = 'mdn'",
            r"bench.toml \[run\]: unknown key 'method': did you mean 'methods'\?",
        ),
        ("[run]\nlimit_test = 3", "unknown key 'limit_test': did you mean 'limit-test'"),
        ("[run]\nk = 2.5", r"k = 2.5 is no whole number"),
        ("[run]\nk = 0", r"bench.toml \[run\]: k = 0 is below 1"),
        ("[run]\nk = true", "k = True is no whole number"),
        ("[run]\nseeds = ['a']", "is no whole number"),
        ("[run]\nmethods = [3]", "is no text: put it in quotes"),
        ("[run]\nmethods = [{ components = 3 }]", "needs a name"),
        ("[run]\nstrict = 'yes'", "is neither true nor false"),
        ("[run]\ntimeout = 'soon'", "is no duration"),
        ("[run]\nseeds = []", "is no list of seeds: say"),
        ("[run]\nseeds = 3", "seeds = 3 is no list of seeds: say"),
        ("[gate]\nbaselin = 'b'", "unknown key 'baselin': did you mean 'baseline'"),
        (f"[run]\nmemory = {10**400}", "memory = 10+ is too large"),
        ("[run]\nmemory = inf", "memory = inf is no number above 0"),
        ("[run]\nmemory = -1", "memory = -1 is no number above 0"),
        ("[run]\npreset = 'tny'", "preset = 'tny' is not one of paper, small, tiny"),
        (
            "[plugins]\npath = 'x'",
            r"bench.toml \[plugins\]: unknown key 'path': did you mean 'paths'\?",
        ),
        ("[plugins]\npaths = ['gone.py']", "plugin gone.py is not there"),
        ("[run", "bench.toml can't be read"),
    ],
)
def test_what_it_can_t_be_is_one_line(tmp_path, text, says):
    with pytest.raises(BenchError, match=says) as caught:
        config.read(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(BenchError, match=r"bench\.toml is missing: give the path"):
        config.read(tmp_path / "bench.toml")
