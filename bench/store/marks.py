"""Commit marks (`cell.json`): what a finished thing says of itself, the digests of its files, and
the digest of all that.

A mark is JSON whose first field is the SHA-256 of all bytes after it: a bit that flips anywhere in
it is noticed. Anyone can write a mark with a right digest, so its fields and its files have to be
what things of its kind have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import msgspec

from bench import keys
from bench.errors import BenchError
from bench.specs import Kind as SampleKind
from bench.store import disk, records
from bench.store.digests import FileMark
from bench.store.records import Count, Form, Key, Number, Plain, Whole

COMMIT_MARK = "cell.json"
SCHEMA = 2
"""Version of a mark. One of version 1 had no digest of itself."""


class Mark(Form, frozen=True, kw_only=True):
    """What all marks say. files: by their names in the thing's folder."""

    schema_version: int
    kind: str
    key: Key
    files: dict[str, FileMark]


class Fitted(Form, frozen=True, kw_only=True):
    """What was fitted, on what, and what it said of itself."""

    method: str
    version: str
    label: str
    parameters: dict[str, Plain]
    dataset: str
    seed: Whole
    requires: dict[str, Key]
    notes: dict[str, Plain] = msgspec.field(default_factory=dict)
    seconds: Number = 0.0
    imported: bool = False


class FitMark(Mark, frozen=True, kw_only=True):
    """Of a fitted method: a `Fitted`, whose fields can't be inherited beside those of `Mark`."""

    method: str
    version: str
    label: str
    parameters: dict[str, Plain]
    dataset: str
    seed: Whole
    requires: dict[str, Key]
    notes: dict[str, Plain] = msgspec.field(default_factory=dict)
    seconds: Number = 0.0
    imported: bool = False


class SampleMark(Mark, frozen=True, kw_only=True):
    """Of a shard of samples (`bench.scores.samples`)."""

    sample_kind: SampleKind
    n_drawn: Count
    shape: tuple[Count, ...]


class ScoreMark(Mark, frozen=True, kw_only=True):
    """Of what metrics say of a shard (`bench.scores.shards`)."""

    sample_kind: str
    k: Count
    columns: tuple[tuple[str, str, str, Count], ...]
    metrics: tuple[str, ...]
    refused: dict[str, str]


class FeatureMark(Mark, frozen=True, kw_only=True):
    """Of features of photographs."""

    shape: tuple[Count, ...]


class PreparedMark(Mark, frozen=True, kw_only=True):
    """Of prepared photographs (`bench.data.prepare`)."""

    ids: tuple[str, ...]
    excluded: dict[str, str]
    grey_only: tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of thing: the form of its mark, and its files, either by their `names` or, as many as
    there are, by what they end in (`suffixes`). None of them is ever unpickled."""

    mark: type[Mark]
    names: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()

    def strange(self, files: Mapping[str, Any]) -> str:
        """A file that no such thing has, or one that it lacks, as a part of a sentence; or nothing."""
        for name in files:
            fits = name.endswith(self.suffixes) if self.suffixes else name in self.names
            if not (fits and _is_file_name(name)) or any(
                str(folder) in files for folder in PurePosixPath(name).parents
            ):
                return (
                    f"it lists the file {name[:80]!a}, and such a thing has only {self._allowed()}"
                )
        lacking = sorted(self.names - files.keys())
        return f"it lists no {lacking[0]}" if lacking else ""

    def _allowed(self) -> str:
        return ", ".join(sorted(self.names) or (f"*{suffix}" for suffix in self.suffixes))


LONGEST = 200
"""Bytes of a file's name with its folders."""
METHODS_OWN = (".safetensors", ".json", ".npy")
"""What a method's own files end in (`Method.save`)."""
KINDS = {
    "fits": Kind(FitMark, suffixes=METHODS_OWN),
    "samples": Kind(SampleMark, frozenset({"samples.safetensors"})),
    "scores": Kind(ScoreMark, frozenset({"values.npy"})),
    "features": Kind(FeatureMark, suffixes=METHODS_OWN),
    "prepared": Kind(PreparedMark, frozenset({"ab.npy", "grey.npy"})),
    "duplicates": Kind(Mark, frozenset({"pairs.json"})),
    "indexes": Kind(Mark, frozenset({"photos.json"})),
}


class Old(BenchError):
    """A mark of an older huebench, which has no digest: nobody can tell whether it is whole."""


def checked(kind: str, key: str) -> None:
    """BenchError for what can't be the kind and the key of a stored thing: paths are made of them."""
    known(kind)
    if not is_key(key):
        raise BenchError(
            f"{ascii(key)[:80]} is no key of {kind}: a store's keys are 64 hexadecimal digits"
        )


def known(kind: str) -> Kind:
    """What is known of a kind. BenchError where nothing is."""
    if kind not in KINDS:
        raise BenchError(f"a store has no {ascii(kind)[:80]} (known: {', '.join(KINDS)})")
    return KINDS[kind]


def is_key(name: Any) -> bool:
    """Whether something is a key."""
    return isinstance(name, str) and re.fullmatch("[0-9a-f]{64}", name) is not None


def written(
    kind: str, key: str, files: Mapping[str, FileMark], description: Mapping[str, Any]
) -> bytes:
    """The mark of a thing. BenchError where `read` would refuse it."""
    said = {**description, "schema_version": SCHEMA, "kind": kind, "key": key}
    mark = _formed(
        said | {"files": {name: records.plain(file) for name, file in files.items()}}, kind
    )
    text = json.dumps(records.plain(mark), indent=2, sort_keys=True)
    rest = f"{text.removeprefix('{')}\n".encode()
    return _head(rest) + rest


def read(data: bytes, kind: str, key: str, old: bool = False) -> Mark:
    """What a mark says. BenchError, a part of a sentence, for one that was changed or cut, is
    another thing's, or does not fit its kind. One that has no digest is `Old`, or, with `old`, is
    believed."""
    digested = data[:_HEAD] == _head(data[_HEAD:])
    try:
        found = json.loads(records.text(data))
    except (ValueError, RecursionError):
        raise BenchError(CHANGED) from None
    if not digested and not (old and is_old(found)):
        raise Old(OLD) if is_old(found) else BenchError(CHANGED)
    mark = _formed(found, kind)
    if (mark.kind, mark.key) != (kind, key):
        raise BenchError(f"its mark is that of {ascii(mark.kind)[:40]} {mark.key[:12]}")
    return mark


def _is_file_name(name: str) -> bool:
    return (
        disk.inside(name)
        and name.isprintable()
        and len(name.encode()) <= LONGEST
        and name != COMMIT_MARK
    )


def is_old(found: Any) -> bool:
    """Whether JSON may be a mark of version 1."""
    return isinstance(found, dict) and found.get("schema_version") == 1 and "digest" not in found


CHANGED = "its mark is malformed, or not what was written"
OLD = "its mark is of an older huebench and has no digest"
_HEAD = len(b'{\n  "digest": "",') + 64


def _head(rest: bytes) -> bytes:
    """The first line of a mark, without its end."""
    return f'{{\n  "digest": "{keys.sha256(rest)}",'.encode()


def _formed(found: Any, kind: str) -> Mark:
    """A mark whose fields and files are those of its kind; what else it says is left out."""
    form = known(kind)
    mark = records.checked(found, form.mark, "its mark", newest=SCHEMA)
    if strange := form.strange(mark.files):
        raise BenchError(strange)
    return mark
