"""The photographs that changed most between two runs, and their contact sheets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.extend.style import plain, save_bytes
from bench.extend.tables import safe_name
from bench.machine import places
from bench.output import Output

from .contact_sheet import PictureColumns, column_sheet, picture_of

if TYPE_CHECKING:
    import numpy as np

    from bench.results.compare import Comparison, SeriesPair
    from bench.results.run_folder import Pictures

CHANGES = (
    ("draws", "fair-energy-score", "field"),
    ("present", "error-of-best", "sum"),
    ("reconstruct", "absolute-error", "sum"),
)
"""By which value photographs changed most: ask, metric and variant; the first that a method has."""
SHOWN = 5
"""Colourizations of a run side by side in a sheet."""


@dataclass(frozen=True)
class Changed:
    """The photographs of one method that changed most: ids with A's and B's value."""

    row: SeriesPair
    images: Sequence[tuple[str, float, float]]


@dataclass(frozen=True)
class ChangedSheet:
    """What changed most on one data set; the contact sheet, or why there is none."""

    dataset: str
    changes: Sequence[Changed]
    path: Path | None
    reason: str


def changes(comparison: Comparison, count: int) -> dict[str, list[Changed]]:
    """Data set -> what changed most of each method."""
    found: dict[str, list[Changed]] = {}
    for (dataset, _), rows in grouped(comparison.rows).items():
        whole = {
            (r.fact.ask, r.fact.metric, r.fact.variant): r for r in rows if r.fact.region == "all"
        }
        row = next((whole[key] for key in CHANGES if key in whole), None)
        if row is not None and count:
            found.setdefault(dataset, []).append(Changed(row, row.changed(count)))
    return found


def grouped(rows: Iterable[SeriesPair]) -> dict[tuple[str, str], list[SeriesPair]]:
    """Rows by data set and method, in their order."""
    found: dict[tuple[str, str], list[SeriesPair]] = {}
    for row in rows:
        found.setdefault((row.fact.dataset, row.fact.method), []).append(row)
    return found


def draw(
    comparison: Comparison, dataset: str, changes: Sequence[Changed], out: Output
) -> ChangedSheet:
    """The contact sheet of a data set: a band a method, a row a photograph. Samples that are gone
    don't stop the tables."""
    images = list(dict.fromkeys(image for change in changes for image, _, _ in change.images))
    if not images:
        return ChangedSheet(dataset, changes, None, "")
    try:
        pages = [dict(zip(images, run.pictures(dataset, images))) for run in comparison.runs]
    except (BenchError, OSError) as error:
        return ChangedSheet(dataset, changes, None, places.text(str(error)))
    some = [change for change in changes if change.images]
    remarks = [
        "The photographs that changed most, chosen by that; the first training seed.",
        *(
            f"{plain(c.row.fact.method)}, from above: "
            f"{', '.join(plain(image) for image, _, _ in c.images)}"
            for c in some
        ),
    ]
    title = f"{plain(dataset)}: A and B where they differ most"
    sheet = column_sheet([_band(change, pages) for change in some], title, remarks)
    return ChangedSheet(
        dataset, changes, save_bytes(out, f"changed-{safe_name(dataset)}.png", sheet), ""
    )


def _band(change: Changed, pages: Sequence[Mapping[str, Pictures]]) -> list[PictureColumns]:
    images = [image for image, _, _ in change.images]
    first = [pages[0][image] for image in images]
    grey = PictureColumns("Grey", "", [[picture_of(p, p.truth * 0) for p in first]])
    truth = PictureColumns("Truth", "", [[picture_of(p, p.truth) for p in first]])
    sides = [
        _group(change, name, [some[image] for image in images]) for name, some in zip("AB", pages)
    ]
    return [grey, *(side for side in sides if side), truth]


def _group(change: Changed, name: str, pages: Sequence[Pictures]) -> PictureColumns | None:
    """What one run presented, if its samples are there."""
    method = change.row.fact.method
    if not all(method in page.colourizations for page in pages):
        return None
    fields: Sequence[np.ndarray] = [page.colourizations[method] for page in pages]
    k = len(fields[0])
    columns = [
        [picture_of(page, field[c]) for page, field in zip(pages, fields)]
        for c in range(min(k, SHOWN))
    ]
    return PictureColumns(
        f"{name}: {plain(method)}", f"{SHOWN} of {k} shown" if k > SHOWN else "", columns
    )
