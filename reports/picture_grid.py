"""Figure 4: what every method made of some test photographs; Figure 3: what every codec
reconstructed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.extend.style import plain, save_bytes
from bench.extend.tables import safe_name
from bench.hookspecs import hookimpl
from bench.output import Output
from bench.specs import ReportSpec

from .figures.contact_sheet import PictureColumns, column_sheet, picture_of, row_sheet
from .scores import Entry, gather, shared_images

if TYPE_CHECKING:
    import numpy as np

    from bench.results.run_folder import Pictures, Results

KINDS = {
    "iid": "draws",
    "modes": "modes",
    "centroids": "cluster centres",
    "point": "point estimate",
}
LOSSES = {"l2": "L2 loss", "mah": "Mah loss", "full": "Mah + Colour + Grad"}
MOST = 10
"""Colourizations of one method that are shown."""
BAND = 15
"""Colourizations side by side; more go into further bands, so that a reduced sheet can still be
read."""


@hookimpl
def bench_register_reports() -> Iterable[ReportSpec]:
    """The grids of Figures 3 and 4."""
    yield ReportSpec(
        name="picture-grid",
        summary="Figures 3, 4 and 6 to 8 of the paper: grey, every method's colourizations, truth; "
        "and reconstructions",
        factory="bench.reports.picture_grid:write",
        figures={
            "pictures": "grey, what each method presents, truth; photographs in random order "
            "unless they were chosen",
            "reconstructions": "what each codec, which sees the truth, makes of it",
        },
        citation="Deshpande et al. 2017, arXiv:1612.01958, Figures 3, 4 and 6 to 8",
    )


def write(results: Sequence[Results], out: Output) -> list[Path]:
    """`figures/pictures-<dataset>.png` and `figures/reconstructions-<dataset>.png` of the chosen or
    the first test photographs."""
    wanted = {name: draw for name, draw in SHEETS.items() if out.draws(name)}
    found = gather(results, None, ["colourizer", "control", "codec"]) if wanted else {}
    albums = [_album(results, dataset, entries, out) for dataset, entries in found.items()]
    paths = []
    for album in (a for a in albums if a.pages):
        for name, draw in wanted.items():
            if sheet := draw(album):
                paths.append(save_bytes(out, f"{name}-{safe_name(album.dataset)}.png", sheet))
    return paths


@dataclass(frozen=True)
class Album:
    """Photographs of a data set, and each method's fields for them: `(k, 2, 64, 64)` a photograph.

    images: ids of all test photographs that the runs share. pages: those that are shown; chosen: by
    hand.
    """

    dataset: str
    protocol: str
    images: Sequence[str]
    chosen: bool
    pages: Sequence[Pictures]
    entries: Sequence[Entry]
    fields: Mapping[str, Sequence[np.ndarray]]

    def shown(self, *roles: str) -> list[Entry]:
        """Entries that have pictures, controls last."""
        chosen = [e for e in self.entries if e.role in roles and e.label in self.fields]
        return sorted(chosen, key=lambda e: e.role == "control")

    def remarks(self, *roles: str) -> list[str]:
        """What the sheet shows, and which methods it can't."""
        absent = [e for e in self.entries if e.role in roles and e.label not in self.fields]
        reasons = [
            f"{plain(e.label)} ({e.failures[0].status if e.failures else 'no samples'})"
            for e in absent
        ]
        shown, of = len(self.pages), f"of {len(self.images):,} test photographs"
        which = (
            f"{shown} {of}, chosen by hand"
            if self.chosen
            else f"The first {shown} {of} in random order, not chosen by hand"
        )
        several = any(len(e.seeds) > 1 for e in self.entries)
        which += "; pictures are of the first training of each method" if several else ""
        return [
            f"{which}. Protocol {self.protocol}.",
            *([f"Not shown: {', '.join(reasons)}."] if reasons else []),
        ]


def _album(
    results: Sequence[Results], dataset: str, entries: Sequence[Entry], out: Output
) -> Album:
    """Photographs that every run with pictures of the data set has: the chosen ones, else the first
    in the split's order."""
    runs = sorted({e.run for e in entries if e.measured})
    images = shared_images(results, runs, dataset)
    shown = [name for name in out.images if name in images] if out.images else images[: out.count]
    found = {run: results[run].pictures(dataset, shown) for run in runs if shown}
    fields = {
        e.label: [page.colourizations[e.method] for page in found[e.run]]
        for e in entries
        if e.measured
        and e.run in found
        and all(e.method in page.colourizations for page in found[e.run])
    }
    pages = found[runs[0]] if found else []
    return Album(
        dataset,
        str(results[0].manifest.protocol["name"]),
        images,
        bool(out.images),
        pages,
        entries,
        fields,
    )


def _colourizations(album: Album) -> bytes | None:
    shown = album.shown("colourizer", "control")
    if not shown:
        return None
    grey = PictureColumns("Grey", "", [[picture_of(p, p.truth * 0) for p in album.pages]])
    truth = PictureColumns("Truth", "", [[picture_of(p, p.truth) for p in album.pages]])
    groups = [_group(album, entry) for entry in shown]
    bands = [[grey, *band, truth] for band in in_bands(groups)]
    title = f"{plain(album.dataset)}: diverse colourizations"
    return column_sheet(bands, title, album.remarks("colourizer", "control"))


def _group(album: Album, entry: Entry) -> PictureColumns:
    fields = album.fields[entry.label]
    k = len(fields[0])
    columns = [
        [picture_of(p, f[c]) for p, f in zip(album.pages, fields)] for c in range(min(k, MOST))
    ]
    kind = KINDS.get(entry.kind, entry.kind)
    subtitle = kind if k == 1 else f"{k} {kind}" + (f", {MOST} shown" if k > MOST else "")
    return PictureColumns(
        plain(entry.label), subtitle + (", control" if entry.role == "control" else ""), columns
    )


def in_bands(groups: Sequence[PictureColumns]) -> list[list[PictureColumns]]:
    """As few bands as hold at most `BAND` colourizations each, and about equally wide."""
    total = sum(len(g.columns) for g in groups)
    target = total / -(-total // BAND)
    bands: list[list[PictureColumns]] = [[]]
    for group in groups:
        filled = sum(len(g.columns) for g in bands[-1])
        if bands[-1] and (
            filled + len(group.columns) > BAND or filled + len(group.columns) / 2 > target
        ):
            bands.append([])
        bands[-1].append(group)
    return bands


def _reconstructions(album: Album) -> bytes | None:
    shown = album.shown("codec")
    if not shown:
        return None
    rows = [
        (*_names(e), [picture_of(p, f[0]) for p, f in zip(album.pages, album.fields[e.label])])
        for e in shown
    ]
    rows.append(("Truth", "", [picture_of(p, p.truth) for p in album.pages]))
    title = f"{plain(album.dataset)}: reconstructions by codecs that see the truth"
    return row_sheet(rows, title, album.remarks("codec"))


def _names(entry: Entry) -> tuple[str, str]:
    """A row's title and subtitle."""
    loss = LOSSES.get(str(entry.parameters.get("loss")))
    return (loss, plain(entry.label)) if loss else (plain(entry.label), "")


SHEETS: Mapping[str, Callable[[Album], bytes | None]] = {
    "pictures": _colourizations,
    "reconstructions": _reconstructions,
}
"""The figures, by name."""
