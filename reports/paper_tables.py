"""Tables 1 and 2 of Deshpande et al. 2017: error of a codec's reconstructions, unweighted and
weighted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.extend.markup import Caption, Table
from bench.extend.tables import (
    NOTHING,
    columns,
    decimals,
    from_columns,
    with_interval,
    write_csv,
    write_tables,
)
from bench.hookspecs import hookimpl
from bench.output import Output
from bench.plugins import notation
from bench.results.series import Measure
from bench.specs import ReportSpec
from bench.text import markdown as escape

from .score_ranks import best_set
from .scores import Entry, difference, gather, paired
from .tables import Notes, describe_dataset, describe_protocol, verdict

if TYPE_CHECKING:
    from bench.results.run_folder import Results

METRIC = "absolute-error"
LOSSES = {"l2": "L2", "mah": "Mah", "full": "Mah + Colour + Grad"}
REGIONS = {"all": "All", "grid": "Grid"}


@dataclass(frozen=True)
class PaperTable:
    """One of the two tables: the metric's variants by convention, and the published values (All,
    Grid a loss)."""

    number: int
    title: str
    variants: Mapping[str, str]
    published: Mapping[str, Sequence[str]]


TABLES = (
    PaperTable(
        1,
        "mean absolute error per pixel",
        {"sum": "sum", "mean": "mean"},
        {
            "lfw": (".079", ".095", ".077", ".079", ".067", ".069"),
            "church": (".049", ".049", ".056", ".056", ".050", ".050"),
            "imagenet-val": (".066", ".068", ".091", ".091", ".091", ".093"),
        },
    ),
    PaperTable(
        2,
        "weighted absolute error per pixel",
        {"sum": "weighted-sum", "mean": "weighted-mean"},
        {
            "lfw": ("7.20", "11.29", "6.69", "7.33", "2.65", "2.83"),
            "church": ("4.9", "4.68", "6.54", "6.42", "1.74", "1.71"),
            "imagenet-val": ("10.02", "9.21", "12.99", "12.19", "4.82", "4.66"),
        },
    ),
)
CONVENTIONS = {
    "sum": "|Δa| + |Δb|, likely the paper's, which does not say",
    "mean": "the average of |Δa| and |Δb|",
}


@hookimpl
def bench_register_reports() -> Iterable[ReportSpec]:
    """The paper's Tables 1 and 2."""
    yield ReportSpec(
        name="paper-tables",
        summary="Tables 1 and 2 of the paper: error and weighted error of the VAE's "
        "reconstructions by loss",
        factory="bench.reports.paper_tables:write",
        citation="Deshpande et al. 2017, arXiv:1612.01958v1",
    )


def write(results: Sequence[Results], out: Output) -> list[Path]:
    """`tables/paper-table-1.md` and `-2.md`, with values and differences from L2 as CSV."""
    entries = [e for es in gather(results, [METRIC], ["codec"]).values() for e in es]
    lines = _lines(entries)
    tables = [t for t in TABLES if _said(entries, t)]
    gaps = {table.number: list(_difference_records(table, lines)) for table in tables}
    texts = {table.number: _markdown(results, table, lines, gaps[table.number]) for table in tables}
    pages = [
        path
        for number, parts in texts.items()
        for path in write_tables(out, f"paper-table-{number}", parts)
    ]
    return pages + [
        path for table in tables for path in _write_csvs(out, table, lines, gaps[table.number])
    ]


@dataclass(frozen=True)
class Line:
    """A row of the paper's layout: a data set, a codec's configuration apart from its loss, and its
    losses.

    `losses` has one key, the empty text, for a codec that declares none of the paper's losses.
    """

    dataset: str
    codec: str
    losses: dict[str, Entry] = field(default_factory=dict)

    def pairs(self) -> Iterator[tuple[str, Entry]]:
        """The losses that can be compared with L2."""
        return (
            (loss, entry)
            for loss, entry in self.losses.items()
            if loss != "l2" and "l2" in self.losses
        )


