"""Tables 1 and 2 of Deshpande et al. 2017: error of a codec's reconstructions, unweighted and weighted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import methodstring
from bench.hookspecs import hookimpl
from bench.results import Results
from bench.specs import ReportSpec
from bench.stats import Estimate, mean_interval

from .scores import Entry, Measure, gather, paired
from .tables import (
    NOTHING,
    Notes,
    Table,
    columns,
    decimals,
    describe_dataset,
    describe_protocol,
    escape,
    verdict,
    with_interval,
    write_csv,
    write_markdown,
)

METRIC = "absolute-error"
LOSSES = {"l2": "L2", "mah": "Mah", "full": "Mah + Colour + Grad"}
REGIONS = {"all": "All", "grid": "Grid"}


@dataclass(frozen=True)
class PaperTable:
    """One of the two tables: the metric's variants by convention, and the published values (All, Grid a loss)."""

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
CONVENTIONS = {"sum": "|Δa| + |Δb|", "mean": "the average of |Δa| and |Δb|"}


@hookimpl
def bench_register_reports() -> Iterable[ReportSpec]:
    """The paper's Tables 1 and 2."""
    yield ReportSpec(
        name="paper-tables",
        summary="Tables 1 and 2 of the paper: error and weighted error of the VAE's reconstructions by loss",
        factory="bench.reports.paper_tables:write",
        citation="Deshpande et al. 2017, arXiv:1612.01958v1",
    )


def write(results: Sequence[Results], folder: Path) -> list[Path]:
    """`tables/paper-table-1.md` and `-2.md`, with values and differences from L2 as CSV."""
    entries = [e for es in gather(results, [METRIC], ["codec"]).values() for e in es]
    lines = _lines(entries)
    tables = [t for t in TABLES if _said(entries, t)]
    texts = [_markdown(results, table, lines) for table in tables]
    pages = [write_markdown(folder, f"paper-table-{t.number}", parts) for t, parts in zip(tables, texts)]
    return pages + [path for table in tables for path in _write_csvs(folder, table, lines)]


@dataclass(frozen=True)
class Line:
    """A row of the paper's layout: a data set, a codec's configuration apart from its loss, and its losses.

    `losses` has one key, the empty text, for a codec that declares none of the paper's losses.
    """

    dataset: str
    codec: str
    losses: dict[str, Entry] = field(default_factory=dict)

    def pairs(self) -> Iterator[tuple[str, Entry]]:
        """The losses that can be compared with L2."""
        return ((loss, entry) for loss, entry in self.losses.items() if loss != "l2" and "l2" in self.losses)


def _lines(entries: Sequence[Entry]) -> list[Line]:
    lines: dict[tuple[str, str], Line] = {}
    for entry in entries:
        loss = entry.parameters.get("loss")
        loss = loss if loss in LOSSES else ""
        name = _without_loss(entry) if loss else entry.label
        others = json.dumps({k: v for k, v in entry.parameters.items() if k != "loss" or not loss}, sort_keys=True)
        kind = methodstring.parse(entry.method).name + others + entry.suffix if loss else entry.label
        lines.setdefault((entry.dataset, kind), Line(entry.dataset, name)).losses.setdefault(loss, entry)
    return list(lines.values())


def _without_loss(entry: Entry) -> str:
    choice = methodstring.parse(entry.method)
    return methodstring.write(choice.name, {k: v for k, v in choice.given if k != "loss"}) + entry.suffix


def _said(entries: Sequence[Entry], table: PaperTable) -> bool:
    return any(e.failed(METRIC) or e.rows.variant.isin(list(table.variants.values())).any() for e in entries)


def _markdown(results: Sequence[Results], table: PaperTable, lines: Sequence[Line]) -> list[object]:
    notes = Notes()
    parts: list[object] = [f"### Table {table.number}: {table.title} (lower is better)"]
    parts.append(
        "Error of a codec that is shown the truth and reconstructs it. *All*: all pixels; *Grid*: an 8 × 8 grid of "
        + f"points. {describe_protocol(results)}"
    )
    parts.append("; ".join(describe_dataset(results, d) for d in dict.fromkeys(line.dataset for line in lines)) + ".")
    for convention, variant in table.variants.items():
        parts += [f"**Convention `{convention}`**: {CONVENTIONS[convention]}."]
        parts += [_values([li for li in lines if "" not in li.losses], variant, LOSSES, notes)]
        parts += [_values([li for li in lines if "" in li.losses], variant, {"": "Other codec"}, notes)]
    return [*parts, *_differences(lines, table, notes), notes, *_published(lines, table)]


