"""The look of the figures: one style, colours that colour-blind readers tell apart, and a marker a method."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.store import write_bytes

from .tables import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

DPI = 200
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
"""Filled markers; their number has no common factor with the palette's ten, so pairs repeat only after 110 methods."""


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


def looks(labels: Sequence[str]) -> tuple[dict[str, tuple[float, float, float]], dict[str, str]]:
    """A colour and a marker for every label, the same in every panel and figure of a report."""
    import seaborn

    palette = seaborn.color_palette("colorblind", 10)
    colours = {label: palette[i % 10] for i, label in enumerate(labels)}
    return colours, {label: MARKERS[i % len(MARKERS)] for i, label in enumerate(labels)}


def plain(text: object, width: int = 60) -> str:
    """Text from outside for a figure: one line, not too long."""
    line = one_line(text)
    return line if len(line) <= width else f"{line[: width - 1]}…"


def unparsed(text: Text) -> None:
    """Show `$` as `$`, where matplotlib would see mathematics."""
    text.set_parse_math(False)


def save_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """`figures/<name>.png` and `.svg`."""
    return [_save(figure, folder, name, "png"), _save(figure, folder, name, "svg")]


def save_bytes(folder: Path, name: str, data: bytes) -> Path:
    """A file in `figures/`."""
    path = folder / "figures" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, data)
    return path


def _save(figure: Figure, folder: Path, name: str, kind: str) -> Path:
    buffer = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else None  # the same results give the same file
    figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata, bbox_inches="tight", pad_inches=0.1)
    return save_bytes(folder, f"{name}.{kind}", buffer.getvalue())
