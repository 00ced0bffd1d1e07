"""The gallery of the page: one strip of pictures a test photograph, and what is known of every
photograph."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.extend.tables import safe_name
from bench.store.files import write_bytes
from bench.text import visible

from ..headlines import headlines
from ..scores import CLAIM, Entry, gather, shared_images

if TYPE_CHECKING:
    import numpy as np

    from bench.results.run_folder import Pictures, Results

SIDES = (192, 128, 96, 80, 64)
"""Sides of a picture in pixels; the largest with which all strips fit into `BUDGET`."""
BUDGET, QUALITY = 48e6, 70
"""Bytes of all strips of a page; JPEG quality."""
PROBES = 8
"""Photographs of a data set that tell how many bytes its strips will have: detail and speckle make
a factor of two."""
MOST = 20
"""Colourizations of one method that are shown."""
WIDEST = 65_500
"""Pixels: no JPEG is wider."""
PHOTOGRAPHS = 2_000
"""Test photographs of a data set that are shown: the first of them, which the split has put in
random order."""
CHUNK = 16
"""Photographs that are read at a time: a shard, so that memory stays flat."""
ROLES = ("colourizer", "codec", "control")


@dataclass(frozen=True)
class Wall:
    """A data set's photographs, and the entries that have pictures of all of them, by their run."""

    dataset: str
    images: Sequence[str]
    entries: Sequence[Entry]
    results: Sequence[Results]

    def pictures(self, images: Sequence[str]) -> list[tuple[Pictures, Mapping[str, np.ndarray]]]:
        """Some photographs, and label -> fields `(k, 2, 64, 64)`."""
        runs = {
            run: self.results[run].pictures(self.dataset, images)
            for run in sorted({e.run for e in self.entries})
        }
        pages = next(iter(runs.values()))
        return [
            (page, {e.label: self._fields(runs[e.run][i], e) for e in self.entries})
            for i, page in enumerate(pages)
        ]

    def shown(self, entry: Entry) -> int:
        """How many colourizations of an entry are shown."""
        return min(entry.k, MOST)

    @property
    def tiles(self) -> int:
        """Pictures in a strip: grey, all colourizations, truth."""
        return 2 + sum(self.shown(e) for e in self.entries)

    def _fields(self, page: Pictures, entry: Entry) -> np.ndarray:
        fields = page.colourizations[entry.method]
        if len(fields) != entry.k:
            raise BenchError(
                f"{entry.method} presents {len(fields)} fields of {page.image}, and {entry.k} of "
                "others: no gallery"
            )
        return fields[:MOST]


def walls(results: Sequence[Results]) -> list[Wall]:
    """One a data set: the first `PHOTOGRAPHS` that all runs share, in the split's random order."""
    found = []
    for dataset, entries in gather(results, None, ROLES).items():
        measured = [e for e in entries if e.measured]
        if measured:
            images = shared_images(results, sorted({e.run for e in measured}), dataset)
            found.append(
                Wall(
                    dataset,
                    images[:PHOTOGRAPHS],
                    sorted(measured, key=lambda e: ROLES.index(e.role)),
                    results,
                )
            )
    return found


def hang(found: Sequence[Wall], folder: Path) -> tuple[list[dict[str, Any]], list[Path]]:
    """Write all strips under `folder`; returns what the page's script needs to know of each wall,
    and the files."""
    side = picture_side(found)
    described, paths = [], []
    for wall in found:
        name = safe_name(wall.dataset)
        (folder / name).mkdir(parents=True, exist_ok=True)
        disagreements = [d for some in _strips(wall, folder / name, side) for d in some]
        described.append(describe(wall, f"{folder.name}/{name}", side, disagreements))
        paths += [folder / name / strip_name(i) for i in range(len(wall.images))]
    return described, paths


def describe(wall: Wall, folder: str, side: int, disagreements: Sequence[float]) -> dict[str, Any]:
    """A wall as JSON: its methods, its photographs, and one value a photograph of every measure and
    method."""
    methods, start = [], 1
    for entry in wall.entries:
        methods.append(
            {
                "label": visible(entry.label),
                "role": entry.role,
                "kind": entry.kind,
                "start": start,
                "count": wall.shown(entry),
                "of": entry.k,
            }
        )
        start += wall.shown(entry)
    return {
        "dataset": visible(wall.dataset),
        "folder": folder,
        "side": side,
        "tiles": wall.tiles,
        "methods": methods,
        "images": list(map(visible, wall.images)),
        "measures": _measures(wall),
        "disagreement": [_number(d) for d in disagreements],
    }


