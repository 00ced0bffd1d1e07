"""What is written for others names no folder of this machine from its root, and nobody's home."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.machine import places

RUN = Path("/home/jane/work/runs/a")


@pytest.fixture(autouse=True)
def jane(monkeypatch):
    """Whoever runs this."""
    monkeypatch.setenv("HOME", "/home/jane")
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "jane")


@pytest.mark.parametrize(
    ("where", "written"),
    [
        ("/home/jane/.cache/huebench/store", "~/.cache/huebench/store"),
        ("/home/jane/work/runs/a/store", "store"),
        ("/share/store", "../../../../../share/store"),
        ("/scratch/jane/store", "../../../../../scratch/$USER/store"),
        ("file:///home/jane/store", "file://~/store"),
        ("file:///share/store", "file://../../../../../share/store"),
        ("s3://bucket/store", "s3://bucket/store"),
    ],
)
def test_a_place_is_found_again_from_what_is_written(where, written):
    assert places.relative(where, RUN) == written
    assert places.found(written, RUN) == (where if "://" in where else Path(where))


def test_an_account_is_no_part_of_a_url():
    assert places.relative("sftp://jane:secret@host/home/jane/s", RUN) == "sftp://host/home/$USER/s"


@pytest.mark.parametrize(
    "written", ["", "~nobody/x", "$USER", "a\\b", "://", "file://", "~", "x" * 9000, "\udc80"]
)
def test_whatever_a_stranger_writes_is_some_place_below_none_that_is_opened(written):
    assert isinstance(places.found(written, RUN), Path | str)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("No such file: '/home/jane/data/a b.png'", "No such file: '~/data/a b.png'"),
        (
            "bench run --data-home /home/jane/data -d=/srv/photos/all",
            "bench run --data-home ~/data -d=…/all",
        ),
        ("zhang[weights=/srv/w/a.pth,steps=2]", "zhang[weights=…/a.pth,steps=2]"),
        ("--store file:///srv/jane/store", "--store …/store"),
        ("--store=s3://bucket/jane/x", "--store=s3://bucket/jane/x"),
        ("../../x/jane/photos", "…/photos"),
        (
            "and/or 3/4 https://host/a/b <b>x</b> a/b/c /etc",
            "and/or 3/4 https://host/a/b <b>x</b> a/b/c /etc",
        ),
        ("/home/jane", "~/"),
        ("/home/janet/x", "…/x"),
    ],
)
def test_text_names_no_path_from_the_root(said, shown):
    assert places.text(said) == shown


def test_code_is_named_by_its_place_in_its_package():
    said = f'File "{places.__file__}", line 3, in text'
    assert places.text(said) == 'File "bench/machine/places.py", line 3, in text'


def test_what_lies_in_the_working_folder_is_named_from_there(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert places.text(f"{tmp_path}/a/b.png, {tmp_path}") == "a/b.png, ."


def test_a_label_that_is_not_shortened_is_as_it_was():
    given = ["p[folder=/x/y]", "p[folder=../x/y]", "p[folder=/a/b/c]"]
    assert list(places.labels(given).values()) == [*given[:2], "p[folder=…/c]"]


def test_labels_stay_apart_and_are_the_same_from_any_folder(monkeypatch, tmp_path):
    given = [
        "p[folder=/a/x/out,kind=iid]",
        "p[folder=/a/y/out,kind=iid]",
        "p[folder=out,kind=iid]",
        "mdn",
    ]
    first = places.labels(given)
    monkeypatch.chdir(tmp_path)
    assert places.labels(given) == first
    assert list(first.values()) == [
        "p[folder=…/x/out,kind=iid]",
        "p[folder=…/y/out,kind=iid]",
        *given[2:],
    ]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("ab/.~[]=, ", max_size=12), max_size=6))
def test_no_two_labels_become_one(names):
    made = places.labels(names)
    assert len(set(made.values())) == len(set(names))


@settings(max_examples=200, deadline=None)
@given(st.text("ab/.~'\" ,:[]=\\\n", max_size=30))
def test_text_shortened_twice_is_the_same(said):
    assert places.text(places.text(said)) == places.text(said)
