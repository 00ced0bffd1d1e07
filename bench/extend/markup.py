"""Tables and their text as HTML and LaTeX. What reports write is Markdown; markdown-it reads it, so
nothing is written twice."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from bench.text import html, latex

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

BEGIN, END = "<main>", "</main>"
"""What a page's fragment stands between."""
PACKAGES = r"""% Needs in the preamble: \usepackage[T1]{fontenc} \usepackage{booktabs,graphicx}"""


@dataclass
class Table:
    """A table; cells are Markdown already (`bench.text.markdown` of what comes from outside).

    The first `words` columns are text, set left; the others are numbers, set right. hints: what a
    column or a row means, by its title. A row of one filled cell is the heading of the rows below
    it.
    """

    header: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    words: int = 1
    hints: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        align = ["---"] * self.words + ["---:"] * (len(self.header) - self.words)
        return "\n".join("| " + " | ".join(row) + " |" for row in [self.header, align, *self.rows])


class Caption(str):
    """Text that belongs to a table's caption wherever the table goes: protocol, photographs,
    samples."""

    __slots__ = ()


def heading(row: Sequence[str]) -> str:
    """The text of a row that is a heading of the rows below, else nothing."""
    filled = [cell for cell in row if cell]
    return filled[0] if len(filled) == 1 and len(row) > 1 else ""


def to_html(parts: Sequence[object]) -> str:
    """Parts of a page as an HTML fragment. What looks like HTML in the text is shown, not obeyed."""
    return "\n".join(
        _html_table(part) if isinstance(part, Table) else _reader().render(str(part))
        for part in parts
        if str(part)
    )


def html_page(title: str, body: str) -> str:
    """A fragment as a page of its own."""
    style = (
        "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:90em;padding:0 "
        "1em;color-scheme:light dark}"
        "table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:.2em "
        ".7em;text-align:left;"
        "border-bottom:1px solid #8885}.number{text-align:right}.tip{display:none}"
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{html(title)}</title>\n'
        f"<style>{style}</style>\n{BEGIN}\n{body}\n{END}\n</html>\n"
    )


def to_latex(parts: Sequence[object]) -> str:
    """Parts of a page as LaTeX (booktabs); text that is no caption stands as paragraphs between the
    tables."""
    writer = _Latex()
    return (
        "\n".join([PACKAGES, *(line for part in parts if str(part) for line in writer.part(part))])
        + "\n"
    )


@cache
def _reader() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False})


def _inline(text: str) -> str:
    return str(_reader().renderInline(text))


def _html_table(table: Table) -> str:
    heads = "".join(
        _html_head(title, table.hints.get(title, ""), i >= table.words)
        for i, title in enumerate(table.header)
    )
    return f'<div class="wide"><table>\n<thead><tr>{heads}</tr></thead>\n{_html_bodies(table)}</table></div>'


def _html_head(title: str, hint: str, number: bool) -> str:
    kind = ' class="number"' if number else ""
    return f'<th scope="col"{kind}>{_inline(title)}{_tip(hint)}</th>'


def _tip(hint: str) -> str:
    return f'<span class="tip" role="tooltip">{html(hint)}</span>' if hint else ""


def _html_bodies(table: Table) -> str:
    """A body for the rows under each heading, so that sorting stays within it."""
    lines = ["<tbody>"]
    for row in table.rows:
        if title := heading(row):
            name = re.sub(r"\W+", "-", title).strip("-").lower()
            lines += [
                "</tbody>",
                f'<tbody class="group {name}"><tr><th '
                f'colspan="{len(table.header)}">{_inline(title)}</th></tr>',
            ]
        else:
            kinds = ["<td>" if i < table.words else '<td class="number">' for i in range(len(row))]
            cells = (
                f"{kind}{_inline(cell)}{_tip(table.hints.get(cell, ''))}</td>"
                for kind, cell in zip(kinds, row)
            )
            lines.append(f"<tr>{''.join(cells)}</tr>")
    return "\n".join([*lines, "</tbody>"])


