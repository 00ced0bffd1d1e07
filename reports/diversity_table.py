"""Error-of-best and variance of every method, and the paired differences between them (section
7.3)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
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
from bench.results.series import Measure
from bench.specs import ReportSpec
from bench.text import markdown as escape

from .scores import (
    ERROR_OF_BEST,
    ERROR_OF_BEST_GRID,
    MEAN_ERROR,
    VARIANCE,
    Entry,
    difference,
    gather,
)
from .tables import Notes, describe_dataset, describe_protocol, verdict

if TYPE_CHECKING:
    from bench.results.run_folder import Results
    from bench.scores.intervals import Estimate

METRICS = ("error-of-best", "variance")
MEASURES = {
    "error_of_best": ERROR_OF_BEST,
    "error_of_best_grid": ERROR_OF_BEST_GRID,
    "mean_error": MEAN_ERROR,
    "variance": VARIANCE,
}
HEADER = (
    "Method",
    "Kind",
    "Error-of-best ↓",
    "Error-of-best, grid ↓",
    "Mean error ↓",
    "Variance",
    "k",
    "Images",
    "Seeds",
)
WARNING = (
    "Error-of-best compares the best of k fields with the truth. It compares sample sets of "
    "different kinds (draws, "
    "modes, cluster centres), and it rewards a wrong spread: it is no ranking by itself; read it "
    "with the variance."
)


PUBLISHED = {
    "imagenet-val": (
        "Ardizzone et al. 2019, arXiv:1907.02392, by the script behind their table: the first "
        "5,120 validation photographs, "
        "cropped to 256, RGB in 0..1; 8 samples; root mean squares times 100, the best of 8 taken "
        "at every pixel and channel; "
        "the one of RMS of 1 is the mean of VAE-MDN's heaviest component, and a random draw of "
        "cINN; ± by bootstrap. Neither the "
        "metric nor the protocol is that of the table above",
        [
            ["cINN", "3.53 ± 0.04", "9.52 ± 0.06", "0.00352 ± 0.00003"],
            ["VAE-MDN (Deshpande et al.)", "4.06 ± 0.04", "8.40 ± 0.07", "0.00210 ± 0.00002"],
            ["CNN (Iizuka et al.)", "6.77 ± 0.05", "6.77 ± 0.05", NOTHING],
            ["cGAN, one output", "9.75 ± 0.06", "9.75 ± 0.06", NOTHING],
        ],
    )
}
"""Verified values from literature, and what differs; never in one table with measured ones."""


@hookimpl
def bench_register_reports() -> Iterable[ReportSpec]:
    """Error-of-best and variance."""
    yield ReportSpec(
        name="diversity-table",
        summary="error-of-best, mean error and variance of every method, with paired differences",
        factory="bench.reports.diversity_table:write",
        citation="Deshpande et al. 2017, arXiv:1612.01958, section 7.3",
    )


def write(results: Sequence[Results], out: Output) -> list[Path]:
    """`tables/diversity-table.md`, its numbers as CSV, and the pairs' differences as
    `diversity-differences.csv`."""
    from bench.scores.intervals import FEW

    found = gather(results, METRICS, ["colourizer", "control"])
    if not found:
        return []
    best = {dataset: best_and_ties(entries) for dataset, entries in found.items()}
    pairs = {dataset: list(_pairs(entries)) for dataset, entries in found.items()}
    parts: list[object] = [
        "### Diversity: error-of-best and variance",
        WARNING,
        Caption(f"Errors are |Δa| + |Δb| (convention `sum`). {describe_protocol(results)}"),
        "Bold: the method with the lowest error-of-best, and those whose paired difference from it "
        "has an interval "
        f"that holds 0 (or rests on fewer than {FEW} images), or another sign in some training. "
        "Controls stand apart at the "
        "end and are never bold.",
    ]
    for dataset, entries in found.items():
        parts += _section(results, dataset, entries, best[dataset], pairs[dataset])
    records = [_record(e, best[d]) for d, entries in found.items() for e in _controls_last(entries)]
    paths = [
        *write_tables(out, "diversity-table", parts),
        *write_csv(out, "diversity-table", records),
    ]
    differences = [r for some in pairs.values() for r in some]
    return [*paths, *write_csv(out, "diversity-differences", differences)] if differences else paths


def trainings(first: Entry, second: Entry, measure: Measure) -> list[float]:
    """The mean difference of each training seed that both have, if there are several."""
    ones, others = (entry.scores.by_seed(measure) for entry in (first, second))
    gaps = [float((ones[seed] - others[seed]).mean()) for seed in ones if seed in others]
    return gaps if len(gaps) > 1 else []


def told(first: Entry, second: Entry, measure: Measure) -> str:
    """The word for a difference, and whether some training turns it round: intervals over
    photographs don't know that."""
    return _word(difference(first, second, measure), trainings(first, second, measure))


