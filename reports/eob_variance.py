"""Figure 5: error-of-best against variance, a point a test photograph, and the means with their
intervals."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.hookspecs import hookimpl
from bench.output import Output
from bench.specs import ReportSpec

from .figures.style import (
    MEAN,
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
from .scores import ERROR_OF_BEST, VARIANCE, Entry, gather

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from bench.results.run_folder import Results
    from bench.scores.intervals import Estimate

METRICS = ("error-of-best", "variance")
COLUMNS = 3
PANEL = (3.6, 3.5)
"""Panels in a row, and a panel's size in inches."""
VECTORS = 5_000
"""Points of a method up to which an SVG holds each as a shape; more of them are a picture in it."""
BARS: dict[str, Any] = {
    "fmt": "none",
    "ecolor": "black",
    "elinewidth": 1.5,
    "capsize": 0,
    "zorder": 5,
    "clip_on": False,
}


@hookimpl
def bench_register_reports() -> Iterable[ReportSpec]:
    """The plot of Figure 5."""
    yield ReportSpec(
        name="eob-variance",
        summary="Figure 5 of the paper: error-of-best against variance, linear and logarithmic",
        figures={
            "eob-variance": "a point a test photograph, the mean of each method with 95 % intervals"
        },
        factory="bench.reports.eob_variance:write",
        citation="Deshpande et al. 2017, arXiv:1612.01958, Figure 5",
    )


def write(results: Sequence[Results], out: Output) -> list[Path]:
    """`figures/eob-variance` and `figures/eob-variance-log`, as PNG and SVG."""
    found = gather(results, METRICS, ["colourizer", "control"]) if out.draws("eob-variance") else {}
    clouds = [_panel(dataset, entries) for dataset, entries in found.items()]
    clouds = [p for p in clouds if p.clouds]
    if not clouds:
        return []
    look = _looks(clouds, results)
    with paper_style():
        figures = {
            "eob-variance": _figure(clouds, look, False),
            "eob-variance-log": _figure(clouds, look, True),
        }
        return [path for name, figure in figures.items() for path in save_figure(figure, out, name)]


def _looks(clouds: Sequence[Panel], results: Sequence[Results]) -> dict[str, Look]:
    labels = list(dict.fromkeys(label for p in clouds for label in p.clouds))
    return looks(labels, frozenset[str]().union(*(p.controls for p in clouds)), results)


@dataclass(frozen=True)
class Cloud:
    """A method's photographs: columns `x` (variance) and `y` (error-of-best), and both means."""

    points: pd.DataFrame
    x: Estimate
    y: Estimate

    def shown(self, log: bool) -> pd.DataFrame:
        """The points that the axes can show: those that are numbers, and positive on logarithmic
        axes."""
        return self.points[((self.points > 0) if log else self.points.notna()).all(axis=1)]

    def mean_shown(self, log: bool) -> bool:
        """Whether the axes can show the mean."""
        means = self.x.mean, self.y.mean
        return all(m > 0 for m in means) if log else all(m == m for m in means)  # NaN is not itself


@dataclass(frozen=True)
class Panel:
    """A data set: its clouds by method label, which of them are controls, and who has none."""

    dataset: str
    clouds: Mapping[str, Cloud]
    controls: frozenset[str]
    absent: Sequence[str]


def _panel(dataset: str, entries: Sequence[Entry]) -> Panel:
    clouds = {e.label: c for e in entries if len((c := _cloud(e)).points)}
    controls = frozenset(e.label for e in entries if e.role == "control")
    absent = [_absence(e) for e in entries if e.label not in clouds]
    return Panel(dataset, clouds, controls, absent)


def _absence(entry: Entry) -> str:
    failed = entry.failed(*METRICS)
    return f"{plain(entry.label)} ({failed[0].status if failed else 'not measured'})"


def _cloud(entry: Entry) -> Cloud:
    import pandas as pd

    from bench.scores.intervals import mean_interval

    both = {"x": entry.values(VARIANCE), "y": entry.values(ERROR_OF_BEST)}
    points = pd.concat(both, axis=1, join="inner")
    return Cloud(
        points,
        mean_interval(points["x"].to_numpy(float)),
        mean_interval(points["y"].to_numpy(float)),
    )


def _figure(clouds: Sequence[Panel], look: Mapping[str, Look], log: bool) -> Figure:
    figure, grid = panels(len(clouds), COLUMNS, PANEL)
    for axes, panel in zip(grid, clouds):
        _draw(axes, panel, look, log)
    columns = min(COLUMNS, len(clouds))
    legend(figure, look, "small: a test photograph; large: mean with 95 % intervals", 2 * columns)
    return figure


def _draw(axes: Axes, panel: Panel, look: Mapping[str, Look], log: bool) -> None:
    for label, cloud in panel.clouds.items():
        points = cloud.shown(log)
        alpha = min(0.6, max(0.15, 60 / max(1, len(points))))
        style = look[label]
        axes.scatter(
            points["x"],
            points["y"],
            s=11,
            color=style.colour,
            marker=style.marker,
            alpha=alpha,
            linewidths=0,
            rasterized=len(points) > VECTORS,
        )
    for label, cloud in panel.clouds.items():  # above every cloud
        if cloud.mean_shown(log):
            _cross(axes, cloud, look[label])
    _scale(axes, log, empty=not any(len(c.shown(log)) for c in panel.clouds.values()))
    axes.set_xlabel("variance of the colourizations")
    remark(axes, _remarks(panel, log))
    axes.set_ylabel("error-of-best")
    unparsed(axes.set_title(plain(panel.dataset, 40), fontweight="bold"))


def _cross(axes: Axes, cloud: Cloud, style: Look) -> None:
    """A mean with both intervals."""
    x, y = cloud.x, cloud.y
    across, along = ([[e.mean - e.low], [e.high - e.mean]] for e in (x, y))
    axes.plot(
        x.mean, y.mean, color=style.colour, marker=style.marker, zorder=4, clip_on=False, **MEAN
    )
    axes.errorbar(
        x.mean, y.mean, xerr=across, yerr=along, **BARS
    )  # above: a small interval lies within the marker


def _scale(axes: Axes, log: bool, empty: bool) -> None:
    if empty:
        axes.set(xticks=[], yticks=[])  # logarithmic axes can't be drawn around nothing
    elif log:
        axes.set(xscale="log", yscale="log")
        _log_ticks(axes.xaxis)
        _log_ticks(axes.yaxis)
    else:
        axes.set(xlim=(0, None), ylim=(0, None))


def _log_ticks(axis: Axis) -> None:
    """Plain numbers, and enough of them where the data span less than two decades."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    low, high = axis.get_data_interval()
    axis.set_major_locator(LogLocator(subs=(1.0,) if high > 100 * low > 0 else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def _remarks(panel: Panel, log: bool) -> str:
    """What the panel can't show: failed methods, values that are not numbers, and zeros on
    logarithmic axes."""
    hidden = {plain(name): len(c.points) - len(c.shown(log)) for name, c in panel.clouds.items()}
    lost = [
        f"{name} {n} of {len(c.points)}"
        for (name, n), c in zip(hidden.items(), panel.clouds.values())
        if n
    ]
    means = [plain(name) for name, c in panel.clouds.items() if not c.mean_shown(log)]
    remarks = [f"not shown: {', '.join(panel.absent)}"] if panel.absent else []
    if lost:
        why = "zeros, not on log axes" if log else "undefined"
        remarks.append(
            f"{why}: {', '.join(lost)} points" + (f"; mean of {', '.join(means)}" if means else "")
        )
    return "\n".join(line for remark in remarks for line in textwrap.wrap(remark, 48))
