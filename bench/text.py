r"""Text on its way out: a function each for terminals, Markdown, HTML, LaTeX, TOML, CSV and files,
which whoever writes there uses.

What others wrote (names, ids, messages, the words of plugins) may hold anything: bytes that a
terminal obeys, letters that turn a line around, markup, formulas, bytes that are no text. It is
shown, and not obeyed; `tests/core/test_text.py` finds who doesn't ask.
"""

from __future__ import annotations

import html as _html
import io
import json
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
"""Control characters but newline and tab, characters that are not seen or turn the direction of
text around, lone surrogates. Not the joiners of Indic and Persian script."""
_SURROGATES = re.compile("[\udc80-\udcff]+|[\ud800-\udfff]")
"""Bytes of a name as Python holds them, and halves of characters."""
_FORMULA = re.compile(r"'*(\s*[=+\-@＝＋－＠]|[\t\r\n])")
"""How a cell begins that a spreadsheet would compute, and one that `csv` changed because of that."""


def storable(text: str) -> str:
    r"""Text that every file can hold: a byte of a name that is no UTF-8 is spelt out.

    >>> storable("lat\udce9.jpg"), storable("\ud83d"), storable("\udcc3\udca9")
    ('lat\\xe9.jpg', '\\ud83d', 'é')
    """
    return _SURROGATES.sub(_decoded, text)


def visible(text: object) -> str:
    r"""Text in which nothing is hidden and nothing is a command: such characters are spelt out.
    Newlines and tabs stay.

    >>> visible("\x1b[31mred\r\u202e"), visible("é\t日本\n")
    ('\\x1b[31mred\\x0d\\u202e', 'é\t日本\n')
    """
    return _HIDDEN.sub(_spelt, storable(str(text)))


def one_line(text: object) -> str:
    """The same on one line: a row of spaces, tabs and line breaks is a space."""
    return visible(re.sub(r"(\r?\n|[\t ])+", " ", str(text)).strip())


# The terminal


def echo_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as an aligned table of plain text; `nothing` where there are none."""
    say(*aligned(rows).split("\n"))


def aligned(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as an aligned table; the first row's keys are its columns.

    >>> print(aligned([{"a": 1, "b": "x"}, {"a": 10, "b": "y"}]))
    a   b
    1   x
    10  y
    """
    if not rows:
        return "nothing"
    columns = list(rows[0])
    cells = [
        [one_line(text) for text in line]
        for line in (columns, *([row.get(c, "") for c in columns] for row in rows))
    ]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = (
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )
    return "\n".join(lines)


def say(*lines: object, err: bool = False) -> None:
    """Print lines on standard output, or on standard error. What would begin another line is spelt
    out."""
    shown = (visible(line).replace("\n", r"\n") for line in lines)
    print(*shown, sep="\n", file=sys.stderr if err else sys.stdout, flush=True)


def say_json(value: Any) -> None:
    """Print a value as JSON."""
    say(*json.dumps(value, indent=2).replace("\x7f", r"\u007f").split("\n"))