def _lines(entries: Sequence[Entry]) -> list[Line]:
    lines: dict[tuple[str, str], Line] = {}
    for entry in entries:
        others = dict(entry.parameters)
        loss = others.pop("loss", None)
        if loss in LOSSES:
            kind = (
                notation.parse(entry.method).name
                + json.dumps(others, sort_keys=True)
                + entry.suffix
            )
            line = lines.setdefault(
                (entry.dataset, kind), Line(entry.dataset, _without_loss(entry))
            )
            line.losses.setdefault(loss, entry)
        else:
            lines[entry.dataset, entry.label] = Line(entry.dataset, entry.label, {"": entry})
    return list(lines.values())


def _without_loss(entry: Entry) -> str:
    choice = notation.parse(entry.method)
    return (
        notation.write(choice.name, {k: v for k, v in choice.given if k != "loss"}) + entry.suffix
    )


def _said(entries: Sequence[Entry], table: PaperTable) -> bool:
    return any(
        e.failed(METRIC) or set(table.variants.values()) & set(e.scores.variants(METRIC))
        for e in entries
    )


def _markdown(
    results: Sequence[Results],
    table: PaperTable,
    lines: Sequence[Line],
    gaps: Sequence[dict[str, Any]],
) -> list[object]:
    notes = Notes()
    parts: list[object] = [f"### Table {table.number}: {table.title} (lower is better)"]
    what = (
        "Error of a codec that is shown the truth and reconstructs it. *All*: all pixels; *Grid*: "
        "8 × 8 of them. **Bold**: the "
        "least error, and the losses that a paired permutation test with Holm's correction does "
        "not tell from it."
    )
    parts.append(Caption(f"{what} {describe_protocol(results)}"))
    parts.append(
        Caption(
            "; ".join(
                describe_dataset(results, d) for d in dict.fromkeys(line.dataset for line in lines)
            )
            + "."
        )
    )
    for convention, variant in table.variants.items():
        parts += [Caption(f"**Convention `{convention}`: {CONVENTIONS[convention]}**")]
        parts += [_values([li for li in lines if "" not in li.losses], variant, LOSSES, notes)]
        parts += [
            _values([li for li in lines if "" in li.losses], variant, {"": "Other codec"}, notes)
        ]
    return [*parts, *_differences(table, gaps), notes, *_published(lines, table)]


def _values(
    lines: Sequence[Line], variant: str, losses: Mapping[str, str], notes: Notes
) -> Table | str:
    """Our values in the paper's layout."""
    if not lines:
        return ""
    table = Table(["Data set", "Codec", *_titles(losses)], words=2)
    estimates = {
        (i, loss, region): entry.estimate(Measure(METRIC, variant, region))
        for i, line in enumerate(lines)
        for loss, entry in line.losses.items()
        for region in REGIONS
    }
    digits = decimals([e.mean for e in estimates.values()])
    for i, line in enumerate(lines):
        best = _best(line, variant)
        cells = [
            notes.cell(
                line.losses[loss],
                METRIC,
                _bold(with_interval(estimates[i, loss, region], digits), (loss, region) in best),
            )
            if loss in line.losses
            else NOTHING
            for loss in losses
            for region in REGIONS
        ]
        table.rows.append([escape(line.dataset), escape(line.codec), *cells])
    return table


def _best(line: Line, variant: str) -> set[tuple[str, str]]:
    """The losses, by region, that no other is shown to beat; none where there is nothing to
    compare."""
    entries = list(line.losses.values()) if len(line.losses) > 1 else []
    labels = {
        region: best_set(entries, Measure(METRIC, variant, region), "down") for region in REGIONS
    }
    return {
        (loss, region)
        for region in REGIONS
        for loss, e in line.losses.items()
        if e.label in labels[region]
    }


def _bold(text: str, best: bool) -> str:
    return f"**{text}**" if text and best else text


def _titles(losses: Mapping[str, str]) -> list[str]:
    return [f"{title}, {region}" for title in losses.values() for region in REGIONS.values()]