def _values(lines: Sequence[Line], variant: str, losses: Mapping[str, str], notes: Notes) -> Table | str:
    """Our values in the paper's layout."""
    if not lines:
        return ""
    table = Table(["Data set", "Codec", *_titles(losses)], words=2)
    estimates = {
        (i, loss, region): entry.estimate(Measure(METRIC, variant, region))
        for i, line in enumerate(lines) for loss, entry in line.losses.items() for region in REGIONS
    }  # fmt: skip
    digits = decimals([e.mean for e in estimates.values()])
    for i, line in enumerate(lines):
        cells = [
            notes.cell(line.losses[loss], METRIC, with_interval(estimates[i, loss, region], digits))
            if loss in line.losses else NOTHING
            for loss in losses for region in REGIONS
        ]  # fmt: skip
        table.rows.append([escape(line.dataset), escape(line.codec), *cells])
    return table


def _titles(losses: Mapping[str, str]) -> list[str]:
    return [f"{title}, {region}" for title in losses.values() for region in REGIONS.values()]


def _differences(lines: Sequence[Line], table: PaperTable, notes: Notes) -> list[object]:
    """Every loss against L2, photograph by photograph (convention `sum`; the CSV file has both)."""
    records = [r for r in _difference_records(table, lines) if r["convention"] == "sum"]
    if not records:
        return []
    digits = decimals([r["l2_mean"] for r in records])
    shown = Table(["Data set", "Codec", "Loss", "Pixels", "Loss − L2", "in % of L2's mean", "Images that improve",
                   "Error is", "Images"], words=4)  # fmt: skip
    for r in records:
        difference = Estimate(r["difference_mean"], r["difference_low"], r["difference_high"], r["images"])
        percent = Estimate(r["percent_mean"], r["percent_low"], r["percent_high"], r["images"])
        shown.rows.append([
            escape(r["dataset"]), escape(r["codec"]), LOSSES[r["loss"]], REGIONS[r["region"]],
            with_interval(difference, digits, "+"), with_interval(percent, 1, "+"),
            f"{r['improve']:.0%}", verdict(difference), f"{r['images']:,}",
        ])  # fmt: skip
    return [f"**Table {table.number}, differences from L2**, photograph by photograph, convention `sum`. "
            "A negative difference is a smaller error than L2's.", shown]  # fmt: skip


def _difference_records(table: PaperTable, lines: Sequence[Line]) -> Iterator[dict[str, Any]]:
    for convention, variant in table.variants.items():
        for line in lines:
            for loss, entry in line.pairs():
                for region in REGIONS:
                    numbers = _against_l2(entry, line.losses["l2"], Measure(METRIC, variant, region))
                    names = {"convention": convention, "dataset": line.dataset, "codec": line.codec, "loss": loss}
                    if numbers["images"]:
                        yield {"table": table.number, **names, "region": region, **numbers}


def _against_l2(entry: Entry, l2: Entry, measure: Measure) -> dict[str, Any]:
    pair = paired(entry, l2, measure)
    difference = pair["first"].to_numpy(float) - pair["second"].to_numpy(float)
    estimate, base = mean_interval(difference), float(pair["second"].mean(skipna=False))
    scale = 100 / base if base else float("nan")
    percent = Estimate(estimate.mean * scale, estimate.low * scale, estimate.high * scale, estimate.n)
    improve = float((difference < 0).mean()) if len(difference) else float("nan")
    return {"images": estimate.n, "l2_mean": base, **columns("difference", estimate), **columns("percent", percent),
            "improve": improve}  # fmt: skip


def _published(lines: Sequence[Line], table: PaperTable) -> list[object]:
    known = [d for d in table.published if d in {line.dataset for line in lines}]
    if not known:
        return []
    shown = Table(["Data set", *_titles(LOSSES)])
    shown.rows = [[escape(d), *table.published[d]] for d in known]
    return [f"**Table {table.number} as published, not measured here**: Deshpande et al. 2017, arXiv v1; other data "
            "splits; not comparable number by number.", shown]  # fmt: skip


def _write_csvs(folder: Path, table: PaperTable, lines: Sequence[Line]) -> list[Path]:
    name = f"paper-table-{table.number}"
    paths = [write_csv(folder, name, list(_value_records(table, lines)))]
    differences = list(_difference_records(table, lines))
    return [*paths, write_csv(folder, f"{name}-differences", differences)] if differences else paths


def _value_records(table: PaperTable, lines: Sequence[Line]) -> Iterator[dict[str, Any]]:
    for convention, variant in table.variants.items():
        for line in lines:
            for loss, entry in line.losses.items():
                for region in REGIONS:
                    estimate = entry.estimate(Measure(METRIC, variant, region))
                    failed = entry.failed(METRIC)
                    yield {
                        "table": table.number, "convention": convention, "dataset": line.dataset,
                        "codec": line.codec, "loss": loss, "method": entry.label, "region": region,
                        **columns("error", estimate), "images": estimate.n, "seeds": len(entry.seeds),
                        "status": "done" if estimate.n else failed[0].status if failed else "not measured",
                        "reason": "; ".join(dict.fromkeys(f.reason for f in failed)),
                    }  # fmt: skip
