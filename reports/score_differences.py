"""A forest plot: every pair's paired mean difference in the two scores that rank, with its
interval."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.extend.style import (
    Look,
    looks,
    panels,
    paper_style,
    plain,
    remark,
    save_figure,
    unparsed,
)
from bench.extend.tables import write_csv
from bench.hookspecs import hookimpl
from bench.output import Output
from bench.specs import CLAIMED, ReportSpec

from .ranking import ENERGY, VARIOGRAM
from .score_ranks import LEVEL, ScoreRanks, ranks_of
from .scores import CLAIM, Entry, gather

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from bench.results.run_folder import Results

NAME = "score-differences"
SCORES = {"fair energy score": ENERGY, "fair variogram score": VARIOGRAM}
"""The columns of panels. The first one orders the lines."""
MOST = 24
"""Lines in a panel beyond which pairs with controls are those of the best colourizer alone."""
WIDTH, LINE, REMARK, AROUND, LEGEND = 4.9, 0.19, 0.12, 1.1, 0.7
"""Inches: of a panel with its half of the labels, of a line, of a remark's line, around a panel's
lines, and of the legend."""
PAIRS, AGAINST = "two colourizers", "a colourizer and a control"
DIRECTION = "← first is better  |  second is better →"

Pair = tuple[str, str]


@hookimpl
def bench_register_reports() -> Iterable[ReportSpec]:
    """The forest plot."""
    yield ReportSpec(
        name=NAME,
        summary="every pair's difference in the fair energy and variogram scores, with its interval",
        figures={
            NAME: "paired differences with 95 % intervals; filled: shown, after Holm's correction"
        },
        factory="bench.reports.score_differences:write",
        citation="Lewis & Clarke 2001, BMJ 322:1479; Holm 1979",
    )


def write(results: Sequence[Results], out: Output) -> list[Path]:
    """`figures/score-differences` as PNG and SVG, and the numbers of all pairs as CSV."""
    found = gather(results, None, ["colourizer", "control"], draws=True) if out.draws(NAME) else {}
    forests = [
        f for f in (_forest(dataset, entries) for dataset, entries in found.items()) if f.pairs
    ]
    if not forests:
        return []
    with paper_style():
        paths = save_figure(_figure(forests), out, NAME)
    return paths + write_csv(
        out, NAME, [record for forest in forests for record in forest.records()]
    )


@dataclass(frozen=True)
class Forest:
    """One data set: its entries, and where they stand in each score."""

    dataset: str
    entries: Sequence[Entry]
    ranks: Mapping[str, ScoreRanks]

    @cached_property
    def differences(self) -> Mapping[str, Mapping[Pair, Mapping[str, Any]]]:
        """Score -> pair -> its difference. A pair is the same way round in both scores: the better
        mean of the first score first, and a colourizer before a control. Pairs of two controls are
        left out."""
        facing: dict[frozenset[str], Pair] = {}
        found: dict[str, dict[Pair, Mapping[str, Any]]] = {score: {} for score in self.ranks}
        for score, ranks in self.ranks.items():
            for gap in ranks.differences():
                if gap["first_role"] == gap["second_role"] == "control":
                    continue
                pair = (
                    (gap["second"], gap["first"])
                    if gap["first_role"] == "control"
                    else (gap["first"], gap["second"])
                )
                pair = facing.setdefault(frozenset(pair), pair)
                found[score][pair] = gap if gap["first"] == pair[0] else _turned(gap)
        return found

    @cached_property
    def ordered(self) -> list[Pair]:
        """All pairs: of colourizers, then with controls, each by the difference in the first score
        that has it."""
        pairs = dict.fromkeys(pair for gaps in self.differences.values() for pair in gaps)
        return sorted(
            pairs, key=lambda pair: (self.against_control(pair), self._position(pair), pair)
        )

    @cached_property
    def pairs(self) -> list[Pair]:
        """The pairs that are shown."""
        best = self.best
        return [
            p
            for p in self.ordered
            if len(self.ordered) <= MOST or not self.against_control(p) or p[0] == best
        ]

    @property
    def best(self) -> str:
        """The colourizer with the best mean, in the first score that ranks any."""
        return next((s.colourizers.order[0] for s in self.ranks.values() if s.colourizers), "")

    def against_control(self, pair: Pair) -> bool:
        """Whether one of the two is a control."""
        return any(e.control for e in self.entries if e.label in pair)

    def lines(self) -> dict[Pair, float]:
        """Where a pair's line is, from the top; those with controls stand apart."""
        return {
            pair: i + (0.5 if self.against_control(pair) else 0.0)
            for i, pair in enumerate(self.pairs)
        }

    def records(self) -> list[dict[str, Any]]:
        """The numbers of all pairs, shown or not."""
        return [
            {"dataset": self.dataset, "score": score, **gap, "shown": pair in self.pairs}
            for score, gaps in self.differences.items()
            for pair in self.ordered
            if (gap := gaps.get(pair))
        ]

    def remarks(self, score: str) -> str:
        """What a panel doesn't show: pairs that were left out, and methods that this score can't
        rank."""
        ranked = self.ranks[score].entries
        lost = [
            f"{plain(e.label)} ({_reason(e, score)})" for e in self.entries if e.label not in ranked
        ]
        some = len(self.pairs) < len(self.ordered)
        said = (
            [f"against controls only {plain(self.best)}, the best; all pairs are in the table"]
            if some
            else []
        )
        said += [f"not ranked: {', '.join(lost)}"] if lost else []
        claimed = [plain(label.removesuffix(CLAIM)) for label in ranked if label.endswith(CLAIM)]
        said += [f"{', '.join(claimed)}: {CLAIMED}"] if claimed else []
        return "\n".join(line for text in said for line in textwrap.wrap(text, 46))

    def _position(self, pair: Pair) -> tuple[int, float]:
        found = (
            (i, gaps[pair]["difference_mean"])
            for i, gaps in enumerate(self.differences.values())
            if pair in gaps
        )
        return next(found)