def prepare_streams() -> None:
    """Prepare this process' terminal, of whatever encoding: characters that it has not are spelt
    out, also in tracebacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.excepthook = _raised
    threading.excepthook = lambda told: _raised(told.exc_type, told.exc_value, told.exc_traceback)


def _raised(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    say(*"".join(traceback.format_exception(kind, error, trace)).rstrip("\n").split("\n"), err=True)


# Pages and tables


def markdown(text: object) -> str:
    r"""One line of Markdown, also in a table's cell.

    >>> markdown("a|b\n*c* <d> vae[loss=l2,test_size=3] @you")
    'a\\|b \\*c\\* \\<d\\> vae[loss=l2,test_size=3] \\@you'
    >>> markdown("1. Portraits"), markdown("# z"), markdown("[x](y)")
    ('1\\. Portraits', '\\# z', '\\[x]\\(y)')
    """
    inside = re.sub(r"([\\`*<>|~&$@#]|(?<=\])\(|(?<!\w)_|_(?!\w))", r"\\\1", one_line(text))
    # at the beginning of a line: lists, headings, definitions
    return re.sub(
        r"^(\d+)([.)])(?=\s|$)|^([-+=\[])",
        lambda m: f"{m[1]}\\{m[2]}" if m[1] else f"\\{m[3]}",
        inside,
    )


def markdown_code(text: object) -> str:
    """One line of Markdown, as code; not for a table's cell, where `|` would end it.

    >>> markdown_code("<b>"), markdown_code("a `` b")
    ('`<b>`', '``` a `` b ```')
    """
    line = one_line(text) or " "
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if "`" in line else f"{fence}{line}{fence}"


def html(text: object) -> str:
    """HTML, also in an attribute."""
    return _html.escape(visible(text))


def toml(text: str) -> str:
    r"""A string of TOML, to be shown or written.

    >>> print(toml('a"b\n\x7f\u202e 日本'))
    "a\"b\n\u007f\u202e 日本"
    """
    plain = json.dumps(storable(text), ensure_ascii=False)  # whose escapes are TOML's
    return _HIDDEN.sub(
        lambda c: rf"\u{ord(c[0]):04x}" if ord(c[0]) < 2**16 else rf"\U{ord(c[0]):08x}", plain
    )


def latex(text: str) -> str:
    r"""LaTeX that pdflatex takes; letters that its fonts lack become their code points.

    >>> latex("50 % of a_b → ✓")
    '50 \\% of a\\_b $\\rightarrow$ \\texttt{[U+2713]}'
    """
    return "".join(map(_latex_character, text))


def csv(table: pd.DataFrame) -> str:
    r"""CSV that people may open as a spreadsheet: text that would be a formula there (it begins
    with `=`, `+`, `-`, `@`, a tab or a line break) has an apostrophe before it, and so has text
    that begins like the result. `read_csv` takes it away. Numbers stay."""
    lines = _Lines()
    _cells(table, _cell).to_csv(lines, index=False, lineterminator="\r\n")
    return lines.getvalue()


def read_csv(path: Path, words: Sequence[str] = ()) -> pd.DataFrame:
    """The table that `csv` wrote. words: columns that are text whatever they look like, and empty
    text where they say nothing. Raises what `pandas.read_csv` raises."""
    import pandas as pd

    table = pd.read_csv(
        path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(words, str)
    )
    return _cells(table.fillna(dict.fromkeys(words, "")), bare)


def csv_of_data(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """CSV for programs, which look for the very text: nothing is changed, only quoted."""
    from csv import DictWriter

    lines = _Lines()
    writer = DictWriter(lines, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return lines.getvalue()


class _Lines(io.StringIO):
    """Rows that end with LF, of a writer that ends them with CRLF: so it quotes cells that hold
    either."""

    def write(self, row: str) -> int:
        return super().write(row.removesuffix("\r\n") + "\n")


def _cells(table: pd.DataFrame, change: Callable[[Any], Any]) -> pd.DataFrame:
    """The table with its texts and titles changed."""
    made = table.copy()
    for name in table.select_dtypes(exclude=["number", "bool"]):
        made[name] = table[name].astype(object).map(change)
    return made.rename(columns=change)


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def bare(value: Any) -> Any:
    """A cell of `csv`, as it was before."""
    return (
        value[1:]
        if isinstance(value, str) and value.startswith("'") and _FORMULA.match(value)
        else value
    )


def _decoded(found: re.Match[str]) -> str:
    """The text of bytes that only the system's locale took for none; other bytes are spelt out."""
    try:
        return found[0].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return _spelt(found)


def _spelt(found: re.Match[str]) -> str:
    code = ord(found[0])
    return (
        f"\\x{code:02x}" if code < 2**8 else f"\\u{code:04x}" if code < 2**16 else f"\\U{code:08x}"
    )


_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
}
_SYMBOLS = {
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\rightarrow$",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "±": r"$\pm$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≠": r"$\neq$",
    "²": "$^2$",
    "³": "$^3$",
    "½": r"$\frac12$",
    "√": r"$\surd$",
    "Δ": r"$\Delta$",
    "Σ": r"$\Sigma$",
    "χ": r"$\chi$",
    "σ": r"$\sigma$",
    "μ": r"$\mu$",
    "λ": r"$\lambda$",
    "“": "``",
    "”": "''",
    "‘": "`",
    "’": "'",
}


def _latex_character(c: str) -> str:
    known = _SPECIAL.get(c) or _SYMBOLS.get(c)
    if known:
        return known
    if c.isascii() or ("À" <= c <= "ÿ" and c.isalpha()) or c in "ŁłŒœŠšŽžŸ":  # LaTeX knows them
        return c if c.isprintable() else " "
    return rf"\texttt{{[U+{ord(c):04X}]}}"
