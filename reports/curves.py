"""Figures of draws: error-of-best against their number, rank histograms, and spread against skill."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.hookspecs import hookimpl
from bench.output import Output
from bench.results.series import Measure
from bench.specs import ReportSpec

from .figures.style import (
    LINE,
    Look,
    legend,
    looks,
    panels,
    paper_style,
    plain,
    remark,
    save_figure,
    unparsed,
)
from .scores import Entry, gather
from .tables import safe_name, write_csv

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

    from bench.results.run_folder import Results
    from bench.scores.intervals import Estimate

Entries = Mapping[str, Sequence[Entry]]

CURVE, HISTOGRAM, SPREAD = "error-of-best-curve", "rank-histogram", "spread-skill"
PANEL, SMALL = (4.2, 3.8), (2.3, 1.9)
"""A panel's size in inches, and that of one of many."""
FEWEST = 50
"""Photographs in a bin of the plot of spread against skill: root mean squares of fewer are mostly
noise."""


@hookimpl
def bench_register_reports() -> Iterable[ReportSpec]:
    """The figures."""
    yield ReportSpec(
        name="curves",
        summary="error-of-best against the number of draws, rank histograms, spread against skill",
        figures={
            CURVE: "expected error-of-best of n draws",
            HISTOGRAM: "the truth's rank among the draws, pixel by pixel; dashed: calibrated; a "
            "bowl: too little spread; thin "
            "lines: 95 % intervals",
            SPREAD: "root mean squares of equal parts of the photographs; on the line: calibrated",
        },
        factory="bench.reports.curves:write",
        citation="Deshpande et al. 2017; Hamill 2001, Monthly Weather Review 129:550; Fortin et "
        "al. 2014, J. Hydrometeorology 15",
    )


def write(results: Sequence[Results], out: Output) -> list[Path]:
    """`figures/error-of-best-curve`, `figures/rank-histogram-<dataset>` and `figures/spread-skill`,
    as PNG and SVG; curves and histograms as CSV."""
    found = gather(results, None, ["colourizer", "control"], draws=True)
    look = looks(*_names(found), results)
    paths: list[Path] = []
    with paper_style():
        if out.draws(CURVE) and (curves := _with(found, CURVE)):
            paths += [
                *_curves(curves, look, out),
                *write_csv(out, CURVE, _records(curves, _points, CURVE, "n")),
            ]
        if out.draws(HISTOGRAM) and (histograms := _with(found, HISTOGRAM)):
            paths += [
                path
                for dataset, entries in histograms.items()
                for path in _histograms(dataset, entries, out)
            ]
            paths += write_csv(out, HISTOGRAM, _records(histograms, _bins, HISTOGRAM, "rank"))
        if out.draws(SPREAD) and (spreads := _with(found, SPREAD)):
            paths += _spreads(spreads, look, out)
    return paths


def _names(found: Entries) -> tuple[list[str], frozenset[str]]:
    """Labels in order, and which of them are controls."""
    entries = [e for es in found.values() for e in es]
    return list(dict.fromkeys(e.label for e in entries)), frozenset(
        e.label for e in entries if e.control
    )


def _with(found: Entries, metric: str) -> Entries:
    """The data sets on which a metric was measured, colourizers first."""
    some = {d: es for d, es in found.items() if any(e.scores.has(metric) for e in es)}
    return {d: sorted(es, key=lambda e: e.control) for d, es in some.items()}


def _curves(found: Entries, look: Mapping[str, Look], out: Output) -> list[Path]:
    from matplotlib.ticker import MaxNLocator

    figure, grid = panels(len(found), 3, PANEL)
    for axes, (dataset, entries) in zip(grid, found.items()):
        for label, points in ((e.label, _points(e)) for e in entries):
            x = list(points)
            axes.plot(
                x,
                [p.mean for p in points.values()],
                color=look[label].colour,
                marker=look[label].marker,
                linestyle=look[label].line,
                clip_on=False,
                **LINE,
            )
            axes.fill_between(
                x,
                [p.low for p in points.values()],
                [p.high for p in points.values()],
                color=look[label].colour,
                alpha=0.15,
                linewidth=0,
            )
        axes.set_ylim(0, None)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _label(axes, dataset, "number of draws n", "expected error-of-best")
        remark(axes, _absent(entries, CURVE))
    title = (
        "shaded: 95 % intervals; no ranking: few draws favour the mean field, many favour spread"
    )
    legend(figure, _shown(look, found, CURVE), title, 3 * min(3, len(found)), lines=True)
    return save_figure(figure, out, CURVE)


def _histograms(dataset: str, entries: Sequence[Entry], out: Output) -> list[Path]:
    shown = [e for e in entries if e.scores.has(HISTOGRAM)]
    figure, grid = panels(len(shown), 4, SMALL, sharey=True)
    for i, (axes, entry) in enumerate(zip(grid, shown)):
        _histogram(axes, entry)
        axes.set_ylabel("share of pixels" if i % 4 == 0 else "")
        axes.set_xlabel("rank of the truth" if i + 4 >= len(shown) else "")
    absent = _absent(entries, HISTOGRAM)
    unparsed(figure.suptitle(plain(dataset, 40) + (f"\n{absent}" if absent else ""), fontsize=10))
    return save_figure(figure, out, f"{HISTOGRAM}-{safe_name(dataset)}")


