"""The docs name every hook with its arguments, every field of a spec, every switch and every key of
a bench.toml. Measured numbers stand beside a command that makes them, and apart from published
ones."""

import importlib
import inspect
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from bench import hookspecs
from bench.cli import config
from bench.datasets.demo import Demo
from bench.extend.training import HELD_OUT
from bench.plugins import loader, selection
from bench.reports import diversity_table, paper_tables
from bench.specs import Parameter, Spec, Weights

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))
}
PLUGINS, CONFIG = ((DOCS / name).read_text() for name in ("plugins.md", "config.md"))
HOOKS = {
    name: function
    for name, function in vars(hookspecs).items()
    if hasattr(function, f"{hookspecs.PROJECT}_spec")
}


def hook_row(page, name):
    """The row of the table of hooks, and the arguments that it shows."""
    rows = re.findall(rf"^\| `{name}\((.*?)\)` \|", page, re.MULTILINE)
    return (
        [argument.strip() for argument in rows[0].split(",") if argument.strip()] if rows else None
    )


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_and_its_arguments_are_documented(name):
    assert hook_row(PLUGINS, name) == list(inspect.signature(HOOKS[name]).parameters)


def test_no_hook_is_documented_that_does_not_exist():
    assert set(re.findall(r"^\| `(bench_\w+)\(", PLUGINS, re.MULTILINE)) == set(HOOKS)
    assert {f"bench_register_{kind}" for kind in loader.KINDS} < set(HOOKS)


@pytest.mark.parametrize(
    "spoilt",
    [
        "bench_run_started(run)",
        "bench_run_started(run, cells, more)",
        "bench_run_begun(run, cells)",
    ],
)
def test_the_test_sees_a_missing_hook_and_a_missing_argument(spoilt):
    page = PLUGINS.replace("bench_run_started(run, cells)", spoilt)
    assert page != PLUGINS
    assert hook_row(page, "bench_run_started") != ["run", "cells"]


@pytest.mark.parametrize(
    "kind", [Spec, *loader.KINDS.values(), Parameter, Weights], ids=lambda kind: kind.__name__
)
def test_every_field_of_a_spec_is_documented(kind):
    assert [
        f.name for f in fields(kind) if not re.search(rf"`{f.name}`|\b{f.name}[,)]", PLUGINS)
    ] == []


