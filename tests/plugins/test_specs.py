"""Parameters are converted to their type or refused with the reason; errors name the nearest thing."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import BenchError, ExitCode, NotComparable, NothingMeasured, unknown
from bench.specs import MethodSpec, Parameter


def spec(*parameters):
    return MethodSpec(
        name="mdn", summary="", factory="collections:OrderedDict", parameters=parameters
    )


@pytest.mark.parametrize(
    ("kind", "given_value", "wanted"),
    [
        ("int", "7", 7),
        ("int", " -3 ", -3),
        ("int", 7, 7),
        ("float", "0.5", 0.5),
        ("float", "1e-3", 1e-3),
        ("float", 2, 2.0),
        ("bool", "true", True),
        ("bool", "On", True),
        ("bool", "1", True),
        ("bool", True, True),
        ("bool", "no", False),
        ("bool", "OFF", False),
        ("bool", False, False),
        ("str", "word", "word"),
        ("path", "some/where", "some/where"),
        ("method", "vae[loss=l2]", "vae[loss=l2]"),
    ],
)
def test_a_value_becomes_its_parameter_s_type(kind, given_value, wanted):
    got = Parameter("x", kind, None, "").convert(given_value, "mdn")
    assert got == wanted
    assert type(got) is type(wanted)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(-(10**12), 10**12), st.floats(allow_nan=False, allow_infinity=False), st.booleans()
)
def test_text_of_a_value_converts_back_to_it(whole, real, truth):
    assert Parameter("x", "int", 0, "").convert(str(whole), "m") == whole
    assert Parameter("x", "float", 0.0, "").convert(repr(real), "m") == real
    assert Parameter("x", "bool", False, "").convert(str(truth), "m") is truth


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", "two"),
        ("int", "1.5"),
        ("int", True),
        ("float", "much"),
        ("float", ""),
        ("bool", "perhaps"),
        ("bool", 2),
    ],
)
def test_a_value_of_another_type_is_refused_with_the_parameter_named(kind, value):
    with pytest.raises(BenchError, match=rf"^mdn: parameter depth takes {kind}, not '{value}'$"):
        Parameter("depth", kind, None, "").convert(value, "mdn")


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", math.nan, math.inf, "1e999"])
def test_a_number_is_finite(value):
    with pytest.raises(BenchError, match="not a finite number"):
        Parameter("x", "float", 0.0, "").convert(value, "mdn")


def test_a_number_stays_in_its_range_ends_included():
    parameter = Parameter("x", "int", 5, "", minimum=1, maximum=9)
    assert [parameter.convert(v, "m") for v in (1, 9)] == [1, 9]
    with pytest.raises(BenchError, match="x=0 is below 1"):
        parameter.convert("0", "m")
    with pytest.raises(BenchError, match="x=10 is above 9"):
        parameter.convert("10", "m")


def test_choices_are_closed_and_listed():
    parameter = Parameter("loss", "str", "l2", "", choices=("l2", "mah"))
    assert parameter.convert("mah", "vae") == "mah"
    with pytest.raises(BenchError, match="loss=l1 is not one of l2, mah"):
        parameter.convert("l1", "vae")


def test_an_allowed_word_passes_beside_the_type():
    parameter = Parameter("x", "int", "auto", "", allow=("auto",), minimum=1)
    assert [parameter.convert(v, "m") for v in ("auto", "3")] == ["auto", 3]
    with pytest.raises(BenchError, match="takes int or auto, not 'automatic'"):
        parameter.convert("automatic", "m")


def test_none_is_kept_only_where_none_is_the_default():
    assert Parameter("x", "int", None, "").convert(None, "m") is None
    with pytest.raises(BenchError, match="parameter x takes int, not 'None'"):
        Parameter("x", "int", 1, "").convert(None, "m")


def test_resolve_fills_in_defaults_in_declared_order():
    owner = spec(Parameter("k", "int", 5, ""), Parameter("temperature", "float", 1.0, ""))
    assert list(owner.resolve({"temperature": "0.5"}).items()) == [("k", 5), ("temperature", 0.5)]


def test_a_default_resolves_to_the_same_thing_given_or_not():
    owner = spec(Parameter("x", "float", 1, ""))
    assert repr(owner.resolve({})) == repr(owner.resolve({"x": "1"}))


def test_an_unknown_parameter_names_the_nearest():
    owner = spec(Parameter("temperature", "float", 1.0, ""), Parameter("k", "int", 5, ""))
    with pytest.raises(
        BenchError, match="unknown parameter of mdn 'temprature': did you mean 'temperature'"
    ):
        owner.resolve({"temprature": 1})


def test_a_spec_loads_its_factory_on_use():
    from collections import OrderedDict

    assert spec().load() is OrderedDict


def test_an_unknown_name_far_from_all_lists_them():
    assert str(unknown("method", "qqq", ["vae", "mdn"])) == "unknown method 'qqq' (known: mdn, vae)"
    assert "(known: none)" in str(unknown("method", "qqq", []))


def test_each_error_carries_its_exit_status():
    codes = [kind("").exit_code for kind in (BenchError, NothingMeasured, NotComparable)]
    assert (
        codes == [ExitCode.USAGE, ExitCode.NOTHING_MEASURED, ExitCode.NOT_COMPARABLE] == [2, 3, 4]
    )


def test_what_must_be_given_is_asked_for():
    owner = spec(
        Parameter("folder", "path", None, "where it lies", required=True),
        Parameter("x", "int", None, ""),
    )
    assert owner.resolve({"folder": "a"}) == {"folder": "a", "x": None}
    with pytest.raises(BenchError, match=r"^mdn needs folder=\.\.\.: where it lies$"):
        owner.resolve({})


KIND = Parameter("kind", "str", None, "what it gives", ("iid", "modes"), required=True)


def stated(**more):
    return MethodSpec(
        name="files",
        summary="",
        factory="",
        parameters=(KIND,),
        present_kind="stated",
        capabilities=frozenset({"sample"}),
        sees=frozenset({"identity"}),
        **more,
    )


def test_a_stated_kind_is_its_parameter_and_only_iid_has_draws():
    files = stated()
    assert [files.kind({"kind": kind}) for kind in ("iid", "modes")] == ["iid", "modes"]
    assert files.no_draws({"kind": "iid"}) == ""
    assert (
        files.no_draws({"kind": "modes"})
        == "files states kind=modes: independent draws are kind=iid"
    )
    assert spec().no_draws({}) == "mdn can't draw independent samples"
    with pytest.raises(BenchError, match=r"files needs kind=\.\.\. \(iid, modes\)"):
        files.resolve({})


def test_a_stated_kind_needs_its_parameter():
    with pytest.raises(ValueError, match="a stated present_kind needs a parameter kind"):
        MethodSpec(name="files", summary="", factory="", present_kind="stated")


def test_who_knows_the_photograph_claims_its_draws_and_may_be_a_colourizer():
    assert stated().claims_draws
    assert not spec().claims_draws
    assert not MethodSpec(
        name="a", summary="", factory="", sees=frozenset({"identity"})
    ).claims_draws
    with pytest.raises(ValueError, match="a sees the truth: its role must be control"):
        MethodSpec(name="a", summary="", factory="", sees=frozenset({"identity", "truth"}))