def _differences(table: PaperTable, gaps: Sequence[dict[str, Any]]) -> list[object]:
    """Every loss against L2, photograph by photograph (convention `sum`; the CSV file has both)."""
    records = [r for r in gaps if r["convention"] == "sum"]
    if not records:
        return []
    digits = decimals([r["difference_mean"] for r in records])
    shown = Table(
        [
            "Data set",
            "Codec",
            "Loss",
            "Pixels",
            "Loss − L2",
            "in % of L2's mean",
            "Images that improve",
            "Error is",
            "Images",
        ],
        words=4,
    )
    for r in records:
        gap, percent = (from_columns(name, r, r["images"]) for name in ("difference", "percent"))
        shown.rows.append(
            [
                escape(r["dataset"]),
                escape(r["codec"]),
                LOSSES[r["loss"]],
                REGIONS[r["region"]],
                with_interval(gap, digits, "+"),
                with_interval(percent, 1, "+"),
                f"{r['improve']:.0%}",
                verdict(gap),
                f"{r['images']:,}",
            ]
        )
    return [
        Caption(
            f"**Table {table.number}, differences from L2, photograph by photograph, convention "
            "`sum`. A negative "
            "difference is a smaller error than L2's**"
        ),
        shown,
    ]


def _difference_records(table: PaperTable, lines: Sequence[Line]) -> Iterator[dict[str, Any]]:
    for convention, variant in table.variants.items():
        for line in lines:
            for loss, entry in line.pairs():
                for region in REGIONS:
                    numbers = _against_l2(
                        entry, line.losses["l2"], Measure(METRIC, variant, region)
                    )
                    names = {
                        "convention": convention,
                        "dataset": line.dataset,
                        "codec": line.codec,
                        "loss": loss,
                    }
                    if numbers["images"]:
                        yield {"table": table.number, **names, "region": region, **numbers}


def _against_l2(entry: Entry, l2: Entry, measure: Measure) -> dict[str, Any]:
    pair, gap = paired(entry, l2, measure), difference(entry, l2, measure)
    base = float(pair["second"].mean(skipna=False))
    scale = 100 / base if base else float("nan")
    percent = {
        f"percent_{name}": scale * value
        for name, value in (("mean", gap.mean), ("low", gap.low), ("high", gap.high))
    }
    improve = float((pair["first"] < pair["second"]).mean()) if gap.n else float("nan")
    return {
        "images": gap.n,
        "l2_mean": base,
        **columns("difference", gap),
        **percent,
        "improve": improve,
    }


def _published(lines: Sequence[Line], table: PaperTable) -> list[object]:
    known = [d for d in table.published if d in {line.dataset for line in lines}]
    if not known:
        return []
    shown = Table(["Data set", *_titles(LOSSES)])
    shown.rows = [[escape(d), *table.published[d]] for d in known]
    return [
        Caption(
            f"**Table {table.number} as published, not measured here: Deshpande et al. 2017, arXiv "
            "v1; other data "
            "splits; not comparable number by number**"
        ),
        shown,
    ]


def _write_csvs(
    out: Output, table: PaperTable, lines: Sequence[Line], gaps: Sequence[dict[str, Any]]
) -> list[Path]:
    name = f"paper-table-{table.number}"
    paths = write_csv(out, name, list(_value_records(table, lines)))
    return [*paths, *write_csv(out, f"{name}-differences", gaps)] if gaps else paths


def _value_records(table: PaperTable, lines: Sequence[Line]) -> Iterator[dict[str, Any]]:
    for convention, variant in table.variants.items():
        for line in lines:
            for loss, entry in line.losses.items():
                for region in REGIONS:
                    estimate = entry.estimate(Measure(METRIC, variant, region))
                    failed = entry.failed(METRIC)
                    yield {
                        "table": table.number,
                        "convention": convention,
                        "dataset": line.dataset,
                        "codec": line.codec,
                        "loss": loss,
                        "method": entry.label,
                        "region": region,
                        **columns("error", estimate),
                        "images": estimate.n,
                        "seeds": len(entry.seeds),
                        "status": "done"
                        if estimate.n
                        else failed[0].status
                        if failed
                        else "not measured",
                        "reason": "; ".join(dict.fromkeys(f.reason for f in failed)),
                    }
