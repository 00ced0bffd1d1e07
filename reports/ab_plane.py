"""The distribution of colours in the ab plane: the truth's, and that of what each method presents."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.hookspecs import hookimpl
from bench.output import Output
from bench.specs import ReportSpec

from .figures.style import panels, paper_style, plain, save_figure, unparsed
from .scores import Entry, gather, shared_images
from .tables import safe_name, write_csv

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    from bench.results.run_folder import Pictures, Results

NAME = "ab-plane"
PHOTOGRAPHS, AT_ONCE = 200, 16
"""Test photographs at most, and how many are read at a time: memory stays flat."""
END, BIN = 110, 4
"""The histogram reaches from -END to END in both directions, in bins of BIN units. Colours beyond
lie in the outermost bins."""
BINS, COARSE = 2 * END // BIN, 5
"""Bins in a direction, and how many of them make a coarse one: colours on a grid, as classifiers
have, leave fine bins empty."""
MOST, COLUMNS = 12, 4
PANEL, AROUND = (2.0, 2.35), (0.9, 0.8)
"""A panel's size in inches, and what the colour bar, the title and the remarks need."""
DECADES = 5.0
"""Densities below the largest that have a colour of their own."""
REGION = 0.95
INK = "mako_r"
"""Seaborn's: perceptually uniform, and darker where there is more, so that white is nothing, in
colour and in grey print."""


@hookimpl
def bench_register_reports() -> Iterable[ReportSpec]:
    """The plot of colours."""
    yield ReportSpec(
        name=NAME,
        summary="the distribution of presented colours in the ab plane, beside the truth's",
        figures={
            NAME: "log density of the colours that are presented; outline: 95 % of the truth's"
        },
        factory="bench.reports.ab_plane:write",
        citation="Hyndman 1996, The American Statistician 50:120, for highest-density regions; "
        "Zhang et al. 2016, arXiv:1603.08511",
    )


def write(results: Sequence[Results], out: Output) -> list[Path]:
    """`figures/ab-plane-<dataset>` as PNG and SVG, and how far each method's colours are from the
    truth's as CSV."""
    found = gather(results, None, ["colourizer", "control"]) if out.draws(NAME) else {}
    planes = [
        plane for dataset, entries in found.items() if (plane := _plane(results, dataset, entries))
    ]
    if not planes:
        return []
    paths: list[Path] = []
    with paper_style():
        for plane in planes:
            paths += save_figure(_figure(plane), out, f"{NAME}-{safe_name(plane.dataset)}")
    return paths + write_csv(out, NAME, [record for plane in planes for record in plane.records()])


