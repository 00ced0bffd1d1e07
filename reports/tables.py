"""What the tables of several reports say: footnotes, verdicts, and what is in every caption."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.extend.markup import Caption
from bench.extend.tables import NOTHING, with_interval
from bench.results.series import Measure
from bench.specs import CLAIMED
from bench.text import markdown as escape
from bench.text import markdown_code as code

from .scores import CLAIM, Entry

if TYPE_CHECKING:
    from bench.results.run_folder import Results
    from bench.scores.intervals import Estimate
    from bench.scores.manifest import Part

NOT_MEASURED = (
    "not measured: it is optional, or was not among the run's --metrics, or is newer than the run"
)


@dataclass
class Notes:
    """Footnotes, numbered in the order in which they are first used."""

    lines: list[str] = field(default_factory=list)

    def mark(self, text: str) -> str:
        """The mark, `(1)`, of a note; the same note keeps its number."""
        if text not in self.lines:
            self.lines.append(text)
        return f"({self.lines.index(text) + 1})"

    def __str__(self) -> str:
        return "  \n".join(f"({i}) {line}" for i, line in enumerate(self.lines, 1))

    def failures(self, entry: Entry, *metrics: str) -> str:
        """The marks of what failed in an entry. What is refused has one reason for all methods, and
        one note."""
        where = f"{escape(entry.label)} on {escape(entry.dataset)}"
        texts = [
            ("" if f.status == "refused" else f"{where}, seed {f.seed or '?'}: ")
            + f"{f.status}: {escape(f.reason)}"
            for f in entry.failed(*metrics)
        ]
        return " ".join(self.mark(text) for text in dict.fromkeys(texts))

    def cell(self, entry: Entry | None, metric: str, text: str) -> str:
        """`text` where there is a value, else `failed` with its reason, else a dash."""
        if entry is None:
            return NOTHING
        marks = self.failures(entry, metric)
        if not text:
            return f"{entry.failed(metric)[0].status} {marks}" if marks else NOTHING
        return f"{text} {marks}".strip()

    def value(self, entry: Entry, measure: Measure, digits: int) -> str:
        """A mean with its interval; or a word and a note that says why there is none."""
        estimate = entry.estimate(measure)
        if estimate.n and math.isnan(estimate.mean):
            return f"undefined {self.mark(_undefined(entry, measure, digits))}"
        return self.said(entry, measure.metric, with_interval(estimate, digits))

    def said(self, entry: Entry, metric: str, text: str) -> str:
        """As `cell`, and what was not measured has its note too."""
        found = self.cell(entry, metric, text)
        return f"{NOTHING} {self.mark(NOT_MEASURED)}" if found == NOTHING else found


def verdict(estimate: Estimate) -> str:
    """A plain word for a paired difference `first - second`."""
    from bench.scores.intervals import FEW

    if estimate.n < FEW:
        return "too few images"
    if math.isnan(estimate.mean):
        return "undefined"
    if estimate.high < 0:
        return "lower"
    return "higher" if estimate.low > 0 else "no difference shown"


def describe_protocol(results: Sequence[Results], draws: bool = False) -> Caption:
    """What every caption says: the protocol, the scale, how many samples, and what the intervals
    are."""
    protocol = results[0].manifest.protocol
    samples = (
        f"{protocol.get('draws', 'no')} independent draws a photograph"
        if draws
        else f"k = {protocol['k']}"
    )
    digest = results[0].manifest.protocol_digest[:12]
    presets = dict.fromkeys(str(r.manifest.preset) for r in results if r.manifest.preset)
    return Caption(
        f"Protocol {code(str(protocol['name']))} (digest {escape(digest)}), preset "
        f"{escape(' and '.join(presets) or 'unknown')}, "
        f"weights {escape(str(protocol['weights']))}; ab divided by {protocol['scale']:g} before errors "
        "and variances are "
        f"taken; {samples}. In brackets: 95 % bootstrap intervals over test photographs, after "
        "averaging "
        "over seeds."
    )


def describe_dataset(results: Sequence[Results], dataset: str) -> str:
    """`lfw: 1,000 test and 12,233 training photographs`; runs that differ are told apart by `or`."""
    parts = [r.manifest.datasets[dataset] for r in results if dataset in r.manifest.datasets]
    counts = {name: _counts([p.parts[name] for p in parts]) for name in ("test", "train")}
    return f"{escape(dataset)}: {counts['test']} test and {counts['train']} training photographs"


def describe_samples(entries: Sequence[Entry]) -> str:
    """`Samples a photograph: 10; photographs: 96; training seeds: 3 (cvae: 2).`: the usual numbers,
    and who differs."""
    counts = {
        "Samples a photograph": {e.label: e.k for e in entries},
        "photographs": {e.label: e.scores.photographs for e in entries},
        "training seeds": {e.label: len(e.seeds) for e in entries},
    }
    claimed = (
        f" {CLAIM.strip()}: {CLAIMED}." if any(e.label.endswith(CLAIM) for e in entries) else ""
    )
    return (
        "; ".join(f"{name}: {_usual(count)}" for name, count in counts.items()) + "." + claimed
        if entries
        else ""
    )


def _undefined(entry: Entry, measure: Measure, digits: int) -> str:
    """A mean over the rest would flatter a method that has no value where it is worst: it is no
    more than a remark."""
    from bench.scores.intervals import mean_interval

    values = entry.values(measure)
    rest = values.dropna().to_numpy(float)
    others = (
        f"; the mean over the others is {with_interval(mean_interval(rest), digits)}"
        if len(rest)
        else ""
    )
    missing = f"{len(values) - len(rest):,} of {len(values):,} photographs"
    return f"{escape(entry.label)} on {escape(entry.dataset)}: no value for {missing}{others}"


def _counts(parts: Sequence[Part]) -> str:
    return " or ".join(dict.fromkeys(_count(p) for p in parts)) or "?"


def _usual(counts: Mapping[str, int]) -> str:
    values = list(counts.values())
    usual = max(values, key=values.count)
    others = ", ".join(
        f"{escape(label)}: {count:,}" for label, count in counts.items() if count != usual
    )
    return f"{usual:,}" + (f" ({others})" if others else "")


def _count(part: Part) -> str:
    left_out = f" ({len(part.excluded)} left out)" if part.excluded else ""
    return f"{part.photographs:,}{left_out}"
