"""Margins: what a `gate.toml` can say, which rule counts, and what it is told that it can't say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.gate.margins import Quantity, Rule, Settings, parse, read

ENERGY = Quantity("demo", "mdn[k=5]", "fair-energy-score", "field")


def rules(*tables):
    return parse({"margin": list(tables)}, "gate.toml")


def test_the_first_rule_that_matches_counts_and_nothing_else_is_zero():
    found = rules(
        {"metric": "fair-*", "method": "cvae", "absolute": 1.0},
        {"metric": "fair-*", "relative": 0.02},
        {"absolute": 9},
    )
    assert found.margin(ENERGY, 0.5).value == pytest.approx(0.01)
    assert found.margin(ENERGY._replace(method="cvae"), 0.5).value == 1
    assert found.margin(ENERGY._replace(metric="variance"), 0.5).value == 9
    assert Settings().margin(ENERGY, 0.5) == (
        rules({"method": "x", "absolute": 1}).margin(ENERGY, 0.5)
    )
    assert Settings().margin(ENERGY, 0.5).value == 0


def test_a_relative_margin_is_of_the_value_s_size():
    assert rules({"relative": 0.1}).margin(ENERGY, -3.0).value == pytest.approx(0.3)


def test_brackets_in_patterns_are_brackets():
    assert Rule(method="mdn[k=5]").matches(ENERGY)
    assert Rule(method="mdn[*]").matches(ENERGY)
    assert Rule(method="mdn?k=5?", variant="fi*").matches(ENERGY)
    assert not Rule(method="mdn[k5=]").matches(ENERGY)
    assert not Rule(method="mdn").matches(ENERGY)


@given(st.text())
def test_every_name_matches_itself_unless_it_has_wildcards(name):
    assert Rule(method=name).matches(ENERGY._replace(method=name))
    assert Rule(method=f"{name}*").matches(ENERGY._replace(method=f"{name}\nmore"))


def test_rules_that_are_first_for_nothing_are_named():
    later = {"metric": "fair-energy-score", "absolute": 2}
    found = rules({"metric": "fair-*", "absolute": 1}, later, {"metric": "x", "skip": True})
    assert [str(rule) for rule in found.unused([ENERGY])] == [
        "metric = fair-energy-score",
        "metric = x",
    ]
    assert rules({"metric": "fair-*", "skip": True}).margin(ENERGY, 1).skip


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"margins": []}, "unknown key 'margins': did you mean 'margin'"),
        (
            {"margin": [{"metrik": "x", "absolute": 1}]},
            "margin 1: unknown key 'metrik': did you mean 'metric'",
        ),
        (
            {"margin": [{"absolute": 1}, {"metric": "x"}]},
            "margin 2: give one of absolute, relative and skip, not none",
        ),
        ({"margin": [{"absolute": 1, "relative": 1}]}, "not absolute and relative"),
        ({"margin": [{"absolute": -1}]}, "absolute = -1 is no number from 0 on"),
        ({"margin": [{"relative": "2 %"}]}, "is no number"),
        ({"margin": [{"relative": True}]}, "is no number"),
        ({"margin": [{"absolute": float("nan")}]}, "is no number"),
        ({"margin": [{"skip": False}]}, "skip = False can only be true"),
        ({"margin": [{"metric": 3, "absolute": 1}]}, "metric = 3 is no pattern"),
        ({"margin": {"absolute": 1}}, r"write \[\[margin\]\]"),
        ({"margin": [1]}, r"write \[\[margin\]\]"),
        ({"inconclusive": "maybe"}, "neither 'warn' nor 'fail'"),
        ({"baseline": 3}, "is no path"),
    ],
)
def test_what_can_t_be_said_is_one_line_that_names_the_place(table, says):
    with pytest.raises(BenchError, match=says) as caught:
        parse(table, "bench.toml [gate]")
    assert str(caught.value).startswith("bench.toml [gate]")
    assert "\n" not in str(caught.value)


def test_files_that_are_missing_or_no_toml(tmp_path):
    with pytest.raises(BenchError, match="is missing"):
        read(tmp_path / "gate.toml")
    (tmp_path / "gate.toml").write_text("margin = [")
    with pytest.raises(BenchError, match="can't be read"):
        read(tmp_path / "gate.toml")
    (tmp_path / "gate.toml").write_text(
        'inconclusive = "fail"\n[[margin]]\nmetric = "x"\nrelative = 0.1\n'
    )
    assert read(tmp_path / "gate.toml") == Settings((Rule(metric="x", relative=0.1),), "fail")


def test_settings_lie_over_others():
    first, second = Settings((), "fail"), Settings((Rule(absolute=1),), "warn", "b.json")
    assert first.over(second) == Settings((Rule(absolute=1),), "fail", "b.json")
