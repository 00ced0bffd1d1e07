"""Scoring: a step of its own over stored samples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import notation, samples
from bench.contracts import Metric
from bench.notation import Choice
from bench.plugins import Registry
from bench.prepare import PreparedSet
from bench.results import COLUMNS
from bench.specs import MetricSpec
from bench.store import Store
from bench.weights import ColourWeights

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class LoadedMetric:
    """A metric and its spec."""

    spec: MetricSpec
    metric: Metric


def load_metrics(texts: Sequence[str], registry: Registry) -> list[LoadedMetric]:
    """The metrics that are named, or all of them."""
    choices = notation.parse_many(texts) if texts else [Choice(n) for n in sorted(registry.specs["metrics"])]
    loaded = []
    for choice in choices:
        spec: MetricSpec = registry.get("metrics", choice.name)
        loaded.append(LoadedMetric(spec, spec.load()(**spec.resolve(dict(choice.given)))))
    return loaded


def score_cell(cell: dict[str, Any], metrics: Sequence[LoadedMetric], test: PreparedSet, weights: ColourWeights, scale: float,
               store: Store, run: str) -> pd.DataFrame:  # fmt: skip
    """The rows of one finished cell: every metric that accepts its kind, one value a photograph."""
    import pandas as pd

    frames, start = [], 0
    for key in cell["shards"]:
        shard = samples.read(store, key)
        rows = np.arange(start, start + len(shard.ab))
        start += len(rows)
        truth = test.truth(rows)
        for loaded in metrics:
            if shard.kind not in loaded.spec.accepts:
                continue
            for score in loaded.metric.score(shard, truth, weights, scale):
                frames.append(pd.DataFrame({
                    "image": [test.ids[i] for i in rows], "metric": loaded.spec.name, "variant": score.variant,
                    "metric_version": loaded.spec.version, "direction": loaded.spec.direction, "unit": loaded.spec.unit,
                    "region": score.region, "kind": shard.kind, "k": shard.ab.shape[1],
                    "value": np.asarray(score.values, dtype=np.float64), "status": "done", "reason": "",
                }))  # fmt: skip
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(COLUMNS))
    return _identify(frame, cell, run)


def failed_row(cell: dict[str, Any], run: str) -> pd.DataFrame:
    """A cell without samples is one row that says why."""
    import pandas as pd

    frame = pd.DataFrame([{"image": "", "metric": "", "variant": "", "metric_version": "", "direction": "none", "unit": "",
                           "region": "", "kind": "", "k": 0, "value": float("nan"), "status": cell["status"],
                           "reason": cell["reason"]}])  # fmt: skip
    return _identify(frame, cell, run)


def _identify(frame: pd.DataFrame, cell: dict[str, Any], run: str) -> pd.DataFrame:
    who = {"run": run, "cell": cell["key"], "dataset": cell["dataset"], "method": cell["method"], "role": cell["role"],
           "parameters": json.dumps(cell["parameters"], sort_keys=True), "seed": cell["seed"]}  # fmt: skip
    return frame.assign(**who)[list(COLUMNS)]
