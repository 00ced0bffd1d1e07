"""The look of the figures: one style, colours that colour-blind readers tell apart, and a marker a
method."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.output import Output
from bench.store.files import write_bytes
from bench.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    from bench.results.run_folder import Results

DPI = 200
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
"""Filled markers; their number has no common factor with the palette's ten, so pairs repeat only
after 110 methods."""
MEAN: dict[str, Any] = {"linestyle": "", "markeredgecolor": "black", "markersize": 8}
LINE: dict[str, Any] = {"markersize": 4, "linewidth": 1.2}
REMARK: dict[str, Any] = {
    "textcoords": "offset points",
    "ha": "center",
    "va": "top",
    "fontsize": 7,
    "color": "#444444",
}


@contextmanager
def paper_style() -> Iterator[None]:
    """Matplotlib settings of every figure, for the length of a `with` block."""
    import matplotlib
    import seaborn

    settings = {
        **seaborn.axes_style("whitegrid"),
        **seaborn.plotting_context("paper"),
        "font.family": "DejaVu Sans",
        "grid.color": "#e3e3e3",
        "grid.linewidth": 0.6,
        "axes.edgecolor": "#555555",
        "svg.hashsalt": "huebench",  # the same results give the same file
    }
    with matplotlib.rc_context(settings):
        yield


@dataclass(frozen=True)
class Look:
    """How a method is drawn."""

    title: str
    colour: tuple[float, float, float]
    marker: str
    line: str


def looks(
    labels: Sequence[str], controls: Collection[str], results: Sequence[Results]
) -> dict[str, Look]:
    """A look for every label, by the place of its method in the report: the same in every figure,
    whatever else one shows. Lines of controls are dashed."""
    import seaborn

    palette = seaborn.color_palette("colorblind", 10)
    titles = {label: f"{label} (control)" if label in controls else label for label in labels}
    return {
        label: Look(
            titles[label],
            palette[i % 10],
            MARKERS[i % len(MARKERS)],
            "--" if label in controls else "-",
        )
        for label, i in _places(labels, results).items()
    }


def _places(labels: Sequence[str], results: Sequence[Results]) -> dict[str, int]:
    """Where the methods stand that labels begin with; the next free place for a second label of
    one, and for an unknown one."""
    methods = list(
        dict.fromkeys(
            cell["method"] for r in results for cell in r.cells if cell.get("role") != "codec"
        )
    )
    found: dict[str, int] = {}
    for label in labels:
        own = max((m for m in methods if label.startswith(m)), key=len, default="")
        wanted = methods.index(own) if own else len(methods)
        found[label] = (
            wanted
            if wanted not in found.values()
            else max(len(methods), *(i + 1 for i in found.values()))
        )
    return found


def panels(
    count: int, most: int, size: tuple[float, float], **shared: Any
) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels, at most `most` in a row, each of `size` inches."""
    from matplotlib.figure import Figure

    columns = min(most, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    grid = list(figure.subplots(rows, columns, squeeze=False, **shared).flat)
    for axes in grid[count:]:
        axes.remove()
    return figure, grid[:count]


def legend(
    figure: Figure, look: Mapping[str, Look], title: str, columns: int, lines: bool = False
) -> None:
    """Which look is whose, below the panels: markers of means, or `lines`."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D(
            [],
            [],
            marker=s.marker,
            color=s.colour,
            label=plain(s.title),
            **(LINE | {"linestyle": s.line} if lines else MEAN),
        )
        for s in look.values()
    ]
    shown = figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(len(handles), columns),
        frameon=False,
        title=title,
    )
    for text in shown.get_texts():
        unparsed(text)


def plain(text: object, width: int = 60) -> str:
    """Text from outside for a figure: one line, not too long; the middle is left out."""
    line = one_line(text)
    if len(line) <= width:
        return line
    tail = 2 * width // 3  # names of variants differ at their ends
    return f"{line[: width - 1 - tail]}…{line[len(line) - tail :]}"


def unparsed(text: Text) -> None:
    """Show `$` as `$`, where matplotlib would see mathematics."""
    text.set_parse_math(False)


def remark(axes: Axes, text: str) -> None:
    """Small text below a panel."""
    unparsed(axes.annotate(text, (0.5, 0), (0, -4), xycoords=axes.xaxis.label, **REMARK))


def save_figure(figure: Figure, out: Output, name: str) -> list[Path]:
    """`figures/<name>.png` and `.svg`."""
    return [_save(figure, out, name, "png"), _save(figure, out, name, "svg")]


def save_bytes(out: Output, name: str, data: bytes) -> Path:
    """A file in `figures/`."""
    path = out.folder / "figures" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, data)
    return path


def _save(figure: Figure, out: Output, name: str, kind: str) -> Path:
    buffer = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else None  # the same results give the same file
    figure.savefig(
        buffer, format=kind, dpi=DPI, metadata=metadata, bbox_inches="tight", pad_inches=0.1
    )
    return save_bytes(out, f"{name}.{kind}", buffer.getvalue())