class Colours:
    """Colours of photographs, gathered one by one: each photograph weighs the same, and so does
    each of its k fields."""

    def __init__(self) -> None:
        import numpy as np

        self.counts = np.zeros((BINS, BINS))
        self.sums, self.squares = np.zeros(2), np.zeros(2)
        self.photographs = self.fields = 0

    def add(self, fields: np.ndarray) -> None:
        """The fields `(k, 2, h, w)` of a photograph."""
        import numpy as np

        ab = np.moveaxis(fields, 1, 0).reshape(2, -1).astype(np.float64)
        bins = np.clip((ab + END) // BIN, 0, BINS - 1).astype(np.intp)
        self.counts += (
            np.bincount(bins[0] * BINS + bins[1], minlength=BINS**2).reshape(BINS, BINS)
            / ab.shape[1]
        )
        self.sums += ab.mean(1)
        self.squares += (ab**2).mean(1)
        self.photographs += 1
        self.fields = max(self.fields, len(fields))

    @property
    def shares(self) -> np.ndarray:
        """Of each bin `(a, b)`; they sum to 1."""
        return self.counts / self.photographs

    @property
    def density(self) -> np.ndarray:
        """log10 of the share of a unit of the plane, NaN where there is nothing."""
        import numpy as np

        return np.log10(np.where(self.counts > 0, self.shares / BIN**2, np.nan))

    @property
    def mean(self) -> np.ndarray:
        """Of a and b."""
        return self.sums / self.photographs

    @property
    def deviation(self) -> np.ndarray:
        """The standard deviations of a and b."""
        import numpy as np

        return np.sqrt(np.maximum(0, self.squares / self.photographs - self.mean**2))

    def distance(self, other: Colours, coarse: int = 1) -> float:
        """Total variation: the share of colours that would have to move to another bin."""
        size = BINS // coarse
        gaps = (self.shares - other.shares).reshape(size, coarse, size, coarse).sum((1, 3))
        return 0.5 * float(abs(gaps).sum())

    def region(self) -> np.ndarray:
        """Whether a bin belongs to the highest-density region: the fewest bins that hold `REGION`
        of the colours."""
        import numpy as np

        flat = self.shares.ravel()
        order = np.argsort(-flat, kind="stable")
        needed = 1 + int(np.searchsorted(np.cumsum(flat[order]), REGION))
        inside = np.zeros(len(flat), bool)
        inside[order[:needed]] = True
        return inside.reshape(BINS, BINS)


@dataclass(frozen=True)
class Plane:
    """One data set: the truth's colours, and each method's of the same photographs, colourizers
    first."""

    dataset: str
    entries: Sequence[Entry]
    images: int
    truth: Colours
    colours: Mapping[str, Colours]

    @property
    def drawn(self) -> list[Entry]:
        """The entries that have a panel."""
        return [e for e in self.entries if e.label in self.colours][: MOST - 1]

    def records(self) -> Iterator[dict[str, Any]]:
        """The truth's numbers, and every method's."""
        yield self._record("truth", "truth", self.truth)
        for entry in self.entries:
            if entry.label in self.colours:
                yield self._record(entry.label, entry.role, self.colours[entry.label])

    def remarks(self) -> list[str]:
        """What the panels show, and whom they don't."""
        few, of = self.truth.photographs, self.images
        which = f"the first {few:,} of {of:,}" if few < of else f"all {few:,}"
        shown = {e.label for e in self.drawn}
        more = [
            plain(e.label) for e in self.entries if e.label in self.colours and e.label not in shown
        ]
        lost = [
            f"{plain(e.label)} ({_reason(e)})" for e in self.entries if e.label not in self.colours
        ]
        said = [
            f"colours as presented, {which} test photographs; outline: the fewest bins with "
            f"{100 * REGION:g} % of the truth",
            f"TV: total variation to the truth in bins of {BIN} units, always large for colours on "
            "a coarser grid",
        ]
        said += [f"no panel, but in the table: {', '.join(more)}"] if more else []
        return said + ([f"not shown: {', '.join(lost)}"] if lost else [])

    def _record(self, label: str, role: str, colours: Colours) -> dict[str, Any]:
        (mean_a, mean_b), (sd_a, sd_b) = colours.mean, colours.deviation
        return {
            "dataset": self.dataset,
            "method": label,
            "role": role,
            "photographs": colours.photographs,
            "fields": colours.fields,
            "tv": colours.distance(self.truth),
            "tv_coarse": colours.distance(self.truth, COARSE),
            "mean_a": mean_a,
            "mean_b": mean_b,
            "sd_a": sd_a,
            "sd_b": sd_b,
        }


def _reason(entry: Entry) -> str:
    return entry.failures[0].status if entry.failures else "no samples"


def _plane(results: Sequence[Results], dataset: str, entries: Sequence[Entry]) -> Plane | None:
    """The colours of the first photographs that all runs with pictures of this data set share."""
    pictured = [
        e for e in sorted(entries, key=lambda e: e.control) if _has_pictures(results[e.run], e)
    ]
    runs = sorted({e.run for e in pictured})
    images = shared_images(results, runs, dataset)
    if not images:
        return None
    truth, colours = Colours(), {e.label: Colours() for e in pictured}
    for run in runs:
        mine = [e for e in pictured if e.run == run]
        for page in _pages(results[run], dataset, images[:PHOTOGRAPHS]):
            for entry in mine:
                colours[entry.label].add(page.colourizations[entry.method])
            if run == runs[0]:
                truth.add(page.truth[None])
    return Plane(dataset, sorted(entries, key=lambda e: e.control), len(images), truth, colours)


def _has_pictures(run: Results, entry: Entry) -> bool:
    wanted = (entry.dataset, entry.method, "done")
    return any((c["dataset"], c["method"], c["status"]) == wanted for c in run.cells)


def _pages(run: Results, dataset: str, images: Sequence[str]) -> Iterator[Pictures]:
    for start in range(0, len(images), AT_ONCE):
        yield from run.pictures(dataset, images[start : start + AT_ONCE])


def _figure(plane: Plane) -> Figure:
    import seaborn  # noqa: F401  (it brings the colour map)
    from matplotlib.cm import ScalarMappable

    titled = [
        ("truth", plane.truth),
        *((_title(e, plane), plane.colours[e.label]) for e in plane.drawn),
    ]
    figure, grid = panels(len(titled), COLUMNS, PANEL, sharex=True, sharey=True)
    figure.set_size_inches(*(figure.get_size_inches() + AROUND))
    scale, region = _scale([c for _, c in titled]), plane.truth.region()
    for axes, (title, colours) in zip(grid, titled):
        _panel(axes, colours, scale, region)
        unparsed(axes.set_title(title, fontsize=8))
    for i, axes in enumerate(grid):
        axes.set_ylabel("b" if i % COLUMNS == 0 else "")
        axes.set_xlabel("a" if i + COLUMNS >= len(grid) else "")
        axes.tick_params(labelbottom=i + COLUMNS >= len(grid))
    bar = figure.colorbar(
        ScalarMappable(scale, INK),
        ax=grid,
        fraction=0.03,
        aspect=15 * -(-len(grid) // COLUMNS),
        extend="min",
    )
    bar.set_label("log10 density of colours", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    unparsed(figure.suptitle(plain(plane.dataset, 40), fontsize=10, fontweight="bold"))
    width = 37 * min(COLUMNS, len(grid))
    remarks = [line for text in plane.remarks() for line in textwrap.wrap(text, width)]
    unparsed(figure.supxlabel("\n".join(remarks), fontsize=7, color="#444444"))
    return figure


def _title(entry: Entry, plane: Plane) -> str:
    """The name, broken between parameters if it is long, and the distance."""
    names = [
        line.replace(", ", ",")
        for line in textwrap.wrap(plain(entry.label, 56).replace(",", ", "), 30)
    ]
    distance = plane.colours[entry.label].distance(plane.truth)
    return "\n".join([*names, f"{'control, ' if entry.control else ''}TV {distance:.2f}"])


def _scale(shown: Sequence[Colours]) -> Normalize:
    """Colours from the largest density in any panel down to the smallest, but not too far."""
    import numpy as np
    from matplotlib.colors import Normalize

    found = [c.density for c in shown]
    low, high = float(np.nanmin(found)), float(np.nanmax(found))
    return Normalize(max(low, high - DECADES) if low < high else high - 1, high)


def _panel(axes: Axes, colours: Colours, scale: Normalize, region: np.ndarray) -> None:
    """A density under the axes of the plane and the truth's outline."""
    axes.imshow(
        colours.density.T,
        extent=(-END, END, -END, END),
        origin="lower",
        cmap=INK,
        norm=scale,
        interpolation="nearest",
        zorder=1,
    )
    axes.axhline(0, color="#777777", linewidth=0.5, zorder=2)
    axes.axvline(0, color="#777777", linewidth=0.5, zorder=2)
    _outline(axes, region)
    axes.set(
        xlim=(-END, END),
        ylim=(-END, END),
        xticks=[-100, 0, 100],
        yticks=[-100, 0, 100],
        aspect="equal",
    )
    axes.tick_params(labelsize=7)
    axes.grid(False)


def _outline(axes: Axes, region: np.ndarray) -> None:
    """Along the bins' edges: each bin is cut into small squares, so that the contour hardly rounds
    its corners."""
    import numpy as np

    fine = 8
    places = (np.arange(BINS * fine) + 0.5) * BIN / fine - END
    inside = np.kron(region, np.ones((fine, fine))).T
    for colour, width in (("white", 1.6), ("black", 0.7)):
        axes.contour(
            places, places, inside, levels=[0.5], colors=colour, linewidths=width, zorder=3
        )
