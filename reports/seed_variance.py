"""What another training would change: every seed's mean score, and the mean's uncertainty in two
parts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.hookspecs import hookimpl
from bench.output import Output
from bench.specs import ReportSpec

from .figures.style import Look, looks, panels, paper_style, plain, remark, save_figure, unparsed
from .ranking import ENERGY
from .scores import Entry, gather
from .tables import write_csv

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bench.results.run_folder import Results
    from bench.scores.intervals import SeedSplit

NAME = "seed-variance"
WIDTH, ROW, REMARK, AROUND = 5.2, 0.36, 0.12, 1.2
"""Inches: of a panel with its labels, of a method's row, of a remark's line, and around the rows."""
SEEDS, MEAN = -0.17, 0.17
"""Where seeds and the mean lie in a method's row; down is positive."""
UNKNOWN = "one training seed: not known what another would change"


@hookimpl
def bench_register_reports() -> Iterable[ReportSpec]:
    """The plot of training seeds."""
    yield ReportSpec(
        name=NAME,
        summary="the fair energy score of every training seed, and how much of its uncertainty is "
        "training",
        figures={
            NAME: "a point a training; thick: 95 % over photographs, thin: over trainings, too"
        },
        factory="bench.reports.seed_variance:write",
        citation="Bouthillier et al. 2021, arXiv:2103.03098; Banerjee 1960, Sankhya 22:357",
    )


def write(results: Sequence[Results], out: Output) -> list[Path]:
    """`figures/seed-variance` as PNG and SVG and its numbers as CSV, of data sets where a method
    has two seeds or more."""
    found = gather(results, None, ["colourizer", "control"], draws=True) if out.draws(NAME) else {}
    fields = [Field(dataset, entries, _trained(entries)) for dataset, entries in found.items()]
    fields = [f for f in fields if any(t.split.seeds > 1 for t in f.trained)]
    if not fields:
        return []
    with paper_style():
        paths = save_figure(_figure(fields, results), out, NAME)
    return paths + write_csv(out, NAME, [_record(t) for field in fields for t in field.trained])


@dataclass(frozen=True)
class Trained:
    """A method with its score in every seed, over the photographs that all its seeds have; `lost`:
    the others' number."""

    entry: Entry
    means: Mapping[str, float]
    split: SeedSplit
    lost: int

    @property
    def photographs(self) -> tuple[float, float]:
        """The 95 % interval for photographs alone: the trainings taken as given."""
        from scipy.special import stdtrit

        from bench.scores.intervals import LEVEL

        mean = self.split.mean
        half = float(stdtrit(mean.n - 1, (1 + LEVEL) / 2)) * self.split.image_error
        return mean.mean - half, mean.mean + half

    @property
    def both(self) -> tuple[float, float]:
        """The 95 % interval for photographs and trainings: not known of one training."""
        mean = self.split.mean
        return (mean.low, mean.high) if self.split.seeds > 1 else (float("nan"), float("nan"))


@dataclass(frozen=True)
class Field:
    """One data set: all its entries, and those that have a score, colourizers first."""

    dataset: str
    entries: Sequence[Entry]
    trained: Sequence[Trained]

    def remarks(self) -> str:
        """One seed, failed seeds, photographs without a value, and methods without a score."""
        shown = {t.entry.label for t in self.trained}
        named = {plain(t.entry.label): t for t in self.trained}
        said = {
            "hollow": [UNKNOWN] if any(t.split.seeds == 1 for t in self.trained) else [],
            "seeds not shown": [
                f"{name} {seeds}" for name, t in named.items() if (seeds := _failed_seeds(t.entry))
            ],
            "photographs left out, without a value in some seed": [
                f"{name} {t.lost}" for name, t in named.items() if t.lost
            ],
            "not shown": [
                f"{plain(e.label)} ({_reason(e)})" for e in self.entries if e.label not in shown
            ],
        }
        lines = [f"{what}: {', '.join(which)}" for what, which in said.items() if which]
        return "\n".join(line for text in lines for line in textwrap.wrap(text, 78))


def _trained(entries: Sequence[Entry]) -> list[Trained]:
    found = [t for e in sorted(entries, key=lambda e: e.control) if (t := _of(e))]
    return [t for t in found if t.split.mean.n]


def _of(entry: Entry) -> Trained | None:
    import pandas as pd

    from bench.scores.intervals import seed_split

    seeds = entry.scores.by_seed(ENERGY)
    if not seeds:
        return None
    table = pd.DataFrame(seeds)
    whole = table.dropna()
    means = {str(seed): float(mean) for seed, mean in whole.mean().items()}
    return Trained(entry, means, seed_split(whole.to_numpy(float).T), len(table) - len(whole))


