"""Keys depend on what a thing is, all of it, and on nothing else."""

import hashlib
import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bench import keys

LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=4)
VALUES = st.recursive(
    LEAVES,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=3), v, max_size=3),
    max_leaves=8,
)
PARTS = st.dictionaries(
    st.from_regex(r"p[a-z]{0,3}", fullmatch=True), VALUES, min_size=1, max_size=4
)


def shuffled(value, random):
    """The same value with every dictionary in another order."""
    if isinstance(value, dict):
        names = list(value)
        random.shuffle(names)
        return {name: shuffled(value[name], random) for name in names}
    return [shuffled(v, random) for v in value] if isinstance(value, list) else value


@settings(max_examples=80, deadline=None)
@given(PARTS, st.randoms(use_true_random=False))
def test_the_order_of_parts_does_not_change_a_key(parts, random):
    assert keys.key("fit", **parts) == keys.key("fit", **shuffled(parts, random))


@settings(max_examples=80, deadline=None)
@given(PARTS, VALUES)
def test_changing_a_part_changes_the_key(parts, value):
    name = next(iter(parts))
    assume(keys.canonical(parts[name]) != keys.canonical(value))
    assert keys.key("fit", **parts) != keys.key("fit", **{**parts, name: value})


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_canonical_text_is_json_of_the_same_value(value):
    text = keys.canonical(value)
    assert json.loads(text) == value
    assert keys.canonical(json.loads(text)) == text
    assert text.isascii()


def test_kind_and_missing_parts_change_the_key():
    names = [
        keys.key("fit", a=1),
        keys.key("sample", a=1),
        keys.key("fit"),
        keys.key("fit", a=1, b=None),
    ]
    assert len(set(names)) == 4
    assert all(len(name) == 64 and int(name, 16) >= 0 for name in names)


def test_the_schema_is_part_of_every_key(monkeypatch):
    before = keys.key("fit", a=1)
    monkeypatch.setattr(keys, "SCHEMA", keys.SCHEMA + 1)
    assert keys.key("fit", a=1) != before


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1, {"a": float("-inf")}]])
def test_a_number_that_json_can_not_hold_is_refused(value):
    with pytest.raises(ValueError, match="JSON compliant"):
        keys.canonical(value)


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object()])
def test_a_value_that_json_can_not_hold_is_refused(value):
    with pytest.raises(TypeError, match="not JSON serializable"):
        keys.canonical(value)


def test_a_digest_of_items_sees_order_and_borders():
    digests = [
        keys.digest_of(items) for items in (["a", "b"], ["b", "a"], ["ab"], ["a", "b", ""], [])
    ]
    assert len(set(digests)) == 5
    assert keys.digest_of(iter(["a", "b"])) == digests[0]


def test_sha256_of_text_is_that_of_its_utf8_bytes():
    assert keys.sha256("é") == keys.sha256("é".encode()) == hashlib.sha256(b"\xc3\xa9").hexdigest()


def test_a_folder_is_its_names_and_contents(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        (folder / "deep" / "er").mkdir(parents=True)
        (folder / "deep" / "er" / "a.png").write_bytes(b"a")
        (folder / "b").write_bytes(b"b")
    before = keys.folder_digest(one)
    assert keys.folder_digest(other) == before
    (other / "b").rename(other / "c")
    renamed = keys.folder_digest(other)
    (other / "c").write_bytes(b"c")
    changed = keys.folder_digest(other)
    (other / ".hidden").write_bytes(b"")
    assert len({before, renamed, changed, keys.folder_digest(other)}) == 4


def test_links_in_a_folder_count_and_lead_nowhere(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "file").write_bytes(b"1")
    (folder / "link").symlink_to(tmp_path / "file")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    before = keys.folder_digest(folder)
    (tmp_path / "file").write_bytes(b"2")
    assert keys.folder_digest(folder) != before
