"""What metrics say of one shard of samples, as the store keeps it.

Metrics of one plugin are kept together, so that there are few files; optional ones each by itself,
since they come and go.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import keys
from bench.contracts import Score
from bench.store import stored
from bench.store.files import write_bytes
from bench.store.marks import Mark, ScoreMark

if TYPE_CHECKING:
    from bench.scores.metrics import LoadedMetric

SCORING = 1
"""Version of what metrics are told beside samples and truth (`bench.scores.scoring.HeldOut`):
scores of another one are not reused."""
Name = tuple[str, str, str, int]
"""Metric, variant, region, and of how many samples."""


@dataclass(frozen=True)
class ShardScores:
    """Values `(count,)`, NaN where a photograph has none, of k fields of a kind. refused, failed:
    metric -> why."""

    kind: str
    k: int
    count: int
    columns: dict[Name, np.ndarray] = field(default_factory=dict)
    metrics: set[str] = field(default_factory=set)
    """Those that gave values; these may be none."""
    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, metric: str, scores: Sequence[Score]) -> None:
        """What a metric gave. ValueError for a value too many or too few, and for a name that can't
        be written."""
        found: dict[Name, np.ndarray] = {}
        for score in scores:
            f"{score.variant}{score.region}".encode()
            values = np.asarray(score.values, dtype=np.float64)
            if values.shape != (self.count,):
                raise ValueError(
                    f"{score.variant} ({score.region}) has values {values.shape} of {self.count} "
                    "photographs"
                )
            found[metric, score.variant, score.region, score.n or self.k] = np.where(
                np.isfinite(values), values, np.nan
            )
        self.columns.update(found)
        self.metrics.add(metric)


def groups(metrics: Sequence[LoadedMetric]) -> list[list[LoadedMetric]]:
    """Metrics that are kept together."""
    found: dict[str, list[LoadedMetric]] = {}
    for metric in metrics:
        found.setdefault(
            f"optional {metric.spec.name}" if metric.spec.optional else metric.identity, []
        ).append(metric)
    return list(found.values())


def key(samples: str, group: Sequence[LoadedMetric], held_out: str) -> str:
    """The key of a group's scores of the samples with some key; held_out:
    `bench.scores.scoring.HeldOut.digest`."""
    described = [[m.identity, m.spec.name, m.version] for m in group]
    return keys.key(
        "scores", samples=samples, metrics=described, held_out=held_out, scoring=SCORING
    )


def write(folder: Path, scores: ShardScores) -> dict[str, Any]:
    """Write what metrics said; returns its description. What failed is not kept."""
    buffer = io.BytesIO()
    values = np.stack([*scores.columns.values()]) if scores.columns else np.empty((0, scores.count))
    np.save(buffer, values, allow_pickle=False)
    write_bytes(folder / "values.npy", buffer.getvalue())
    return {
        "sample_kind": scores.kind,
        "k": scores.k,
        "columns": [list(name) for name in scores.columns],
        "metrics": sorted(scores.metrics),
        "refused": scores.refused,
    }


def read(folder: Path, mark: Mark) -> ShardScores:
    """What `write` wrote. BenchError when it is damaged."""
    assert isinstance(mark, ScoreMark)
    names = mark.columns
    values = np.array(stored.array(folder / "values.npy", np.float64, (len(names), None)))
    columns = dict(zip(names, values, strict=True))
    return ShardScores(
        mark.sample_kind, mark.k, values.shape[1], columns, set(mark.metrics), dict(mark.refused)
    )


def joined(parts: Sequence[ShardScores]) -> ShardScores:
    """What several groups of metrics say of one shard."""
    found = (
        ShardScores(parts[0].kind, parts[0].k, parts[0].count) if parts else ShardScores("", 0, 0)
    )
    for part in parts:
        found.columns.update(part.columns)
        found.metrics.update(part.metrics)
        found.refused.update(part.refused)
        found.failed.update(part.failed)
    return found
