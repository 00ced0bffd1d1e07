"""Tables as people read them (Markdown, HTML, LaTeX) and as programs do (CSV), and `@table`, which
makes a report of one function."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bench import keys
from bench.errors import unknown
from bench.extend.markup import Caption, Table, html_page, to_html, to_latex
from bench.output import Output
from bench.plugins.decorated import described, register
from bench.specs import ReportSpec
from bench.store.files import write_text
from bench.text import csv
from bench.text import markdown as escape

if TYPE_CHECKING:
    from bench.scores.intervals import Estimate

F = TypeVar("F", bound=Callable[..., Any])
NOTHING = "–"


def table(
    *,
    title: str = "",
    columns: Mapping[str, str] | None = None,
    caption: str = "",
    figures: Sequence[Callable[..., None]] = (),
    **spec: Any,
) -> Callable[[F], F]:
    """Make a report of a function of a module that returns a table's rows, and register it.

    The function is named as the report, with underscores. It takes the results of one or several
    runs (`Results`; with `compares=True` a `Comparison`) and returns a list of mappings, one a row,
    or a data frame. Text, whole numbers, numbers and `Estimate`s, which are shown with their
    intervals, may stand in it; None and NaN are shown as a dash. `tables/NAME.md`, `.html`, `.tex`
    and `.csv` are written, as far as they are wanted; without rows, nothing is. The function itself
    stays as it is, so that tests can call it.

    Parameters
    ----------
    title
        Of the table [the summary].
    columns
        Titles of columns, by their keys; a column that is not named is called as its key, with
        spaces.
    caption
        Text above the table, Markdown [what follows the first paragraph of the docstring].
    figures
        Functions that draw figures of the same rows, on what they take: `axes` (of a figure with
        one panel) or `figure`, then `rows` (a data frame) and `results`. Each figure is named as
        its function, with hyphens, and the first line of the docstring says what it shows.
    spec
        Any other field of `ReportSpec`. Where they are left out, `name` is the function's name with
        hyphens, and `summary` the first line of its docstring.

    Raises
    ------
    BenchError, ValueError
        In one line, where the module is imported: an unknown option, or a docstring that is
        missing.

    Examples
    --------
    >>> @table(title="Photographs", order=40)
    ... def photographs(results):
    ...     "How many photographs each run has."
    ...     return [{"run": r.folder.name, "photographs": r.scores["image"].nunique()} for r in results]
    >>> photographs.spec.name, photographs.spec.order
    ('photographs', 40)
    """
    options = {field.name for field in fields(ReportSpec)} - {"factory"}
    for name in spec:
        if name not in options:
            raise unknown("option of @table", name, options)

    def decorate(function: F) -> F:
        said = described(function, spec, rest="caption")
        text = caption or said["caption"]
        del said["caption"]
        drawn = {d["name"]: (d["summary"], f) for f in figures for d in [described(f, {})]}
        said.setdefault("figures", {name: shows for name, (shows, _) in drawn.items()})
        made = ReportSpec(factory=f"{function.__module__}:{function.__qualname__}.write", **said)

        def write(results: Any, out: Output) -> list[Path]:
            rows = _records(function.__name__, function(results))
            if not rows:
                return []
            parts = [f"### {title or made.summary}", Caption(text), _table(rows, columns or {})]
            paths = write_tables(out, made.name, parts) + write_csv(out, made.name, _flat(rows))
            for name, (_, draw) in drawn.items():
                if out.draws(name):
                    paths += _draw(draw, name, rows, results, out)
            return paths

        write.__doc__ = function.__doc__
        vars(function)["write"] = write
        return register(function, made)

    return decorate


def write_tables(out: Output, name: str, parts: Sequence[object]) -> list[Path]:
    """`tables/<name>.md`, `.html` and `.tex`, as far as they are wanted, from parts: Markdown,
    captions, tables and notes."""
    wanted = {
        "md": _markdown,
        "html": lambda some: html_page(name, to_html(some)),
        "latex": to_latex,
    }
    endings = {"latex": "tex"}
    return [
        _write(out, f"{name}.{endings.get(form, form)}", make(parts))
        for form, make in wanted.items()
        if out.wants(form)
    ]


def write_csv(out: Output, name: str, records: Sequence[Mapping[str, Any]]) -> list[Path]:
    """`tables/<name>.csv` with a column for every key, if it is wanted."""
    import pandas as pd

    return (
        [_write(out, f"{name}.csv", csv(pd.DataFrame(list(records))))] if out.wants("csv") else []
    )


def safe_name(name: str) -> str:
    """A file name for any data set name; a changed name gets a digest, so that no two share a file.

    >>> safe_name("lfw"), safe_name("../my photos")
    ('lfw', 'my-photos-2ae7f0')
    """
    safe = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip(".-")[:60]
    return safe if safe and safe == name else f"{safe}-{keys.sha256(name)[:6]}".lstrip("-")


def decimals(values: Sequence[float]) -> int:
    """Decimals that show three digits of all values but the smallest quarter."""
    sizes = sorted(abs(v) for v in values if math.isfinite(v) and v)
    return 3 if not sizes else max(0, min(6, 2 - math.floor(math.log10(sizes[len(sizes) // 4]))))


def with_interval(estimate: Estimate, digits: int, sign: str = "") -> str:
    """`0.079 [0.078, 0.081]`, `undefined`, or nothing where nothing was measured; never more than
    four digits of a large value."""
    if estimate.n and math.isnan(estimate.mean):
        return "undefined"
    digits = min(digits, 1 + decimals([estimate.mean]))
    return format(estimate, f"{sign}.{digits}f") if estimate.n else ""


def columns(prefix: str, estimate: Estimate) -> dict[str, float]:
    """An estimate as raw numbers for a CSV file."""
    return {
        f"{prefix}_mean": estimate.mean,
        f"{prefix}_low": estimate.low,
        f"{prefix}_high": estimate.high,
    }


def from_columns(prefix: str, record: Mapping[str, Any], n: int) -> Estimate:
    """What `columns` wrote."""
    from bench.scores.intervals import Estimate

    return Estimate(record[f"{prefix}_mean"], record[f"{prefix}_low"], record[f"{prefix}_high"], n)


def _markdown(parts: Sequence[object]) -> str:
    """A blank line between parts; empty parts are left out."""
    return "\n\n".join(t for t in map(str, parts) if t) + "\n"


def _write(out: Output, name: str, text: str) -> Path:
    path = out.folder / "tables" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    return path


def _records(name: str, rows: Any) -> list[dict[str, Any]]:
    """Rows as dictionaries. ValueError where they are none."""
    if hasattr(rows, "to_dict"):
        rows = rows.to_dict("records")
    if not isinstance(rows, Sequence) or not all(isinstance(row, Mapping) for row in rows):
        raise ValueError(
            f"{name} gave a {type(rows).__name__}: return a list of mappings, one a row, or a data "
            "frame"
        )
    return [{str(key): value for key, value in row.items()} for row in rows]


def _table(rows: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> Table:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    cells = {key: _cells([row.get(key) for row in rows]) for key in keys}
    words = [all(isinstance(row.get(key), str | None) for row in rows) for key in keys]
    leading = next((i for i, is_text in enumerate(words) if not is_text), len(words))
    heads = [titles.get(key, key[:1].upper() + key[1:].replace("_", " ")) for key in keys]
    return Table([escape(head) for head in heads], list(zip(*cells.values())), words=leading)


def _cells(values: Sequence[Any]) -> list[str]:
    """A column's values as text, its numbers with as many decimals as each other."""
    from bench.scores.intervals import Estimate

    plain = [v.mean if isinstance(v, Estimate) else v for v in values]
    digits = decimals([float(v) for v in plain if isinstance(v, Real)])
    return [_cell(value, digits) for value in values]