class _Latex:
    """Writes LaTeX part by part; a table takes with it the headings and captions that it stands
    under."""

    def __init__(self) -> None:
        self.titles: dict[int, str] = {}
        self.captions: dict[int, list[str]] = {}
        self.level = 0

    def part(self, part: object) -> Iterator[str]:
        if isinstance(part, Table):
            yield from self._table(part)
            self.captions.pop(9, None)
        elif isinstance(part, Caption):
            subtitle = part.startswith("**") and part.rstrip(".").endswith("**")
            texts = self.captions.setdefault(9 if subtitle else self.level, [])
            texts.append(" ".join(_block(part)))
        else:
            yield from self._text(str(part))

    def _text(self, text: str) -> Iterator[str]:
        found = re.fullmatch(r"(#+) (.*)", text)
        if not found:
            yield from ["", *_block(text)]
            return
        self.level = len(found[1])
        self.titles = {k: v for k, v in self.titles.items() if k < self.level}
        self.captions = {k: v for k, v in self.captions.items() if k < self.level}
        self.titles[self.level] = _latex_inline(found[2])

    def _table(self, table: Table) -> Iterator[str]:
        texts = [
            ": ".join(self.titles.values()),
            *(t for level in sorted(self.captions) for t in self.captions[level]),
        ]
        caption = ". ".join(t.strip(". ") for t in texts if t.strip(". "))
        columns = "l" * table.words + "r" * (len(table.header) - table.words)
        yield from [
            "",
            r"\begin{table}[htbp]",
            r"\centering",
            rf"\caption{{{caption}.}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            _latex_row(table.header),
            r"\midrule",
        ]
        for i, row in enumerate(table.rows):
            if title := heading(row):
                yield from [r"\midrule"] if i else []
                yield rf"\multicolumn{{{len(table.header)}}}{{l}}{{{_latex_inline(title)}}} \\"
            else:
                yield _latex_row(row)
        yield from [r"\bottomrule", r"\end{tabular}}", r"\end{table}"]


def _latex_row(row: Sequence[str]) -> str:
    # an empty group first: a cell that begins with [ would be read as an argument of the \\ before
    # it
    return "{}" + " & ".join(_latex_inline(cell) for cell in row) + r" \\"


def _block(text: str) -> list[str]:
    """Paragraphs and lists."""
    return [line for token in _reader().parse(text) if (line := _latex_block(token)) is not None]


def _latex_block(token: Token) -> str | None:
    if token.type == "inline":
        return _latex_tokens(token.children or [])
    blocks = {
        "paragraph_open": None,
        "paragraph_close": None,
        "bullet_list_open": r"\begin{itemize}",
        "bullet_list_close": r"\end{itemize}",
        "list_item_open": r"\item",
        "list_item_close": None,
    }
    if token.type not in blocks:
        raise ValueError(f"no LaTeX for a {token.type}: {token.content!r}")
    return blocks[token.type]


def _latex_inline(text: str) -> str:
    return "".join(_latex_tokens(token.children or []) for token in _reader().parseInline(text))


def _latex_tokens(tokens: Sequence[Token]) -> str:
    marks = {
        "strong_open": r"\textbf{",
        "em_open": r"\emph{",
        "strong_close": "}",
        "em_close": "}",
        "softbreak": " ",
        "hardbreak": r"\newline ",
        "link_open": "",
        "link_close": "",
    }
    out = []
    for token in tokens:
        if token.type in ("text", "text_special"):
            out.append(latex(token.content))
        elif token.type == "code_inline":
            out.append(rf"\texttt{{{latex(token.content)}}}")
        elif token.type in marks:
            out.append(marks[token.type])
        else:
            raise ValueError(f"no LaTeX for a {token.type}: {token.content!r}")
    return "".join(out)
