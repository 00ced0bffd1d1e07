"""Method strings: round trip, grids, nesting, and one line for whatever can't be read."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.plugins.notation import Choice, parse, parse_many, split, write

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,6}", fullmatch=True)
WORDS = st.text("abz019.-_/", min_size=1, max_size=6)
METHODS = st.recursive(
    NAMES,
    lambda value: st.builds(write, NAMES, st.dictionaries(NAMES, value | WORDS, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None)
@given(NAMES, st.dictionaries(NAMES, METHODS | WORDS, max_size=4))
def test_what_is_written_is_read_again(name, parameters):
    text = write(name, parameters)
    choice = parse(text)
    assert choice == Choice(name, tuple(sorted(parameters.items())))
    assert str(choice) == text


TEXTS = st.text() | st.text('ab,=[]"\\ \n;', max_size=12)


@settings(max_examples=500)
@given(NAMES, st.dictionaries(NAMES, METHODS | TEXTS, max_size=4), NAMES, NAMES)
def test_any_text_can_be_a_value(name, parameters, outer, place):
    inner = write(name, parameters)
    assert parse(inner) == Choice(name, tuple(sorted(parameters.items())))
    assert str(parse(inner)) == inner
    assert parse_many(f"a,{inner} , b") == [
        *dict.fromkeys([Choice("a"), parse(inner), Choice("b")])
    ]
    assert parse(write(outer, {place: inner})) == Choice(
        outer, ((place, inner),)
    )  # as what a method requires


@settings(max_examples=300)
@given(
    NAMES,
    st.dictionaries(
        NAMES,
        st.lists(METHODS | TEXTS, min_size=1, max_size=3, unique=True),
        min_size=1,
        max_size=2,
    ),
)
def test_any_texts_can_be_a_grid(name, grid):
    got = [dict(choice.given) for choice in parse_many(write(name, grid))]
    assert got == [
        dict(zip(sorted(grid), values))
        for values in itertools.product(*(grid[key] for key in sorted(grid)))
    ]


@settings(max_examples=300)
@given(st.text('ab=,[]"\\ ', max_size=14))
def test_any_text_with_quotes_is_read_or_refused_in_one_line(text):
    lines, choices = refusal_or_choices(text)
    assert len(lines) == (0 if choices else 1)
    assert parse_many(",".join(map(str, choices))) == choices if choices else True


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('p[folder="o, [x]"]', "o, [x]"),
        ('p[ folder = "o, [x]" ]', "o, [x]"),
        ('p[folder=" o "]', " o "),
        ('p[folder=""]', ""),
        ('p[folder="say ""so"""]', 'say "so"'),
        ('p[folder="C:\\o, x\\"]', "C:\\o, x\\"),
        ('p[folder="[l2,mah]"]', "[l2,mah]"),
        ('p[folder=4" x 6"]', '4" x 6"'),
        ('p[folder=q[path="o, ]"]]', 'q[path="o, ]"]'),
    ],
)
def test_quotes(text, value):
    assert dict(parse(text).given) == {"folder": value}


def test_what_needs_no_quotes_gets_none():
    assert (
        write("m", {"a": "x/y z", "vae": 'v[p="o, x"]', "n": 0.5, "grid": ["l2", "a,b"]})
        == 'm[a=x/y z,grid=[l2,"a,b"],n=0.5,vae=v[p="o, x"]]'
    )


@settings(max_examples=60, deadline=None)
@given(
    NAMES,
    st.dictionaries(
        NAMES, st.lists(WORDS, min_size=1, max_size=3, unique=True), min_size=1, max_size=3
    ),
)
def test_a_grid_gives_every_combination_once(name, grid):
    inside = ",".join(f"{key}=[{','.join(values)}]" for key, values in grid.items())
    got = [dict(choice.given) for choice in parse_many(f"{name}[{inside}]")]
    wanted = [dict(zip(grid, values)) for values in itertools.product(*grid.values())]
    assert sorted(map(str, map(sorted, (g.items() for g in got)))) == sorted(
        map(str, map(sorted, (w.items() for w in wanted)))
    )