def _cell(value: Any, digits: int) -> str:
    from bench.scores.intervals import Estimate

    if isinstance(value, Estimate):
        return with_interval(value, digits) or NOTHING
    if value is None or isinstance(value, bool):
        return NOTHING if value is None else escape(value)
    if isinstance(value, Integral):
        return f"{int(value):,}"
    if isinstance(value, Real):
        return f"{float(value):.{digits}f}" if math.isfinite(value) else NOTHING
    return escape(value)


def _flat(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows for a CSV file: an estimate becomes its three numbers."""
    from bench.scores.intervals import Estimate

    return [
        {
            name: number
            for key, value in row.items()
            for name, number in (
                columns(key, value) if isinstance(value, Estimate) else {key: value}
            ).items()
        }
        for row in rows
    ]


def _draw(
    draw: Callable[..., None],
    name: str,
    rows: Sequence[Mapping[str, Any]],
    results: Any,
    out: Output,
) -> list[Path]:
    """A figure by one function, in the style of all figures; `$` in a label is a letter."""
    import matplotlib
    import pandas as pd

    from bench.extend.style import panels, paper_style, save_figure

    with paper_style(), matplotlib.rc_context({"text.parse_math": False}):
        figure, (axes,) = panels(1, 1, (6.4, 4.0))
        given = {"axes": axes, "figure": figure, "rows": pd.DataFrame(rows), "results": results}
        wanted = inspect.signature(draw).parameters
        if "axes" not in wanted:
            axes.remove()
        draw(**{argument: given[argument] for argument in wanted})
        return save_figure(figure, out, name)
