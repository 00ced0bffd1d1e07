"""All other scores in tables, by what they are about (`score_groups`): every cell has its interval,
or says why it has none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.extend.markup import Caption, Table
from bench.extend.tables import NOTHING, decimals, with_interval, write_csv, write_tables
from bench.hookspecs import hookimpl
from bench.output import Output
from bench.results.series import Measure
from bench.specs import ReportSpec
from bench.text import markdown as escape

from .score_groups import GROUPS, Column, Group, Part
from .scores import Entry, gather
from .tables import NOT_MEASURED, Notes, describe_protocol, describe_samples

if TYPE_CHECKING:
    from bench.results.run_folder import Results
    from bench.scores.intervals import Estimate

SEEDS = " With several training seeds, values and bounds of the whole set are means over them."

WHAT = {"mean": "mean over photographs", "set": "value of the set", "flatness": "p of flat ranks"}
UNDEFINED = {
    "set": "undefined: the whole set has no such value (its formula divides by 0, or some "
    "photograph has none)",
    "flatness": "undefined: fewer than 5 photographs a bin, or a photograph without a rank; the "
    "test needs more",
}


@hookimpl
def bench_register_reports() -> Iterable[ReportSpec]:
    """The tables."""
    yield ReportSpec(
        name="score-tables",
        summary="all other scores: calibration, accuracy, diversity, realism, likelihood, known "
        "laws, what is presented",
        factory="bench.reports.score_tables:write",
    )


def write(results: Sequence[Results], out: Output) -> list[Path]:
    """`tables/<group>.md` and its numbers as CSV; what no run holds is named in
    `tables/not-measured.md`."""
    found = {
        ask: gather(results, None, ["colourizer", "control"], draws=ask == "draws")
        for ask in ("draws", "present")
    }
    if not any(found.values()):
        return []
    paths: list[Path] = []
    absent: list[object] = []
    for group in GROUPS:
        pages = [
            make_page(group, dataset, entries) for dataset, entries in found[group.ask].items()
        ]
        if any(page.measured for page in pages):
            paths += write_tables(out, group.name, _parts(results, group, pages))
            paths += write_csv(
                out, group.name, [record for page in pages for record in page.records()]
            )
        else:
            absent += dict.fromkeys(
                f"{group.title}: {line}" for page in pages for line in page.unknown()
            )
    return (
        [
            *paths,
            *write_tables(out, "not-measured", ["### Without any value in these runs", *absent]),
        ]
        if absent
        else paths
    )


@dataclass(frozen=True)
class Page:
    """A group's tables of one data set: parts with the columns that were measured spelled out, and
    entries, controls last."""

    dataset: str
    group: Group
    parts: Sequence[Part]
    entries: Sequence[Entry]
    values: Mapping[tuple[str, Column], Estimate]

    @property
    def measured(self) -> bool:
        """Whether any entry has any value."""
        return any(estimate.n for estimate in self.values.values())

    def sections(self) -> list[object]:
        """Its tables, footnotes and remarks."""
        notes = Notes()
        sections: list[object] = [f"#### {escape(self.dataset)}", Caption(self._samples())]
        for part in self.parts:
            if columns := [c for c in part.columns if self._known(c)]:
                sections += [
                    Caption(part.title and f"**{part.title}**"),
                    self._table(columns, notes),
                ]
        return [*sections, notes, *self.unknown()]

    def records(self) -> Iterator[dict[str, Any]]:
        """All numbers, one a row."""
        for entry in self.entries:
            for column in (c for part in self.parts for c in part.columns):
                estimate, failed = self.values[entry.label, column], entry.failed(column.metric)
                yield {
                    "dataset": self.dataset,
                    "method": entry.label,
                    "role": entry.role,
                    "ask": self.group.ask,
                    "kind": entry.kind,
                    "density": entry.density,
                    "k": entry.k,
                    "metric": column.metric,
                    "variant": column.variant,
                    "is": WHAT[column.source],
                    "value": estimate.mean,
                    "low": estimate.low,
                    "high": estimate.high,
                    "images": estimate.n,
                    "seeds": len(entry.seeds),
                    "status": "done"
                    if estimate.n
                    else failed[0].status
                    if failed
                    else "not measured",
                    "reason": "; ".join(dict.fromkeys(f.reason for f in failed)),
                }

    def unknown(self) -> list[str]:
        """The metrics that no method has a value of, by reason."""
        reasons: dict[str, list[str]] = {}
        for column in (c for part in self.parts for c in part.columns if not self._known(c)):
            failed = [f for e in self.entries for f in e.failed(column.metric)]
            of_metric = [f for f in failed if f.metric] or failed
            why = (
                "; ".join(dict.fromkeys(f"{f.status}: {escape(f.reason)}" for f in of_metric))
                or NOT_MEASURED
            )
            reasons.setdefault(why, []).append(column.metric)
        names = {why: ", ".join(dict.fromkeys(metrics)) for why, metrics in reasons.items()}
        return [f"No method has a value of {metrics}: {why}." for why, metrics in names.items()]

    def _known(self, column: Column) -> bool:
        return any(self.values[entry.label, column].n for entry in self.entries)

    def _samples(self) -> str:
        return describe_samples(
            [
                e
                for e in self.entries
                if any(self.values[e.label, c].n for p in self.parts for c in p.columns)
            ]
        )

    def _table(self, columns: Sequence[Column], notes: Notes) -> Table:
        words = [
            "Method",
            *(["Space"] if self.group.space else []),
            *(["Kind", "k"] if self.group.ask == "present" else []),
        ]
        table = Table([*words, *(c.title for c in columns)], words=len(words))
        digits = {
            c: decimals([self.values[e.label, c].mean for e in self.entries]) for c in columns
        }
        first_control = next((e for e in self.entries if e.control), None)
        for entry in self.entries:
            if entry is first_control:
                table.rows.append(["*controls*", *[""] * (len(table.header) - 1)])
            cells = [self._cell(entry, c, digits[c], notes) for c in columns]
            table.rows.append([escape(entry.label), *self._facts(entry), *cells])
        return self._with_photographs(table, columns, digits)

    def _facts(self, entry: Entry) -> list[str]:
        space = [escape(entry.density) or NOTHING] if self.group.space else []
        shown = (
            [escape(entry.kind) or NOTHING, str(entry.k or NOTHING)]
            if self.group.ask == "present"
            else []
        )
        return space + shown

    def _cell(self, entry: Entry, column: Column, digits: int, notes: Notes) -> str:
        estimate = self.values[entry.label, column]
        if column.source == "mean":
            return notes.value(entry, _measure(column), digits)
        if estimate.n and estimate.mean != estimate.mean:
            return f"undefined {notes.mark(UNDEFINED[column.source])}"
        if column.source == "set":
            return notes.said(entry, column.metric, with_interval(estimate, digits))
        p = "< 0.001" if estimate.mean < 0.001 else f"{estimate.mean:.3f}"
        return notes.said(entry, column.metric, p if estimate.n else "")

    def _with_photographs(
        self, table: Table, columns: Sequence[Column], digits: Mapping[Column, int]
    ) -> Table:
        """A last row with the photographs' own values, where there are any: every method's table
        holds the same ones."""
        own = {
            c: next((e for e in self.entries if e.scores.count(Measure(c.metric, c.truth))), None)
            for c in columns
            if c.truth
        }
        if any(own.values()):
            texts = {
                c: with_interval(e.estimate(Measure(c.metric, c.truth)), digits[c])
                for c, e in own.items()
                if e
            }
            empty = [""] * (table.words - 1)
            table.rows.append(["*the photographs' own*", *[""] * (len(table.header) - 1)])
            table.rows.append(["photographs", *empty, *(texts.get(c, "") for c in columns)])
        return table


def make_page(group: Group, dataset: str, entries: Sequence[Entry]) -> Page:
    """All values of a group on a data set."""
    entries = sorted(entries, key=lambda e: (e.control, e.density if group.space else ""))
    parts = [
        replace(p, columns=tuple(c for column in p.columns for c in _spelled_out(column, entries)))
        for p in group.parts
    ]
    columns = [c for part in parts for c in part.columns]
    values: dict[tuple[str, Column], Estimate] = {}
    for entry in entries:
        entry.estimates(_measure(c) for c in columns if c.source == "mean")  # together: faster
        values |= {(entry.label, c): _value(entry, c) for c in columns}
    return Page(dataset, group, parts, entries, values)


def _parts(results: Sequence[Results], group: Group, pages: Sequence[Page]) -> list[object]:
    several = any(len(e.seeds) > 1 for page in pages for e in page.entries)
    sets = several and any(c.source == "set" for part in group.parts for c in part.columns)
    caption = Caption(
        f"{describe_protocol(results, draws=group.ask == 'draws')}{SEEDS if sets else ''}"
    )
    return [
        f"### {group.title}",
        group.text,
        caption,
        *(section for page in pages for section in page.sections()),
    ]


def _spelled_out(column: Column, entries: Sequence[Entry]) -> list[Column]:
    """One column a variant that was measured, where a column leaves the variant open; itself where
    there is none."""
    if column.variant != "*":
        return [column]
    variants = dict.fromkeys(v for e in entries for v in e.scores.variants(column.metric))
    return [
        replace(column, title=column.title.format(v.replace("-", " ")), variant=v) for v in variants
    ] or [column]


def _measure(column: Column) -> Measure:
    return Measure(column.metric, column.variant)


def _value(entry: Entry, column: Column) -> Estimate:
    if column.source == "set":
        return entry.of_set(column.metric, column.variant)
    return (
        flatness_of(entry, _measure(column))
        if column.source == "flatness"
        else entry.estimate(_measure(column))
    )


def flatness_of(entry: Entry, measure: Measure) -> Estimate:
    """The p of flat ranks as `mean`: with several seeds the smallest times their number
    (Bonferroni). NaN: can't be tested."""
    from bench.scores.intervals import Estimate, flatness

    seeds, bins = entry.scores.by_seed(measure), entry.scores.count(measure) + 1
    whole = all(ranks.notna().all() for ranks in seeds.values())
    p = [flatness(ranks.to_numpy(float), bins).p for ranks in seeds.values()] if whole else []
    worst = min(1.0, len(p) * min(p)) if p and all(x == x for x in p) else float("nan")
    return Estimate(worst, float("nan"), float("nan"), max(map(len, seeds.values()), default=0))