@pytest.mark.parametrize(
    ("page", "section", "names"),
    [
        ("docs/own-metric.md", "# Your own metric", ["grey-share"]),
        (
            "docs/plugins.md",
            "## A metric or a table is one function",
            ["grey-share", "photographs"],
        ),
    ],
)
def test_decorated_functions_of_a_page_keep_the_rules(tmp_path, command, page, section, names):
    text = PAGES[page].partition(section)[2]
    source = re.search(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[1]
    (tmp_path / "mine.py").write_text(source)
    status, out, err = command("check", "--plugin", "mine.py", *names)
    assert status == 0, out + err


def test_the_method_in_one_file_keeps_the_rules(tmp_path, command):
    example = PLUGINS.partition("## A complete example")[2]
    source = re.search(r"^```python\n(.*?)^```", example, re.DOTALL | re.MULTILINE)[1]
    (tmp_path / "tint.py").write_text(source)
    status, out, err = command("check", "--plugin", "tint.py", "tint", "tint[spread=0]")
    assert status == 0, out + err


@pytest.mark.parametrize(
    "name", [selection.PATHS, selection.DISABLE, selection.NO_AUTOLOAD, selection.STRICT]
)
def test_every_variable_is_documented(name):
    assert name in PLUGINS


def test_the_example_of_a_bench_toml_is_one(tmp_path):
    text = re.search(r"```toml\n(.*?)```", CONFIG, re.DOTALL)[1]
    (tmp_path / "bench.toml").write_text(text)
    found = config.read(tmp_path / "bench.toml")
    assert set(tomllib.loads(text)["run"]) <= set(config.RUN)
    assert found.run["methods"] == ("mdn[components=4]", "cvae[draws=[64,256]]", "grey")


MEASURED = re.compile(r"\(?[-+*]*\d*\.\d+%?\*?( ?[\[(±;,].*)?|[-+*]*[\d,.]+( ?[\[(±].*)")
"""A cell: a number with decimals, or with an interval."""
MAKES_NUMBERS = re.compile(r"\b(python benchmarks/|bench (run|data stats|data split)\b)")
PUBLISHED = re.compile("as published, not measured here", re.IGNORECASE)


def tables(page):
    """Of each table of a page: the lines since the one before it, its rows of cells, and its
    section (results.md sets its runs up in one of its own)."""
    setup = "".join(re.findall(r"^## Setup\n.*?(?=^## )", page, re.MULTILINE | re.DOTALL))
    for section in re.split(r"^(?=## )", page, flags=re.MULTILINE):
        end = 0
        for found in re.finditer(r"(?:^\|.*\n?)+", section, re.MULTILINE):
            rows = [
                [cell.strip() for cell in row.strip("|").split("|")]
                for row in found[0].splitlines()
            ]
            yield section[end : found.start()], rows[2:], setup + section
            end = found.end()


def is_measured(rows):
    """Whether most rows of a table hold numbers that somebody has measured."""
    return 2 * sum(any(MEASURED.fullmatch(cell) for cell in row[1:]) for row in rows) > len(rows)


def without_a_command(page):
    """Rows that begin tables of measured numbers in a section that names no command."""
    return [
        rows[0]
        for before, rows, section in tables(page)
        if is_measured(rows) and not PUBLISHED.search(before) and not MAKES_NUMBERS.search(section)
    ]


def published():
    """Rows of published values, as reports print them."""
    yield from (
        tuple(values) for table in paper_tables.TABLES for values in table.published.values()
    )
    yield from (tuple(row[1:]) for _, rows in diversity_table.PUBLISHED.values() for row in rows)


def mixed(page):
    """Rows of published values among others, and of others among published values."""
    for before, rows, _ in tables(page):
        for row in rows:
            plain = tuple(cell.strip("*") for cell in row)
            theirs = plain[1:] in set(published()) or "published" in plain[0].lower()
            ours = any("[" in cell for cell in row[1:])
            if ours if PUBLISHED.search(before) else theirs:
                yield row


@pytest.mark.parametrize("name", PAGES)
def test_measured_numbers_stand_beside_a_command(name):
    assert without_a_command(PAGES[name]) == []


def test_measured_numbers_are_found():
    found = {
        name
        for name, page in PAGES.items()
        if any(is_measured(rows) for _, rows, _ in tables(page))
    }
    assert {
        f"docs/{name}.md"
        for name in ("colorize", "gate", "metrics", "precomputed", "results", "speed")
    } <= found
    spoilt = PAGES["docs/colorize.md"].replace("python benchmarks/upsampling.py", "a script")
    assert without_a_command(spoilt) == [["bilinearly", "1.742"]]


@pytest.mark.parametrize("name", PAGES)
def test_published_values_have_tables_of_their_own(name):
    assert list(mixed(PAGES[name])) == []


def test_published_values_are_found():
    page, row = PAGES["docs/results.md"], "| lfw | 7.20 | 11.29 | 6.69 | 7.33 | 2.65 | 2.83 |\n"
    cells = ["lfw", "7.20", "11.29", "6.69", "7.33", "2.65", "2.83"]
    assert page.count(row) == 1
    assert (
        list(mixed(page.replace("As published, not measured here: Deshpande", "Deshpande"))) != []
    )
    assert list(mixed(page.replace("| church: vae |", row + "| church: vae |", 1))) == [cells]
    assert list(mixed(page.replace(row, row + "| church: vae | 1.0 [0.9, 1.1] |\n"))) == [
        ["church: vae", "1.0 [0.9, 1.1]"]
    ]
    assert {
        tuple(row[1:]) for before, rows, _ in tables(page) if "Deshpande" in before for row in rows
    } == {tuple(values) for table in paper_tables.TABLES for values in table.published.values()}


@pytest.mark.parametrize("name", ["README.md", "docs/tour.md"])
def test_the_number_of_crops_is_right(name):
    demo = Demo()
    train, test = (str(len(part)) for part in demo.split(demo.files()))
    assert re.findall(
        r"\b(\d+)(?: crops of six photographs)? to train with, (\d+) to test", PAGES[name]
    ) == [(train, test)]


def test_the_number_of_faces_that_networks_learn_from_is_right():
    train, page = 12_233, PAGES["docs/results.md"]
    learned_from = train - min(HELD_OUT, train // 10)
    assert f"{train:,} training faces, of which networks learn from {learned_from:,}:" in page
    assert f"1,400 steps ({1400 * 32 / learned_from:.1f} epochs of the {learned_from:,} " in page


def exists(name):
    """Whether a dotted name is a module, or something in one: a field of a dataclass, too."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ImportError:
            continue
        for part in parts[count:]:
            if part in getattr(found, "__dataclass_fields__", ()):
                return True
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def test_every_name_of_ours_in_backticks_exists():
    """In the docs, and in what the code says of itself."""
    folders = ("bench", "methods", "metrics", "datasets", "reports", "benchmarks", "examples")
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    texts = [*PAGES.values(), *(path.read_text(encoding="utf-8") for path in sources)]
    named = {
        name for text in texts for name in re.findall(r"`(bench\.[a-z_]+(?:\.\w+)+)`", text)
    } - {"bench.toml"}
    assert len(named) > 80
    assert sorted(name for name in named if not exists(name)) == []
    assert not exists("bench.results.rows")
    assert not exists("bench.specs.Gone")
