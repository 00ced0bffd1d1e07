"""Contact sheets: pictures in columns under headers, or in labelled rows, at their own pixels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

    from bench.results.run_folder import Pictures

CELL = 128
"""Side of a picture in pixels."""
GAP, GROUP_GAP, MARGIN = 4, 24, 28
LABEL = 250
"""Width of a labelled row's label."""
TITLE, HEADER, SMALL = 30, 23, 19
"""Font sizes: large, for a wide sheet is shown reduced."""
INK, FADED, RULE = "#111111", "#555555", "#999999"


@dataclass(frozen=True)
class PictureColumns:
    """Neighbouring columns under one header; `columns[c][r]` is the picture `(CELL, CELL, 3)` in
    column c, row r."""

    title: str
    subtitle: str
    columns: Sequence[Sequence[np.ndarray]]

    @property
    def width(self) -> int:
        """In pixels."""
        return len(self.columns) * (CELL + GAP) - GAP


def column_sheet(
    bands: Sequence[Sequence[PictureColumns]], title: str, remarks: Sequence[str]
) -> bytes:
    """Bands of groups, one below the other, as PNG."""
    return _page([_band(groups) for groups in bands], title, remarks)


def row_sheet(
    rows: Sequence[tuple[str, str, Sequence[np.ndarray]]], title: str, remarks: Sequence[str]
) -> bytes:
    """Rows of pictures, each with a title and a subtitle at its left, as PNG."""
    width = LABEL + max(len(pictures) for _, _, pictures in rows) * (CELL + GAP) - GAP
    image, pen = _blank(width, len(rows) * (CELL + GAP) - GAP)
    for r, (name, subtitle, pictures) in enumerate(rows):
        top = r * (CELL + GAP)
        head, below = (
            wrap(name, HEADER, True, LABEL - GROUP_GAP, 3),
            wrap(subtitle, SMALL, False, LABEL - GROUP_GAP, 2),
        )
        height = len(head) * _line(HEADER) + len(below) * _line(SMALL)
        at = _write(pen, head, (0, top + (CELL - height) // 2), HEADER, True)
        _write(pen, below, (0, at), SMALL, False, FADED)
        for c, picture in enumerate(pictures):
            _paste(image, picture, LABEL + c * (CELL + GAP), top)
    return _page([image], title, remarks)


def picture_of(page: Pictures, ab: np.ndarray) -> np.ndarray:
    """A cell's pixels: the lightness reduced to the cell's size first, which is faster than
    reducing the picture."""
    import numpy as np
    from PIL import Image

    from bench.colour import picture

    whole = Image.fromarray(np.ascontiguousarray(page.lightness, dtype=np.float32))
    return picture(np.asarray(whole.resize((CELL, CELL), Image.Resampling.BOX)), ab)


def wrap(text: str, size: int, bold: bool, width: int, limit: int) -> list[str]:
    """Lines no wider than `width` pixels, broken after spaces, commas and brackets, else anywhere;
    at most `limit`."""
    lines = [""]
    for piece in _pieces(text):
        for part in [piece] if _fits(piece, size, bold, width) else list(piece):
            if _fits(lines[-1] + part, size, bold, width) or not lines[-1]:
                lines[-1] += part
            else:
                lines.append(part)
    lines = [line.strip() for line in lines if line.strip()]
    return lines if len(lines) <= limit else [*lines[: limit - 1], lines[limit - 1][:-1] + "…"]


def _pieces(text: str) -> list[str]:
    import re

    return re.findall(r"[^\s,\[]*[\s,\[]?", text)


def _fits(text: str, size: int, bold: bool, width: int) -> bool:
    return _font(size, bold).getlength(text.rstrip()) <= width


@cache
def _font(size: int, bold: bool) -> FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib."""
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def _line(size: int) -> int:
    """Height of a line of text."""
    return round(size * 1.25)


def _blank(width: int, height: int) -> tuple[Image, ImageDraw]:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (width, height), "white")
    return image, ImageDraw.Draw(image)


def _paste(image: Image, picture: np.ndarray, left: int, top: int) -> None:
    from PIL import Image

    image.paste(Image.fromarray(picture), (left, top))


def _write(
    pen: ImageDraw,
    lines: Sequence[str],
    at: tuple[int, int],
    size: int,
    bold: bool,
    ink: str = INK,
    anchor: Literal["la", "ma"] = "la",
) -> int:
    """Write lines (anchor `ma`: centred on `at`); returns where the next line would begin."""
    left, top = at
    for line in lines:
        pen.text((left, top), line, font=_font(size, bold), fill=ink, anchor=anchor)
        top += _line(size)
    return top


def _headers(group: PictureColumns) -> tuple[list[str], list[str]]:
    room = group.width + (GROUP_GAP - 14 if len(group.columns) == 1 else 0)
    return wrap(group.title, HEADER, True, room, 4), wrap(group.subtitle, SMALL, False, room, 3)


def _band(groups: Sequence[PictureColumns]) -> Image:
    headers = [_headers(g) for g in groups]
    header = max(len(t) * _line(HEADER) + len(s) * _line(SMALL) for t, s in headers) + 10
    rows = max(len(g.columns[0]) for g in groups)
    width = sum(g.width for g in groups) + GROUP_GAP * (len(groups) - 1)
    image, pen = _blank(width, header + rows * (CELL + GAP) - GAP)
    left = 0
    for group, (title, subtitle) in zip(groups, headers):
        top = (
            header - 10 - len(title) * _line(HEADER) - len(subtitle) * _line(SMALL)
        )  # headers stand on their rule
        middle = left + group.width // 2
        top = _write(pen, title, (middle, top), HEADER, True, anchor="ma")
        _write(pen, subtitle, (middle, top), SMALL, False, FADED, "ma")
        pen.line([(left, header - 6), (left + group.width - 1, header - 6)], fill=RULE, width=2)
        for c, column in enumerate(group.columns):
            for r, picture in enumerate(column):
                _paste(image, picture, left + c * (CELL + GAP), header + r * (CELL + GAP))
        left += group.width + GROUP_GAP
    return image


def _page(bands: Sequence[Image], title: str, remarks: Sequence[str]) -> bytes:
    """Title, bands and remarks on one page."""
    width = max(band.width for band in bands)
    head = wrap(title, TITLE, True, width, 3)
    foot = [line for remark in remarks for line in wrap(remark, SMALL, False, width, 6)]
    heights = [
        len(head) * _line(TITLE) + GROUP_GAP,
        *(b.height + GROUP_GAP for b in bands),
        len(foot) * _line(SMALL),
    ]
    image, pen = _blank(width + 2 * MARGIN, sum(heights) + 2 * MARGIN)
    top = _write(pen, head, (MARGIN, MARGIN), TITLE, True) + GROUP_GAP
    for band in bands:
        image.paste(band, (MARGIN, top))
        top += band.height + GROUP_GAP
    _write(pen, foot, (MARGIN, top), SMALL, False, FADED)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True, dpi=(200, 200))
    return buffer.getvalue()