def _reason(entry: Entry) -> str:
    failed = entry.failed(ENERGY.metric)
    return (
        failed[0].status
        if failed
        else "no value in all seeds"
        if entry.scores.has(ENERGY.metric)
        else "not measured"
    )


def _failed_seeds(entry: Entry) -> str:
    """`2 (failed), 3 (refused)`: of a method with other seeds that have a score."""
    failed = {f.seed: f.status for f in entry.failed(ENERGY.metric) if f.seed}
    return ", ".join(f"{seed} ({status})" for seed, status in failed.items())


def _record(trained: Trained) -> dict[str, Any]:
    split, entry = trained.split, trained.entry
    (low, high), (image_low, image_high) = trained.both, trained.photographs
    return {
        "dataset": entry.dataset,
        "method": entry.label,
        "role": entry.role,
        "metric": ENERGY.metric,
        "variant": ENERGY.variant,
        "mean": split.mean.mean,
        "low": low,
        "high": high,
        "low_photographs": image_low,
        "high_photographs": image_high,
        "seed_variance": split.seed_variance,
        "image_variance": split.image_variance,
        "rest_variance": split.rest_variance,
        "seed_error": split.seed_error,
        "image_error": split.image_error,
        "seeds": split.seeds,
        "images": split.mean.n,
    }


def _figure(fields: Sequence[Field], results: Sequence[Results]) -> Figure:
    height = max(ROW * len(f.trained) + REMARK * len(f.remarks().splitlines()) for f in fields)
    figure, grid = panels(len(fields), 2, (WIDTH, AROUND + height))
    trained = [t for f in fields for t in f.trained]
    labels = list(dict.fromkeys(t.entry.label for t in trained))
    look = looks(labels, {t.entry.label for t in trained if t.entry.control}, results)
    for axes, field in zip(grid, fields):
        _panel(axes, field, look)
    _legend(figure, len(fields))
    return figure


def _panel(axes: Axes, field: Field, look: Mapping[str, Look]) -> None:
    """A row a method, from the top."""
    from matplotlib.ticker import MaxNLocator

    for row, trained in enumerate(field.trained):
        _row(axes, row, trained, look[trained.entry.label])
    colourizers = sum(not t.entry.control for t in field.trained)
    if 0 < colourizers < len(field.trained):
        axes.axhline(colourizers - 0.5, color="#555555", linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(field.trained)), [_name(t.entry) for t in field.trained], fontsize=8)
    for text in axes.get_yticklabels():
        unparsed(text)
    axes.set_ylim(len(field.trained) - 0.4, -0.6)
    axes.margins(x=0.05)
    axes.grid(False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel("fair energy score (less is better)")
    unparsed(axes.set_title(plain(field.dataset, 40), fontweight="bold"))
    remark(axes, field.remarks())


def _row(axes: Axes, row: int, trained: Trained, style: Look) -> None:
    """Seeds as small points; the mean below them, thick for photographs alone, thin for trainings
    too."""
    split, colour = trained.split, style.colour
    face = colour if split.seeds > 1 else "white"
    seeds = list(trained.means.values())
    axes.plot(
        seeds,
        [row + SEEDS] * len(seeds),
        color="black",
        marker="o",
        markersize=3.2,
        markerfacecolor=face,
        markeredgewidth=0.7,
        linestyle="",
    )
    at = [row + MEAN] * 2
    axes.plot(trained.both, at, color="black", linewidth=0.9, marker="|", markersize=5, zorder=2)
    axes.plot(trained.photographs, at, color=colour, linewidth=3.2, solid_capstyle="butt", zorder=3)
    axes.plot(
        [split.mean.mean],
        at[:1],
        color=colour,
        marker=style.marker,
        markersize=6.5,
        markerfacecolor=face,
        markeredgecolor="black",
        markeredgewidth=0.8,
        linestyle="",
        zorder=4,
    )


def _name(entry: Entry) -> str:
    return plain(entry.label, 40) + (" (control)" if entry.control else "")


def _legend(figure: Figure, columns: int) -> None:
    from matplotlib.lines import Line2D

    grey = "#888888"
    edge: dict[str, Any] = {"linestyle": "", "markeredgecolor": "black", "markerfacecolor": grey}
    handles = [
        Line2D(
            [],
            [],
            marker="o",
            markersize=3.2,
            markeredgewidth=0.7,
            label="a training seed: mean over photographs",
            **edge,
        ),
        Line2D(
            [], [], marker="D", markersize=6, markeredgewidth=0.8, label="mean over seeds", **edge
        ),
        Line2D([], [], color=grey, linewidth=3.2, label="95 % interval, photographs alone"),
        Line2D(
            [],
            [],
            color="black",
            linewidth=0.9,
            marker="|",
            label="95 % interval, photographs and trainings",
        ),
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(4, 2 * columns),
        frameon=False,
        fontsize=8,
    )