def _forest(dataset: str, entries: Sequence[Entry]) -> Forest:
    return Forest(
        dataset, entries, {score: ranks_of(entries, measure) for score, measure in SCORES.items()}
    )


def _turned(gap: Mapping[str, Any]) -> dict[str, Any]:
    """`second - first`, its interval mirrored; its tests are of both signs and stay."""
    mean, low, high = (0.0 - gap[f"difference_{name}"] for name in ("mean", "high", "low"))
    return {
        **gap,
        "first": gap["second"],
        "second": gap["first"],
        "first_role": gap["second_role"],
        "second_role": gap["first_role"],
        "difference_mean": mean,
        "difference_low": low,
        "difference_high": high,
    }


def _reason(entry: Entry, score: str) -> str:
    metric = SCORES[score].metric
    if failed := entry.failed(metric):
        return failed[0].status
    return "no value for some photographs" if entry.scores.has(metric) else "not measured"


def _figure(forests: Sequence[Forest]) -> Figure:
    size = (WIDTH, (LEGEND + sum(_height(f) for f in forests)) / len(forests))
    ratios = [len(f.pairs) + 1.5 for f in forests]
    figure, grid = panels(2 * len(forests), 2, size, sharey="row", height_ratios=ratios)
    look = looks([PAIRS, AGAINST], (), [])
    for i, (forest, score) in enumerate((f, s) for f in forests for s in SCORES):
        _panel(grid[i], forest, score, look)
    _legend(figure, look)
    return figure


def _height(forest: Forest) -> float:
    remarks = max(len(forest.remarks(score).splitlines()) for score in SCORES)
    return AROUND + LINE * len(forest.pairs) + REMARK * remarks


def _panel(axes: Axes, forest: Forest, score: str, look: Mapping[str, Look]) -> None:
    """One score on one data set: a line a pair, from the top."""
    from matplotlib.ticker import MaxNLocator

    lines = forest.lines()
    axes.axvline(0, color="black", linewidth=0.9, zorder=1)
    for pair, at in lines.items():
        if gap := forest.differences[score].get(pair):
            _line(axes, gap, at, look[AGAINST if forest.against_control(pair) else PAIRS])
    _split(axes, forest)
    axes.set_yticks(
        list(lines.values()),
        [f"{plain(first, 40)} − {plain(second, 40)}" for first, second in lines],
        fontsize=7,
    )
    for text in axes.get_yticklabels():
        unparsed(text)
    axes.set_ylim(max(lines.values()) + 0.7, -0.7)
    axes.margins(x=0.08)
    axes.tick_params(axis="x", labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel(f"difference in {score}\n{DIRECTION}", fontsize=8)
    unparsed(axes.set_title(plain(forest.dataset, 40), fontweight="bold"))
    remark(axes, forest.remarks(score))


def _line(axes: Axes, gap: Mapping[str, Any], at: float, style: Look) -> None:
    mean, low, high = (gap[f"difference_{name}"] for name in ("mean", "low", "high"))
    axes.plot(
        [low, high], [at, at], color=style.colour, linewidth=1.4, solid_capstyle="butt", zorder=2
    )
    axes.add_line(_marker(style, filled=gap["p_corrected"] <= LEVEL, x=[mean], y=[at], zorder=3))


def _split(axes: Axes, forest: Forest) -> None:
    """The thin line between pairs of colourizers and those with controls."""
    control = [at for pair, at in forest.lines().items() if forest.against_control(pair)]
    if 0 < len(control) < len(forest.pairs):
        axes.axhline(min(control) - 0.75, color="#555555", linewidth=0.7)


def _marker(
    style: Look, filled: bool, x: Sequence[float] = (), y: Sequence[float] = (), **more: Any
) -> Line2D:
    from matplotlib.lines import Line2D

    face = style.colour if filled else "white"
    return Line2D(
        x,
        y,
        linestyle="",
        marker=style.marker,
        markersize=5.5,
        markeredgewidth=1.2,
        color=style.colour,
        markerfacecolor=face,
        **more,
    )


def _legend(figure: Figure, look: Mapping[str, Look]) -> None:
    words = {True: f"corrected p ≤ {LEVEL:g}", False: "not shown to differ"}
    handles = [
        _marker(style, filled, label=f"{name}: {word}")
        for name, style in look.items()
        for filled, word in words.items()
    ]
    title = "mean of first − second over photographs, with 95 % intervals; p corrected for the number of pairs (Holm)"
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=2,
        frameon=False,
        title=title,
        title_fontsize=8,
        fontsize=8,
    )