def _word(estimate: Estimate, gaps: Sequence[float]) -> str:
    word = verdict(estimate) if estimate.n else "not measured"
    turned = min(gaps, default=0.0) < 0 < max(gaps, default=0.0)
    return f"{word}, not in every training" if turned and word in ("lower", "higher") else word


def best_and_ties(entries: Sequence[Entry]) -> list[str]:
    """Labels of the colourizer with the lowest error-of-best and of those not shown to differ from
    it in every training."""
    scored = [
        (e.values(ERROR_OF_BEST).mean(skipna=False), e) for e in entries if e.role == "colourizer"
    ]
    scored = [
        (mean, e) for mean, e in scored if mean == mean
    ]  # NaN: not measured, or an undefined value
    if not scored:
        return []
    best = min(scored, key=lambda pair: pair[0])[1]
    words = {e.label: told(e, best, ERROR_OF_BEST) for _, e in scored}
    return [
        label
        for label, word in words.items()
        if label == best.label or word not in ("higher", "lower")
    ]


def _section(
    results: Sequence[Results],
    dataset: str,
    entries: Sequence[Entry],
    best: Sequence[str],
    pairs: Sequence[dict[str, Any]],
) -> list[object]:
    notes = Notes()
    return [
        f"#### {escape(dataset)}",
        Caption(f"{describe_dataset(results, dataset)}."),
        _values(entries, best, notes),
        _beaten(entries, best),
        notes,
        *_differences(pairs),
        *_published(dataset),
    ]


