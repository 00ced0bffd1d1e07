"""What `bench compare` writes: two runs side by side, in tables and in pictures of the photographs
that changed most."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bench.extend.markup import Table, html_page, to_html, to_latex
from bench.extend.style import plain
from bench.extend.tables import decimals, with_interval
from bench.hookspecs import hookimpl
from bench.machine import places
from bench.output import Output
from bench.specs import ReportSpec
from bench.store.files import write_text
from bench.text import csv, html
from bench.text import markdown as escape

from .figures.changed_photographs import ChangedSheet, changes, draw, grouped
from .headlines import ARROWS
from .tables import describe_dataset, describe_protocol

if TYPE_CHECKING:
    from bench.results.compare import Comparison, SeriesPair, SetPair
    from bench.results.omissions import Omission

QUALITY = 85
"""Of a sheet inside the HTML page."""
COUNTS = ("k", "images", "undefined_a", "undefined_b", "unpaired")
WORDS = (
    "identical",
    "better",
    "worse",
    "differs",
    "no difference shown",
    "too few images",
    "undefined",
)


@hookimpl
def bench_register_reports() -> Iterable[ReportSpec]:
    """The comparison of two runs."""
    yield ReportSpec(
        name="comparison",
        summary="two runs side by side: paired differences, what only one has, and the photographs "
        "that changed most",
        factory="bench.reports.comparison:write",
        compares=True,
    )


def write(comparison: Comparison, out: Output) -> list[Path]:
    """`compare.md`, `.html`, `.csv` and `.tex` as far as they are wanted, and
    `figures/changed-<dataset>.png`."""
    changed = changes(comparison, out.count)
    sheets = [draw(comparison, dataset, some, out) for dataset, some in changed.items()]
    beginning, end = (
        [*_head(comparison), *_headlines(comparison), *_remarks(comparison)],
        _every_row(comparison),
    )
    middle = [part for sheet in sheets for part in _changed(sheet)]
    texts: Mapping[str, Callable[[], str]] = {
        "md": lambda: (
            "\n\n".join(str(part) for part in [*beginning, *middle, *end] if str(part)) + "\n"
        ),
        "html": lambda: html_page(
            "Comparison of two runs", "\n".join(map(_html, [*beginning, *middle, *end]))
        ),
        "csv": lambda: _csv(comparison),
        "latex": lambda: to_latex(
            [part for part in [*beginning, *middle] if not isinstance(part, Picture)]
        ),
    }
    written = []
    for form, make in texts.items():
        if out.wants(form):
            written.append(out.folder / f"compare.{'tex' if form == 'latex' else form}")
            write_text(written[-1], make())
    return written + [sheet.path for sheet in sheets if sheet.path]


@dataclass(frozen=True)
class Picture:
    """A picture as a part of a page; empty text where there is none."""

    path: Path
    title: str

    def __str__(self) -> str:
        return f"![{escape(self.title)}]({quote(f'figures/{self.path.name}')})"

    @property
    def html(self) -> str:
        """The picture itself, not a link to it; as JPEG, a tenth of the bytes."""
        from PIL import Image

        from bench.pictures import images

        buffer = io.BytesIO()
        Image.fromarray(images.decode(self.path.read_bytes()).levels).save(
            buffer, "JPEG", quality=QUALITY
        )
        data = base64.b64encode(buffer.getvalue()).decode()
        return f'<img style="max-width:100%" alt="{html(self.title)}" src="data:image/jpeg;base64,{data}">'


def _html(part: object) -> str:
    return part.html if isinstance(part, Picture) else to_html([part])


def _head(comparison: Comparison) -> Iterator[object]:
    first, second = comparison.runs
    yield "# Comparison of two runs"
    called = places.labels(str(run.folder) for run in comparison.runs)
    a, b = (escape(called[str(run.folder)]) for run in comparison.runs)
    yield f"A is {a}, B is {b}. Differences are B − A."
    yield describe_protocol(comparison.runs)
    for dataset in (name for name in first.datasets if name in second.datasets):
        yield f"Data set {describe_dataset(comparison.runs, dataset)}."
    yield (
        "Differences are taken photograph by photograph, of the same photographs. *better* and "
        "*worse*: the interval of the "
        "difference leaves out 0, and the metric's direction (↑ more, ↓ less is better) says "
        "which; *differs*: the same where "
        "neither is better. Each row stands alone: where nothing differs, about one interval in "
        "twenty still leaves out 0. "
        "The intervals are of these trainings: another training seed can move a method by more "
        "than they say."
    )


def _headlines(comparison: Comparison) -> Iterator[object]:
    from bench.plugins.loader import registry
    from bench.results.compare import headline, said

    rows = headline(comparison, registry())
    yield "## Headline metrics"
    if not rows:
        yield "None of the compared values is a headline metric's."
        return
    table = Table(["Method", "Metric", "A", "B", "B − A", "B is"], words=2)
    for (dataset, _), some in grouped(rows).items():
        title = f"*{escape(dataset)}*"
        if not any(row[0] == title for row in table.rows):
            table.rows.append([title, "", "", "", "", ""])
        table.rows += [[_method(r), _metric(r), *_numbers(r), escape(said(r))] for r in some]
    yield table


def _method(row: SeriesPair) -> str:
    return escape(row.fact.method) + (" (control)" if row.about.role == "control" else "")


def _metric(row: SeriesPair | SetPair) -> str:
    return f"{escape(row.fact.metric)} {ARROWS.get(row.about.direction, '')}".strip()


def _numbers(row: SeriesPair) -> list[str]:
    """A, B, and the difference with its interval."""
    if any(row.undefined) or not row.difference.n:
        return ["–", "–", "–"]
    digits = decimals(row.means)
    return [
        *(f"{mean:.{digits}f}" for mean in row.means),
        with_interval(row.difference, digits + 1, "+"),
    ]


def _remarks(comparison: Comparison) -> Iterator[object]:
    if comparison.remarks:
        yield "## What else differs between the runs"
        yield "\n".join(f"- {escape(remark)}" for remark in comparison.remarks)
    if comparison.omissions:
        yield "## What is not compared"
        table = Table(["What", "Of", "Only in", "Why"], words=4)
        table.rows += [
            [what, _where(omissions), only, escape(reason)]
            for (what, only, reason), omissions in _by_reason(comparison.omissions).items()
        ]
        yield table


def _by_reason(omissions: Iterable[Omission]) -> dict[tuple[str, str, str], list[Omission]]:
    """What is missing for one reason of several methods is said once."""
    found: dict[tuple[str, str, str], list[Omission]] = {}
    for omission in omissions:
        metric = " ".join(text for text in (omission.metric, omission.part) if text) or "everything"
        found.setdefault((escape(metric), omission.only or "both", omission.reason), []).append(
            omission
        )
    return found


def _where(omissions: Sequence[Omission]) -> str:
    places = (
        " on ".join(escape(t) for t in (o.method, o.dataset) if t)
        + (f" ({escape(o.ask)})" if o.ask else "")
        for o in omissions
    )
    return "; ".join(dict.fromkeys(places))


def _changed(sheet: ChangedSheet) -> Iterator[object]:
    """The photographs that changed most on one data set."""
    yield f"## {escape(sheet.dataset)}: photographs that changed most"
    for change in sheet.changes:
        fact = change.row.fact
        yield f"Method {escape(fact.method)}, by {_metric(change.row)} ({escape(fact.variant)}, {escape(fact.ask)}, k = {fact.k}):"
        if not change.images:
            yield "No value of a photograph changed."
            continue
        digits = decimals([value for _, *values in change.images for value in values])
        table = Table(["Photograph", "A", "B", "B − A"])
        table.rows += [
            [
                escape(image),
                *(
                    format(number, f"{sign}.{digits}f")
                    for number, sign in ((a, ""), (b, ""), (b - a, "+"))
                ),
            ]
            for image, a, b in change.images
        ]
        yield table
    if sheet.path:
        yield Picture(
            sheet.path, f"{plain(sheet.dataset)}: grey, colourizations of A and of B, truth"
        )
    elif sheet.reason:
        yield f"No pictures: {escape(sheet.reason)}."


def _every_row(comparison: Comparison) -> Iterator[object]:
    from bench.results.compare import said

    yield "## Every value"
    counts: Counter[str] = Counter(row.word for row in comparison.rows)
    yield (
        f"{len(comparison.rows):,} rows: "
        + ", ".join(f"{counts[word]:,} {word}" for word in WORDS if counts[word])
        + "."
    )
    for (dataset, method), rows in grouped(comparison.rows).items():
        yield f"### {escape(method)} on {escape(dataset)}"
        table = Table(
            ["Metric", "Variant", "Of", "Region", "k", "A", "B", "B − A", "B is"], words=4
        )
        table.rows += [
            [
                _metric(r),
                escape(r.fact.variant),
                escape(f"{r.fact.ask}: {r.about.kind}"),
                escape(r.fact.region),
                str(r.fact.k),
                *_numbers(r),
                escape(said(r)),
            ]
            for r in rows
        ]
        yield table
    if comparison.sets:
        yield "### Values of whole test sets"
        yield "The interval of their difference is not known: intervals that overlap show nothing, either way."
        table = Table(["Method", "Data set", "Metric", "Variant", "Of", "A", "B"], words=5)
        table.rows += [_set_row(row) for row in comparison.sets]
        yield table


def _set_row(row: SetPair) -> list[str]:
    fact, digits = row.fact, decimals([row.first.mean, row.second.mean])
    words = [
        escape(text) for text in (fact.method, fact.dataset, _metric(row), fact.variant, fact.ask)
    ]
    return [*words, with_interval(row.first, digits), with_interval(row.second, digits)]


def _csv(comparison: Comparison) -> str:
    """All rows, values of whole sets and what is not compared, in one table."""
    import pandas as pd

    records = [
        *map(_record, comparison.rows),
        *map(_set_record, comparison.sets),
        *map(_omission_record, comparison.omissions),
    ]
    table = pd.DataFrame(records)
    return csv(table.astype({name: "Int64" for name in COUNTS if name in table}))


def _record(row: SeriesPair) -> dict[str, Any]:
    gap, undefined = row.difference, row.undefined
    return {
        **row.fact._asdict(),
        "role": row.about.role,
        "kind": row.about.kind,
        "unit": row.about.unit,
        "direction": row.about.direction,
        "images": gap.n,
        "a_mean": row.means[0],
        "b_mean": row.means[1],
        "difference_mean": gap.mean,
        "difference_low": gap.low,
        "difference_high": gap.high,
        "word": row.word,
        "undefined_a": undefined[0],
        "undefined_b": undefined[1],
        "unpaired": row.unpaired,
    }


def _set_record(row: SetPair) -> dict[str, Any]:
    a, b = row.first, row.second
    return {
        **row.fact._asdict(),
        "role": row.about.role,
        "unit": row.about.unit,
        "direction": row.about.direction,
        "images": min(a.n, b.n),
        "a_mean": a.mean,
        "a_low": a.low,
        "a_high": a.high,
        "b_mean": b.mean,
        "b_low": b.low,
        "b_high": b.high,
        "difference_mean": b.mean - a.mean,
        "word": "not tested",
    }


def _omission_record(omission: Omission) -> dict[str, Any]:
    return {
        "dataset": omission.dataset,
        "method": omission.method,
        "ask": omission.ask,
        "metric": omission.metric,
        "variant": omission.part,
        "word": "not compared",
        "only_in": omission.only,
        "reason": omission.reason,
    }
