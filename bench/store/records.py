"""Files that anyone may have written, read in one place: their text becomes a value of a declared
type, or one line that says what is wrong with it.

A type is a `Form`, a `TypedDict` or a dataclass, whose fields say what a reader relies on
(`docs/security.md`). What a file holds beyond these is dropped, so nothing that was not checked can
be used.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from bench.errors import LONGEST, BenchError

T = TypeVar("T")


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """What a file of JSON says, field by field: a reader relies on these, and on nothing else."""


LARGEST = 2**29
"""Bytes of a file of JSON or TOML that is read: the manifest of a million photographs has a fifth
of it."""
Key = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
"""Of a thing in a store."""
Count = Annotated[int, msgspec.Meta(ge=0)]
Whole = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
Positive = Annotated[int, msgspec.Meta(ge=1, lt=2**53)]
Small = Annotated[int, msgspec.Meta(ge=1, le=2**20)]
Number = Annotated[float, msgspec.Meta(ge=-1e100, le=1e100)]
"""A finite one, with whose square one can still calculate."""
Scalar = str | int | float | bool | None
Flat = Scalar | list[Scalar] | dict[str, Scalar]
Deeper = Scalar | list[Flat] | dict[str, Flat]
Plain = Scalar | list[Deeper] | dict[str, Deeper]
"""What a plugin may say in notes and parameters: as deep as anybody will look at it."""
Place = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f]*\Z", max_length=4096)]
"""A folder or URL."""
Direction = Literal["up", "down", "target", "none"]


def read(path: Path, kind: type[T], advice: str = "", newest: int | None = None) -> T:
    """A JSON file as a value of a type. BenchError, ending in `advice`, where it is missing, no
    JSON, of another form, or has a schema version above `newest`."""
    return checked(loaded(path), kind, path, advice, newest)


def loaded(path: Path) -> Any:
    """Whatever a JSON file holds. BenchError where it is missing or no JSON."""
    return _parsed(path, json.loads)


def read_toml(path: Path, absent: str = "") -> dict[str, Any]:
    """The table of a TOML file. BenchError where it is missing (`absent` says what to do then) or
    no TOML."""
    return dict(_parsed(path, tomllib.loads, absent))


def read_csv(
    path: Path, columns: Iterable[str], advice: str = ""
) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with their line numbers; commas, semicolons or tabs are between its
    cells. BenchError, ending in `advice`, where it is missing, no CSV, or lacks one of the
    columns."""
    names, rows = _parsed(path, _table)
    if missing := sorted(set(columns) - set(names)):
        raise BenchError(f"{path} has no column {', '.join(missing)}{_ending(advice)}")
    return rows


def of_text(text: str, kind: type[T], where: Path | str, advice: str = "") -> T:
    """JSON inside of another file, as a value of a type. BenchError where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BenchError(f"{where} is damaged ({_said(error)}){_ending(advice)}") from error
    return checked(value, kind, where, advice)


def checked(
    value: Any,
    kind: type[T],
    where: Path | str,
    advice: str = "",
    newest: int | None = None,
    strict: bool = True,
) -> T:
    """A value from outside, as one of a type. BenchError that says which part of it is none;
    `where` begins the line. Without `strict` numbers may be text."""
    if newest is not None:
        version = value.get("schema_version", 0) if isinstance(value, dict) else 0
        if isinstance(version, bool) or not isinstance(version, int):
            raise BenchError(f"{where} has a schema version that is no number{_ending(advice)}")
        if version > newest:
            raise BenchError(
                f"{where} has schema version {version}; this huebench reads up to {newest}: "
                "upgrade it"
            )
    try:
        return msgspec.convert(value, kind, strict=strict)
    except (
        msgspec.ValidationError,
        RecursionError,
        SystemError,
        ArithmeticError,
        ValueError,
    ) as error:
        raise BenchError(f"{where} is damaged ({_said(error)}){_ending(advice)}") from error


def plain(form: Form) -> dict[str, Any]:
    """A form as JSON can hold it."""
    made: dict[str, Any] = msgspec.to_builtins(form)
    return made


def text(data: bytes) -> str:
    """Text of a file: UTF-8, also with the mark that Windows' editors put before it. ValueError for
    any other."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("it is UTF-16: save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is no UTF-8: save it as UTF-8") from error


def _table(text: str) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    first = re.split("[\r\n]", text, maxsplit=1)[0]
    reader = csv.DictReader(
        io.StringIO(text, newline=""),
        restval="",
        strict=True,
        delimiter=max(",;\t", key=first.count),
    )
    try:
        rows = [
            (reader.line_num, {name: cell for name, cell in row.items() if name is not None})
            for row in reader
        ]
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error
    return list(reader.fieldnames or ()), rows


def _parsed(path: Path, parse: Any, absent: str = "") -> Any:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise BenchError(f"{path} can't be read: it is no plain file")
        if path.stat().st_size > LARGEST:
            raise BenchError(
                f"{path} has {path.stat().st_size:,} bytes, more than any such file: it is not read"
            )
        return parse(text(path.read_bytes()))
    except FileNotFoundError:
        raise BenchError(f"{path} is missing{_ending(absent)}") from None
    except OSError as error:
        raise BenchError(f"{path} can't be read: {error.strerror or error}") from error
    except (ValueError, RecursionError, csv.Error) as error:
        raise BenchError(f"{path} can't be read: {_said(error)}") from error


def _ending(advice: str) -> str:
    return f": {advice}" if advice else ""


def _said(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, SystemError | ArithmeticError):  # of 400 digits
        return "a number is too large"
    if isinstance(error, UnicodeEncodeError):  # half a surrogate pair
        return "a word is no text"
    return _line(error).replace("`", "'")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:LONGEST] or type(error).__name__