def _controls_last(entries: Sequence[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda e: e.role == "control")


def _values(entries: Sequence[Entry], best: Sequence[str], notes: Notes) -> Table:
    table = Table(HEADER, words=2)
    estimates = {e.label: {n: e.estimate(m) for n, m in MEASURES.items()} for e in entries}
    errors = decimals([e[n].mean for e in estimates.values() for n in MEASURES if n != "variance"])
    digits = dict.fromkeys(MEASURES, errors) | {
        "variance": decimals([e["variance"].mean for e in estimates.values()])
    }
    controls_begin = next((e for e in _controls_last(entries) if e.role == "control"), None)
    for entry in _controls_last(entries):
        if entry is controls_begin:
            table.rows.append(["*controls*", *[""] * (len(HEADER) - 1)])
        numbers = estimates[entry.label]
        texts = {n: with_interval(numbers[n], digits[n]) for n in MEASURES}
        if entry.label in best:
            texts["error_of_best"] = f"**{texts['error_of_best']}**"
        cells = [notes.cell(entry, m.metric, texts[n]) for n, m in MEASURES.items()]
        k, images = (
            (str(entry.k), f"{_images(numbers):,}") if entry.measured else (NOTHING, NOTHING)
        )
        seeds = str(len(entry.seeds)) if entry.seeds else NOTHING
        table.rows.append(
            [escape(entry.label), escape(entry.kind) or NOTHING, *cells, k, images, seeds]
        )
    return table


def _images(numbers: dict[str, Estimate]) -> int:
    return max(e.n for e in numbers.values())


def _beaten(entries: Sequence[Entry], best: Sequence[str]) -> str:
    """Says so when a control, which makes no attempt, scores as low as the best method."""
    winners = [e for e in entries if e.label in best]
    if not winners:
        return ""
    first = min(winners, key=lambda e: e.values(ERROR_OF_BEST).mean())
    controls = [e for e in entries if e.role == "control" and len(e.values(ERROR_OF_BEST))]
    found = [
        e
        for e in controls
        if told(e, first, ERROR_OF_BEST)
        not in ("higher", "undefined", "too few images", "not measured")
    ]
    if not found:
        return ""
    names = ", ".join(escape(e.label) for e in found)
    return f"Not shown to be beaten in error-of-best by the best method, {escape(first.label)}: control {names}."


def _differences(pairs: Sequence[dict[str, Any]]) -> list[object]:
    if not pairs:
        return []
    header = [
        "First",
        "Second",
        "Error-of-best, first − second",
        "First is",
        "Variance, first − second",
        "First is",
        "Images",
    ]
    table = Table(header, words=2)
    digits = {n: decimals([r[f"{n}_mean"] for r in pairs]) for n in ("error_of_best", "variance")}
    for r in pairs:
        cells = [c for n, d in digits.items() for c in _difference_cells(r, n, d)]
        table.rows.append([escape(r["first"]), escape(r["second"]), *cells, f"{r['images']:,}"])
    return [
        Caption(
            "Paired differences, photograph by photograph; each interval stands for itself (they "
            "are not corrected for the "
            "number of pairs) and for the trainings as they are: where one of them alone would say "
            "the opposite, that is "
            "said."
        ),
        table,
    ]


def _published(dataset: str) -> list[object]:
    if dataset not in PUBLISHED:
        return []
    source, rows = PUBLISHED[dataset]
    table = Table(["Method", "RMS, best of 8", "RMS of 1", "Variance"], [list(row) for row in rows])
    return [Caption(f"**As published, not measured here: {source}**"), table]


def _difference_cells(record: dict[str, Any], name: str, digits: int) -> tuple[str, str]:
    estimate = from_columns(name, record, record[f"{name}_images"])
    return with_interval(estimate, digits, "+") or NOTHING, record[f"{name}_first_is"]


def _pairs(entries: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    """Every pair in the data set, as raw numbers."""
    measured = [e for e in _controls_last(entries) if e.scores.has(*METRICS)]
    for first, second in combinations(measured, 2):
        record: dict[str, Any] = {
            "dataset": first.dataset,
            "first": first.label,
            "second": second.label,
        }
        for name in ("error_of_best", "variance"):
            estimate, gaps = (
                difference(first, second, MEASURES[name]),
                trainings(first, second, MEASURES[name]),
            )
            record |= {
                **columns(name, estimate),
                f"{name}_images": estimate.n,
                f"{name}_least": min(gaps, default=math.nan),
                f"{name}_most": max(gaps, default=math.nan),
                f"{name}_first_is": _word(estimate, gaps),
            }
        yield {**record, "images": max(record["error_of_best_images"], record["variance_images"])}


def _record(entry: Entry, best: Sequence[str]) -> dict[str, Any]:
    numbers = {name: entry.estimate(measure) for name, measure in MEASURES.items()}
    failed = entry.failed(*METRICS)
    images = _images(numbers)
    return {
        "dataset": entry.dataset,
        "method": entry.label,
        "role": entry.role,
        "kind": entry.kind,
        "k": entry.k,
        "images": images,
        "seeds": len(entry.seeds),
        "best_or_tied": entry.label in best,
        "status": "done" if images else failed[0].status if failed else "not measured",
        "reason": "; ".join(dict.fromkeys(f.reason for f in failed)),
        **{k: v for name, estimate in numbers.items() for k, v in columns(name, estimate).items()},
    }