@settings(max_examples=150, deadline=None)
@given(st.text("ab=,[] ", max_size=14))
def test_any_text_is_read_or_refused_in_one_line(text):
    lines, choices = refusal_or_choices(text)
    assert len(lines) == (0 if choices else 1)
    assert all(isinstance(choice, Choice) for choice in choices)


def refusal_or_choices(text):
    try:
        return [], parse_many(text)
    except BenchError as error:
        return str(error).splitlines(), []


def test_the_order_of_parameters_and_spaces_do_not_matter():
    assert parse(" mdn[ k = 5 , t=0.7 ] ") == parse("mdn[t=0.7,k=5]")


def test_a_list_keeps_its_order_and_drops_duplicates():
    assert [str(c) for c in parse_many("b,a[x=1],b,a[ x=1 ]")] == ["b", "a[x=1]"]
    assert parse_many(["b,a", "c"]) == parse_many("b,a,c")


def test_commas_inside_nested_brackets_belong_to_the_inner_method():
    choice = parse("mdn[k=5,vae=vae[loss=l2,codec=c[n=1,m=2]]]")
    assert dict(choice.given) == {"k": "5", "vae": "vae[loss=l2,codec=c[n=1,m=2]]"}
    assert dict(parse(dict(choice.given)["vae"]).given) == {"loss": "l2", "codec": "c[n=1,m=2]"}


def test_a_grid_of_methods_expands_to_whole_methods():
    assert [str(c) for c in parse_many("mdn[vae=[vae[loss=l2],vae[loss=mah,k=1]]]")] == [
        "mdn[vae=vae[loss=l2]]",
        "mdn[vae=vae[loss=mah,k=1]]",
    ]


def test_two_grids_give_their_product_in_reading_order():
    assert [str(c) for c in parse_many("m[b=[1,2],a=[x,y]]")] == [
        "m[a=x,b=1]",
        "m[a=y,b=1]",
        "m[a=x,b=2]",
        "m[a=y,b=2]",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty name"),
        ("a,", "empty name"),
        (",a", "empty name"),
        ("a,,b", "empty name"),
        ("a[]", "empty name"),
        ("a[x=[]]", "empty name"),
        ("a[x=[1,]]", "empty name"),
        ("a[x=1", "brackets"),
        ("a]x=1[", "brackets"),
        ("a[x=1]]", "brackets"),
        ("a[x=1][y=2]", "brackets"),
        ("a[x=1]b", "closing bracket"),
        ("a[x]", "parameter=value"),
        ("a[x=]", "parameter=value"),
        ("a[=1]", "parameter=value"),
        ("a[x=1,x=2]", "twice"),
        ("a[x=1, x =1]", "twice"),
        ('a[x="1]', "quote"),
        ('a[x="1""]', "quote"),
        ('a["x=1]', "quote"),
        ('a[x="1"2]', "closing quote"),
        ('a[x="1" "2"]', "closing quote"),
        ('a[x=["1"2,3]]', "closing quote"),
        ("a[folder=o, [x],kind=iid]", 'parameter=value.*in quotes: folder="a, \\[b\\]"'),
        ("a[folder=o]x,kind=iid]", 'in quotes: folder="a, \\[b\\]"'),
    ],
)
def test_a_bad_string_is_refused_and_quoted_in_one_line(text, says):
    with pytest.raises(BenchError, match=says) as caught:
        parse_many(text)
    assert "\n" not in str(caught.value)


def test_parameters_without_a_name_are_refused():
    with pytest.raises(BenchError, match=r"an empty name in '\[x=1\]'"):
        parse_many("[x=1]")


@pytest.mark.parametrize("text", ["a,b", "a[x=[1,2]]"])
def test_one_choice_means_one(text):
    with pytest.raises(BenchError, match="names 2 things"):
        parse(text)


def test_split_takes_another_separator():
    assert split("a[x;y];b", ";") == ["a[x;y]", "b"]
