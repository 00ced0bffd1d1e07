"""What can go wrong, said in one line, and the exit status that goes with it."""

from __future__ import annotations

import difflib
import re
import sysconfig
import traceback
from collections.abc import Iterable, Mapping
from enum import IntEnum
from pathlib import Path

from bench.text import storable, visible

LONGEST = 400
LONGEST_WORD = 1000
"""Characters of a word that an error repeats whole: a path may be as long, and a damaged file holds
longer ones."""


class ExitCode(IntEnum):
    """Exit statuses of the `bench` command; part of the public interface."""

    OK = 0
    REGRESSION = 1
    USAGE = 2
    NOTHING_MEASURED = 3
    NOT_COMPARABLE = 4
    INCONCLUSIVE = 5
    CELLS_FAILED = 6
    INTERRUPTED = 130


class BenchError(Exception):
    """An error that a user can mend: one line saying what is wrong, where, and what to do."""

    exit_code: ExitCode = ExitCode.USAGE

    def __str__(self) -> str:
        return re.sub(
            rf"\S{{{LONGEST_WORD},}}",
            lambda m: f"{m[0][:LONGEST]}… ({len(m[0]):,} characters)",
            super().__str__(),
        )


class NothingMeasured(BenchError):
    """There is nothing, or too little, to measure."""

    exit_code = ExitCode.NOTHING_MEASURED


class DuplicateName(BenchError):
    """Two plugins claim the same name."""


class SamplesGone(BenchError):
    """Samples, or the photographs that they belong to, are no longer in the store."""


class StoreLost(BenchError):
    """The store can't be read or written: a run can't go on. What is finished stays."""


class Infrastructure(StoreLost):
    """A disk, a network or a machine failed, and no method did: worth one more try."""


class NotComparable(BenchError):
    """Two results were made under different protocols."""

    exit_code = ExitCode.NOT_COMPARABLE


def unknown(kind: str, name: str, known: Iterable[str]) -> BenchError:
    """An error for a name that nobody registered, with the nearest known name.

    >>> print(unknown("method", "mnd", ["mdn", "cvae"]))
    unknown method 'mnd': did you mean 'mdn'? (known: cvae, mdn)
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f": did you mean '{near[0]}'?" if near else ""
    return BenchError(f"unknown {kind} '{name}'{hint} (known: {', '.join(names) or 'none'})")


def beside(left_out: Mapping[str, str]) -> str:
    """How many files were left out (name -> why), and the first of them: for the end of an error
    that there are too few.

    >>> beside({"a.heic": "heic is a format that is not read"})
    '; 1 left out, first a.heic: heic is a format that is not read'
    """
    name, why = next(iter(left_out.items()), ("", ""))
    return f"; {len(left_out):,} left out, first {name}: {why}" if left_out else ""


def reason(error: BaseException) -> str:
    """An error in one line, at most `LONGEST` characters: what a failed row says."""
    text = (
        said(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {said(error)}"
    )
    line = visible(" ".join(text.split())) or type(error).__name__
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def said(error: BaseException) -> str:
    """What an error says of itself, as text that can be written anywhere."""
    try:
        return storable(str(error))
    except Exception:  # noqa: BLE001 - a third party's error, which can't even be shown
        return "it can't be shown"


def place(error: BaseException) -> str:
    """Where an error was raised, ` (tint.py:44 in sample)`: the last line that is neither
    huebench's core nor a library's, or, as a plugin may be installed like a library, the last of
    those that are not the core's."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_CORE)
    ]
    own = [frame for frame in frames if not frame.filename.startswith(_LIBRARIES)] or frames
    return f" ({Path(own[-1].filename).name}:{own[-1].lineno} in {own[-1].name})" if own else ""


_CORE = str(Path(__file__).parent)
_LIBRARIES = tuple(
    {path for path in map(sysconfig.get_path, ("purelib", "platlib", "stdlib")) if path}
)


def trace(error: BaseException) -> str:
    """The traceback of an error, for whoever mends it; of a mistake that its one line explains
    there is none."""
    return (
        "" if isinstance(error, BenchError) else visible("".join(traceback.format_exception(error)))
    )
