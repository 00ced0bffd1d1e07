"""The general table: every method by every metric, each by its main variant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.extend.markup import Caption, Table
from bench.extend.tables import columns, decimals, with_interval, write_csv, write_tables
from bench.hookspecs import hookimpl
from bench.output import Output
from bench.specs import ReportSpec
from bench.text import markdown as escape

from .headlines import Headline, headlines
from .score_ranks import best_set
from .scores import Entry, gather
from .tables import Notes, describe_dataset, describe_protocol, describe_samples

if TYPE_CHECKING:
    from bench.results.run_folder import Results

TEXT = (
    "Every metric by its main variant (`bench show METRIC`), mean over photographs. ↓: less is "
    "better, ↑: more is better, →: best "
    "at its target, no arrow: neither. **Bold**: the colourizer with the best mean, and those that "
    "a paired permutation test with "
    "Holm's correction does not tell from it; controls are never bold, nor values of the whole "
    "set, nor likelihoods, which compare "
    "only within one space. Of thirty metrics some are won by chance, and most can be gamed: the "
    "ranking stands elsewhere, on "
    "purpose."
)
ASKS = {True: "Of independent draws", False: "Of what is presented"}
WIDEST = 6
"""Methods side by side; more go into further tables."""


@hookimpl
def bench_register_reports() -> Iterable[ReportSpec]:
    """The general table."""
    yield ReportSpec(
        name="overview",
        summary="every method by every metric, with intervals",
        factory="bench.reports.overview:write",
        order=10,
    )


def write(results: Sequence[Results], out: Output) -> list[Path]:
    """`tables/overview.*`: metrics down, methods across, of draws and of what is presented."""
    parts: list[object] = ["### All metrics", TEXT, describe_protocol(results)]
    records: list[dict[str, Any]] = []
    found = {draws: gather(results, None, ["colourizer", "control"], draws=draws) for draws in ASKS}
    for dataset in dict.fromkeys(d for some in found.values() for d in some):
        parts += [f"#### {escape(dataset)}", Caption(f"{describe_dataset(results, dataset)}.")]
        for draws, title in ASKS.items():
            entries = sorted(found[draws].get(dataset, []), key=lambda e: e.control)
            lines = headlines(entries)
            parts += _tables(title, entries, lines)
            records += [_record(dataset, title, line, entry) for line in lines for entry in entries]
    if not records:
        return []
    return [*write_tables(out, "overview", parts), *write_csv(out, "overview", records)]


def _tables(title: str, entries: Sequence[Entry], lines: Sequence[Headline]) -> list[object]:
    """Tables of at most `WIDEST` methods each, and their footnotes."""
    if not lines:
        return []
    best = {
        line: ()
        if line.of_set or line.of_density
        else best_set(entries, line.measure, line.direction)
        for line in lines
    }
    for entry in entries:
        entry.estimates([line.measure for line in lines if not line.of_set])  # together: faster
    digits = {line: decimals([line.estimate(e).mean for e in entries]) for line in lines}
    notes = Notes()
    parts: list[object] = []
    for start in range(0, len(entries), WIDEST):
        some = entries[start : start + WIDEST]
        table = Table(
            ["Metric", *(_name(e) for e in some)],
            hints={line.title: line.summary for line in lines},
        )
        table.rows = [
            [line.title, *(_cell(e, line, digits[line], best[line], notes) for e in some)]
            for line in lines
        ]
        parts += [Caption(f"**{title}. {describe_samples(entries)}**"), table]
    return [*parts, notes]


def _name(entry: Entry) -> str:
    return escape(entry.label) + (" (control)" if entry.control else "")


def _cell(entry: Entry, line: Headline, digits: int, best: Sequence[str], notes: Notes) -> str:
    if line.of_set:
        return notes.said(entry, line.measure.metric, with_interval(line.estimate(entry), digits))
    text = notes.value(entry, line.measure, digits)
    return f"**{text}**" if entry.label in best else text


def _record(dataset: str, ask: str, line: Headline, entry: Entry) -> dict[str, Any]:
    estimate, measure = line.estimate(entry), line.measure
    return {
        "dataset": dataset,
        "method": entry.label,
        "role": entry.role,
        "ask": ask,
        "metric": measure.metric,
        "variant": measure.variant,
        "direction": line.direction,
        "unit": line.unit,
        **columns("value", estimate),
        "k": entry.k,
        "images": estimate.n,
        "seeds": len(entry.seeds),
    }