def _histogram(axes: Axes, entry: Entry) -> None:
    """Bars, their intervals and the flat line; a bar that is much higher is cut off and has its
    share written on it."""
    bins = _bins(entry)
    flat, shares = 1 / len(bins), [b.mean for b in bins.values()]
    top = 4 * flat
    errors = [
        [max(0.0, b.mean - b.low) for b in bins.values()],
        [max(0.0, b.high - b.mean) for b in bins.values()],
    ]
    axes.bar(
        list(bins), shares, width=0.9, color="#b0b0b0" if entry.control else "#4c78a8", linewidth=0
    )
    axes.errorbar(list(bins), shares, yerr=errors, fmt="none", ecolor="black", elinewidth=0.7)
    axes.axhline(flat, color="black", linestyle="--", linewidth=0.8)
    for rank, share in zip(bins, shares):
        if share > top:
            axes.text(
                rank,
                0.97 * top,
                f"{share:.2f}",
                ha="center",
                va="top",
                fontsize=7,
                rotation=90,
                color="white",
            )
    axes.set(ylim=(0, top), xlim=(-0.6, len(bins) - 0.4), xticks=[0, max(bins)])
    axes.grid(False, axis="x")
    unparsed(
        axes.set_title(plain(entry.label, 30) + (" (control)" if entry.control else ""), fontsize=8)
    )


def _spreads(found: Entries, look: Mapping[str, Look], out: Output) -> list[Path]:
    """A point a part of the photographs, ordered by spread; nothing of few photographs, where it
    would be noise."""
    lines = {
        d: {e.label: line for e in es if len(line := _binned(e)) > 1} for d, es in found.items()
    }
    lines = {d: some for d, some in lines.items() if some}
    if not lines:
        return []
    figure, grid = panels(len(lines), 3, PANEL)
    for axes, (dataset, some) in zip(grid, lines.items()):
        for label, (x, y, low, high) in ((label, line.T) for label, line in some.items()):
            style = look[label]
            axes.plot(x, y, color=style.colour, marker=style.marker, linestyle=style.line, **LINE)
            axes.fill_between(x, low, high, color=style.colour, alpha=0.15, linewidth=0)
        end = max(float(line[:, :2].max()) for line in some.values())
        axes.plot([0, end], [0, end], color="black", linewidth=0.8)
        axes.set(xlim=(0, None), ylim=(0, None))
        _label(axes, dataset, "spread of the draws", "error of their mean")
        remark(axes, _absent(found[dataset], SPREAD))
    title = "root mean squares of equal parts of the photographs, by spread; black: calibrated; shaded: 95 % intervals"
    legend(figure, _shown(look, found, SPREAD), title, 3 * min(3, len(lines)), lines=True)
    return save_figure(figure, out, SPREAD)


def _binned(entry: Entry) -> np.ndarray:
    """Root mean spread, root mean skill and its bounds `(bins, 4)` of photographs in bins of equal
    size, by spread."""
    import numpy as np
    import pandas as pd

    from bench.scores.intervals import mean_interval

    both = [entry.values(Measure(SPREAD, name)) for name in ("spread", "skill")]
    table = pd.concat(both, axis=1, join="inner").dropna().to_numpy(float)
    bins = np.array_split(
        table[np.argsort(table[:, 0], kind="stable")], max(1, min(10, len(table) // FEWEST))
    )
    skills = [mean_interval(part[:, 1]) for part in bins]
    squares = [
        [part[:, 0].mean(), s.mean, max(0.0, s.low), s.high]
        for part, s in zip(bins, skills)
        if len(part)
    ]
    return np.sqrt(np.array(squares).reshape(-1, 4))


def _points(entry: Entry) -> dict[int, Estimate]:
    """n -> expected error-of-best of n draws."""
    measures = {
        n: Measure(CURVE, "sum", k=n)
        for n in range(1, entry.scores.count(Measure(CURVE, "sum")) + 1)
    }
    found = entry.estimates(measures.values())
    return {n: found[m] for n, m in measures.items()}


def _bins(entry: Entry) -> dict[int, Estimate]:
    """Rank -> share of pixels."""
    ranks = [
        int(v.removeprefix("bin-"))
        for v in entry.scores.variants(HISTOGRAM)
        if v.startswith("bin-")
    ]
    found = entry.estimates(Measure(HISTOGRAM, f"bin-{rank}") for rank in ranks)
    return {rank: found[Measure(HISTOGRAM, f"bin-{rank}")] for rank in sorted(ranks)}


def _records(found: Entries, points: Any, metric: str, at: str) -> list[dict[str, Any]]:
    return [
        {
            "dataset": dataset,
            "method": e.label,
            "role": e.role,
            "metric": metric,
            at: place,
            "value": value.mean,
            "low": value.low,
            "high": value.high,
            "images": value.n,
            "seeds": len(e.seeds),
        }
        for dataset, entries in found.items()
        for e in entries
        for place, value in points(e).items()
    ]


def _shown(look: Mapping[str, Look], found: Entries, metric: str) -> dict[str, Look]:
    drawn = {e.label for entries in found.values() for e in entries if e.scores.has(metric)}
    return {label: style for label, style in look.items() if label in drawn}


def _absent(entries: Sequence[Entry], metric: str) -> str:
    """What a panel can't show, and why."""
    absent = {e.label: e.failed(metric) for e in entries if not e.scores.has(metric)}
    words = [
        f"{plain(label)} ({failed[0].status if failed else 'not measured'})"
        for label, failed in absent.items()
    ]
    return "\n".join(textwrap.wrap(f"not shown: {', '.join(words)}", 60)) if words else ""


def _label(axes: Axes, dataset: str, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    unparsed(axes.set_title(plain(dataset, 40), fontweight="bold"))
