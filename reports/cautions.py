"""What a reader has to know before any table: what is missing, refused, left out or not quite as it
should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.specs import CLAIMED

if TYPE_CHECKING:
    from bench.results.run_folder import Results


@dataclass(frozen=True)
class Caution:
    """A line, and its particulars."""

    text: str
    details: tuple[str, ...] = ()


def cautions(results: Sequence[Results]) -> list[Caution]:
    """Of all runs, each once."""
    return list(dict.fromkeys(w for result in results for find in FINDERS for w in find(result)))


def _cells(result: Results) -> Iterator[Caution]:
    lost = [c for c in result.cells if c.status != "done"]
    if lost:
        yield Caution(
            f"{_count(len(lost), 'cell')} without samples",
            tuple(f"{c.method} on {c.dataset}: {c.status}: {c.reason}" for c in lost),
        )


def _datasets(result: Results) -> Iterator[Caution]:
    from bench.results.report import caution_of
    from bench.scores.intervals import FEW

    for name, data in result.manifest.datasets.items():
        if text := caution_of(data):
            yield Caution(f"{name}: {text}")
        if (count := data.test.photographs) < FEW:
            yield Caution(f"{name}: {_count(count, 'test photograph')}: too few to show anything")


def _photographs(result: Results) -> Iterator[Caution]:
    from bench.results.copies import remarks

    for name, data in result.manifest.datasets.items():
        lines = [
            f"{word}: {image}: {why}"
            for word, part in data.parts.items()
            for image, why in part.excluded.items()
        ]
        lines += [f"{file}: {why}" for file, why in data.left_out.items()]
        if lines:
            yield Caution(f"{name}: {_count(len(lines), 'photograph')} left out", tuple(lines))
        for text, details in remarks(data):
            yield Caution(f"{name}: {text}", tuple(details))
        grey = [image for part in data.parts.values() for image in part.grey_only_kept]
        if grey:
            yield Caution(
                f"{name}: {_count(len(grey), 'photograph')} without any colour kept, as the "
                "protocol says",
                tuple(grey),
            )


def _claims(result: Results) -> Iterator[Caution]:
    """Draws that were believed, and what a method says of its own fit."""
    if result.claimed:
        yield Caution(
            f"{', '.join(result.claimed)}: {CLAIMED}; fair scores and ranks hold only as far as it "
            "is true"
        )
    for fit in result.manifest.fits:
        if caution := fit.notes.get("caution"):
            yield Caution(f"{fit.label} on {fit.dataset}: {caution}")


def _scores(result: Results) -> Iterator[Caution]:
    """Metrics that were refused, that failed, and values that are undefined."""
    columns = result.table.columns
    lost = [c for c in columns if c.status in ("refused", "failed") and c.metric]
    for status in sorted({c.status for c in lost}):
        some = [c for c in lost if c.status == status]
        groups: dict[tuple[str, ...], set[str]] = {}
        for c in some:
            groups.setdefault((c.reason, c.dataset, c.method, c.ask), set()).add(c.metric)
        lines = [
            f"{', '.join(sorted(metrics))}: {method}, {ask}, on {dataset}: {reason}"
            for (reason, dataset, method, ask), metrics in sorted(groups.items())
        ]
        text = (
            "don't apply: fair scores need draws, some need a known law or a density"
            if status == "refused"
            else status
        )
        yield Caution(f"{_count(sum(c.rows for c in some), 'score')} {text}", tuple(lines))
    counts: Counter[tuple[str, ...]] = Counter()
    for c in columns:
        counts[c.metric, c.variant, c.dataset, c.method, c.ask] += c.undefined
    if +counts:
        lines = [
            f"{m} {v}: {method}, {ask}, on {d}: {n:,} photographs"
            for (m, v, d, method, ask), n in sorted((+counts).items())
        ]
        yield Caution(
            f"{_count(counts.total(), 'value')} undefined: a mean over the others is not shown as "
            "the mean",
            tuple(lines),
        )


def _optional(result: Results) -> Iterator[Caution]:
    from bench.plugins.loader import registry
    from bench.specs import MetricSpec

    measured = {column.metric for column in result.table.columns}
    known = [spec for spec in registry().specs["metrics"].values() if isinstance(spec, MetricSpec)]
    optional = [spec for spec in known if spec.optional and spec.name not in measured]
    if optional:
        yield Caution(
            "not computed, since nobody asked for them by name: "
            f"{', '.join(s.name for s in optional)}",
            tuple(f"{s.name}: {s.summary}" for s in optional),
        )


def _making(result: Results) -> Iterator[Caution]:
    broken = [p for p in result.manifest.plugins if p.error]
    if broken:
        yield Caution(
            f"{_count(len(broken), 'plugin')} did not load",
            tuple(f"{p.name} of {p.distribution} {p.version}: {p.error}" for p in broken),
        )
    if (git := result.manifest.environment.git) and git.dirty:
        yield Caution(f"{result.folder.name} was made from a checkout with uncommitted changes")
    limits = [
        f"--limit-{word} left {part.photographs:,} of {listed:,} photographs of {name}"
        for name, data in result.manifest.datasets.items()
        for word, part in data.parts.items()
        if (listed := getattr(data.listed, word, 0)) > part.photographs + len(part.excluded)
    ]
    yield from (Caution(f"only a part of the data: {line}") for line in limits)


FINDERS = (_datasets, _cells, _photographs, _claims, _making, _scores, _optional)


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"
