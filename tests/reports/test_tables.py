"""Names, escapes and words that every report shares, and what registration costs."""

import doctest
import subprocess
import sys

import pytest

from bench.extend.tables import decimals, safe_name
from bench.reports import tables
from bench.reports.tables import verdict
from bench.scores.intervals import Estimate
from bench.text import markdown as escape

PLUGINS = (
    "paper_tables",
    "diversity_table",
    "eob_variance",
    "picture_grid",
    "ranking",
    "score_tables",
    "curves",
)


@pytest.mark.parametrize("name", ["lfw", "imagenet-val", "my_set.v2"])
def test_plain_names_are_kept(name):
    assert safe_name(name) == name


@pytest.mark.parametrize(
    "name", ["../../etc", "a/b", "a\\b", "LFW", "", ".", "ü", "a" * 300, "con|\n*?"]
)
def test_other_names_become_safe_and_stay_apart(name):
    safe = safe_name(name)
    assert safe.isascii()
    assert not set(safe) & set('/\\|\n*?"<>: ')
    assert 0 < len(safe) < 80
    assert not safe.startswith((".", "-"))
    assert safe != safe_name(name + "x")


def test_markdown_is_escaped():
    assert escape("a|b\r\nc") == "a\\|b c"
    assert escape("[x](http://y)") == "\\[x]\\(http://y)"
    assert escape("_a_ b_c") == "\\_a\\_ b_c"


def test_examples_in_docstrings_hold():
    assert doctest.testmod(tables).failed == 0


def test_words_for_differences():
    assert verdict(Estimate(-1, -2, -0.5, 20)) == "lower"
    assert verdict(Estimate(1, 0.5, 2, 20)) == "higher"
    assert verdict(Estimate(1, -0.5, 2, 20)) == "no difference shown"
    assert verdict(Estimate(-1, -2, -0.5, 5)) == "too few images"
    assert verdict(Estimate(*[float("nan")] * 3, 20)) == "undefined"


def test_three_digits_are_shown():
    assert decimals([0.079, 0.095]) == 4
    assert decimals([2.65, 7.2, 11.3]) == 2
    assert decimals([0.0, float("nan")]) == 3


@pytest.mark.parametrize("plugin", PLUGINS)
def test_registration_is_light_and_the_factory_loads(plugin):
    code = (
        f"import sys, bench.reports.{plugin} as m; (spec,) = m.bench_register_reports();"
        "heavy = {'torch', 'pandas', 'matplotlib', 'seaborn', 'numpy', 'PIL'} & set(sys.modules);"
        "assert not heavy, heavy; assert callable(spec.load())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