def picture_side(found: Sequence[Wall]) -> int:
    """The largest side of a picture with which the strips will fit into `BUDGET`, by a few that are
    tried; else the least."""
    probes = [
        (w, w.pictures(list(w.images[:: max(1, len(w.images) // PROBES)][:PROBES])))
        for w in found
        if w.images
    ]

    def size(side: int) -> float:
        return sum(
            len(w.images) * sum(len(_strip(*page, side)) for page in pages) / len(pages)
            for w, pages in probes
        )

    tiles = max((w.tiles for w in found), default=0)
    return next(
        (s for s in SIDES if s * tiles <= WIDEST and size(s) <= BUDGET),
        min(SIDES[-1], WIDEST // max(1, tiles)),
    )


def strip_name(position: int) -> str:
    """File of the strip of the photograph at a position."""
    return f"{position:05}.jpg"


def _strips(wall: Wall, folder: Path, side: int) -> Iterator[list[float]]:
    from bench.scores.scoring import in_threads

    def work(number: int) -> list[float]:
        start = number * CHUNK
        pages = wall.pictures(wall.images[start : start + CHUNK])
        for offset, (page, fields) in enumerate(pages):
            write_bytes(folder / strip_name(start + offset), _strip(page, fields, side))
        rivals = {e.label for e in wall.entries if e.role == "colourizer"}
        return [
            disagreement([f for label, f in fields.items() if label in rivals])
            for _, fields in pages
        ]

    yield from in_threads(work, -(-len(wall.images) // CHUNK))


def _strip(page: Pictures, fields: Mapping[str, np.ndarray], side: int) -> bytes:
    """Grey, every method's colourizations, truth, side by side."""
    import numpy as np
    from PIL import Image

    from bench.colour import pictures

    whole = Image.fromarray(np.ascontiguousarray(page.lightness, dtype=np.float32))
    light = np.asarray(whole.resize((side, side), Image.Resampling.BOX))
    row = pictures(
        light, np.concatenate([0 * page.truth[None], *fields.values(), page.truth[None]])
    )
    buffer = io.BytesIO()
    strip = Image.fromarray(np.ascontiguousarray(row.transpose(1, 0, 2, 3).reshape(side, -1, 3)))
    strip.save(
        buffer, "JPEG", quality=QUALITY, subsampling=0
    )  # fields have few enough pixels: halving them would hide speckle
    return buffer.getvalue()


def disagreement(fields: Sequence[np.ndarray]) -> float:
    """Mean over pairs of methods of the root-mean-square ab distance between their mean fields, in
    CIELAB units."""
    from itertools import combinations

    means = [f.mean(0) for f in fields]
    gaps = [float(((a - b) ** 2).sum(0).mean()) ** 0.5 for a, b in combinations(means, 2)]
    return sum(gaps) / len(gaps) if gaps else float("nan")


def _measures(wall: Wall) -> list[dict[str, Any]]:
    found = []
    for draws in (True, False):
        gathered = gather(wall.results, None, ROLES, draws=draws).get(wall.dataset, [])
        entries = {e.label.removesuffix(CLAIM): e for e in gathered}
        known = [entries[e.label] for e in wall.entries if e.label in entries]
        for line in headlines(known, sets=False):
            columns = {
                e.label.removesuffix(CLAIM): e.values(line.measure)
                for e in known
                if e.scores.count(line.measure)
            }
            values = {
                visible(label): [_number(v) for v in column.reindex(list(wall.images))]
                for label, column in columns.items()
            }
            found.append(
                {
                    "title": f"{line.measure.metric}, {'draws' if draws else 'presented'}",
                    "direction": line.direction,
                    "unit": line.unit,
                    "variant": line.measure.variant,
                    "summary": line.summary,
                    "values": values,
                }
            )
    return found


def _number(value: float) -> float | None:
    """Four digits: none is lost that could be seen. What is left of 0 by rounding is 0."""
    return float(f"{round(value, 12):.4g}") if value == value else None
