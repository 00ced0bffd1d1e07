"""Scoring: a step of its own over stored samples."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from bench import notation, samples, seeds, threads
from bench.contracts import Dataset, Law, Metric, SampleSet, Score, ScoreContext
from bench.errors import BenchError, reason
from bench.notation import Choice
from bench.plan import digest_of
from bench.plugins import Registry
from bench.prepare import PreparedSet
from bench.score_table import COLUMNS, frame
from bench.specs import MetricSpec
from bench.store import Store
from bench.weights import ColourWeights

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
IID = frozenset({"iid"})


@dataclass(frozen=True)
class LoadedMetric:
    """A metric's spec and parameters; `new` makes the object that scores one cell."""

    spec: MetricSpec
    parameters: Mapping[str, Any]

    @property
    def version(self) -> str:
        """The spec's, and the parameters that are not the default, files by their content: `1[p=1.0]`. Values of
        different versions are different measures."""
        changed = {p.name: digest_of(p.type, self.parameters[p.name]) for p in self.spec.parameters
                   if self.parameters[p.name] != p.default}  # fmt: skip
        given = ",".join(f"{name}={str(value)[:12]}" for name, value in sorted(changed.items()))
        return f"{self.spec.version}[{given}]" if given else self.spec.version

    def new(self) -> Metric:
        """A fresh metric. BenchError when it lacks something, such as a file of weights."""
        metric: Metric = self.spec.load()(**self.parameters)
        return metric


@dataclass(frozen=True)
class HeldOut:
    """The test photographs of a data set and what their scores need."""

    prepared: PreparedSet
    weights: ColourWeights
    prior: np.ndarray
    scale: float
    drawn: Dataset | None = None
    """The data set, where its law is known."""

    def context(self, rows: Sequence[int]) -> ScoreContext:
        """The context of some photographs."""
        ids = [self.prepared.ids[i] for i in rows]
        numbers = [seeds.derive(0, "score", self.prepared.dataset, name) for name in ids]
        law: Law | None = self.drawn.law(ids) if self.drawn else None
        return ScoreContext(self.weights, self.prior, self.scale, self.prepared.grey(list(rows)), numbers, law)


def load_metrics(texts: Sequence[str], registry: Registry) -> list[LoadedMetric]:
    """The metrics that are named, or all but the optional ones. BenchError where one can't be made, or is named twice: its
    values would be taken for one another's."""
    specs = registry.specs["metrics"]
    standard = [Choice(name) for name, spec in sorted(specs.items()) if isinstance(spec, MetricSpec) and not spec.optional]
    loaded = []
    for choice in notation.parse_many(texts) if texts else standard:
        spec: MetricSpec = registry.get("metrics", choice.name)
        loaded.append(LoadedMetric(spec, spec.resolve(dict(choice.given))))
    names = [metric.spec.name for metric in loaded]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise BenchError(f"--metrics names {twice} twice: score again into another run to compare its parameters")
    for metric in loaded:
        metric.new()
    return loaded


@dataclass(frozen=True)
class Scored:
    """The scores of one shard, a list for each metric."""

    rows: range
    kind: str
    k: int
    scores: list[list[Score]]


@dataclass
class CellScores:
    """Scores one finished cell: `rows` batch by batch, and what it gathers on the way for `set_rows` at the end."""

    cell: Mapping[str, Any]
    metrics: Sequence[LoadedMetric]
    test: HeldOut
    store: Store
    run: str
    _sets: list[dict[str, Any]] = field(default_factory=list)

    def rows(self) -> Iterator[pd.DataFrame]:
        """The rows of every metric for every ask; a metric that is refused is one row that says why."""
        for ask in self.cell["asks"]:
            if ask["refused"]:
                refused = {m.spec.name: ask["refused"] for m in self.metrics if m.spec.accepts == IID}
                yield self._refusals(ask, refused)
            else:
                yield from self._ask(ask)

    def set_rows(self) -> list[dict[str, Any]]:
        """Values of the whole test set, complete when `rows` is exhausted."""
        return self._sets

    def _ask(self, ask: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
        first = samples.read(self.store, ask["shards"][0])
        reasons = {m.spec.name: _refusal(m.spec, ask["ask"], first, self.test.drawn is not None) for m in self.metrics}
        yield self._refusals(ask, {name: reason for name, reason in reasons.items() if reason})
        running = [_Running(m.spec, m.version, m.new()) for m in self.metrics if not reasons[m.spec.name]]

        def score(number: int) -> Scored:
            return self._shard(ask["shards"][number], number * samples.SHARD, running)

        for scored in in_threads(score, len(ask["shards"])):
            for each, scores in zip(running, scored.scores, strict=True):
                each.keep(scores)
            frames = [self._frames(each, scored, scores, ask) for each, scores in zip(running, scored.scores, strict=True)]
            yield self._identify(_concat([f for of_metric in frames for f in of_metric]))
        yield self._refusals(ask, {each.spec.name: each.refused for each in running if each.refused})
        yield self._refusals(ask, {each.spec.name: each.failed for each in running if each.failed}, "failed")
        for each in (r for r in running if not (r.refused or r.failed)):
            self._sets += [self._set_row(each, first, ask, *values) for values in each.set_values()]

    def _shard(self, key: str, start: int, running: Sequence[_Running]) -> Scored:
        shard = samples.read(self.store, key)
        rows = range(start, start + len(shard.ab))
        truth, context = self.test.prepared.truth(list(rows)), self.test.context(rows)
        return Scored(rows, shard.kind, shard.ab.shape[1], [each.score(shard, truth, context) for each in running])

    def _frames(self, running: _Running, scored: Scored, scores: Sequence[Score],
                ask: Mapping[str, Any]) -> Iterator[pd.DataFrame]:  # fmt: skip
        import pandas as pd

        spec = running.spec
        images = [self.test.prepared.ids[i] for i in scored.rows]
        for score in scores:
            values = np.asarray(score.values, dtype=np.float64)
            known = np.isfinite(values)
            yield pd.DataFrame({
                "image": images, "ask": ask["ask"], "metric": spec.name, "variant": score.variant,
                "metric_version": running.version, "direction": spec.direction, "unit": spec.unit, "region": score.region,
                "kind": scored.kind,
                "k": score.n or scored.k, "value": np.where(known, values, np.nan),
                "status": np.where(known, "done", "undefined"),
                "reason": np.where(known, "", "it has no value for this photograph"),
            })  # fmt: skip

    def _set_row(self, running: _Running, first: SampleSet, ask: Mapping[str, Any], variant: str, value: float, low: float,
                 high: float) -> dict[str, Any]:  # fmt: skip
        spec, cell = running.spec, self.cell
        return {"run": self.run, "cell": cell["key"], "dataset": cell["dataset"], "method": cell["method"], "role": cell["role"],
                "seed": cell["seed"], "ask": ask["ask"], "kind": first.kind, "k": first.ab.shape[1], "metric": spec.name,
                "variant": variant, "direction": spec.direction, "unit": spec.unit, "value": value, "low": low, "high": high,
                "images": len(self.test.prepared)}  # fmt: skip

    def _refusals(self, ask: Mapping[str, Any], reasons: Mapping[str, str], status: str = "refused") -> pd.DataFrame:
        of = {m.spec.name: m for m in self.metrics}
        rows = [{**_EMPTY, "ask": ask["ask"], "metric": name, "metric_version": of[name].version, "unit": of[name].spec.unit,
                 "direction": of[name].spec.direction, "status": status, "reason": reason}
                for name, reason in reasons.items()]  # fmt: skip
        return self._identify(frame(rows, [*_EMPTY]))

    def _identify(self, rows: pd.DataFrame) -> pd.DataFrame:
        return _identify(rows, self.cell, self.run)


_EMPTY: dict[str, Any] = {
    "image": "", "ask": "", "metric": "", "variant": "", "metric_version": "", "direction": "none", "unit": "", "region": "",
    "kind": "", "k": 0, "value": float("nan"), "status": "", "reason": "",
}  # fmt: skip


def failed_row(cell: Mapping[str, Any], run: str) -> pd.DataFrame:
    """A cell without samples is one row that says why."""
    return _identify(frame([{**_EMPTY, "status": cell["status"], "reason": cell["reason"]}], [*_EMPTY]), cell, run)


@dataclass
class _Running:
    """A metric on its way through one cell; keeps the columns that it combines into values of the set.

    refused: why these samples have no score, as the metric says. failed: what went wrong in it. Other metrics go on.
    """

    spec: MetricSpec
    version: str
    metric: Metric
    columns: dict[str, list[np.ndarray]] = field(default_factory=dict)

    refused: str = ""
    failed: str = ""
    turn: threading.Lock = field(default_factory=threading.Lock)

    def score(self, shard: SampleSet, truth: Any, context: ScoreContext) -> list[Score]:
        """The metric's scores of one shard; one that gathers for `finish` sees one shard at a time."""
        gathers = type(self.metric).finish is not Metric.finish
        try:
            with self.turn if gathers else nullcontext():
                return self.metric.score(shard, truth, context)
        except BenchError as error:
            self.refused = str(error)
        except Exception as error:  # noqa: BLE001 - a row with its reason; the other metrics' scores are not lost
            self.failed = reason(error)
        return []

    def keep(self, scores: Sequence[Score]) -> None:
        """Columns for `combine`."""
        if type(self.metric).combine is not Metric.combine:
            for score in scores:
                if score.region == "all":
                    values = np.asarray(score.values, dtype=np.float64)
                    self.columns.setdefault(score.variant, []).append(np.where(np.isfinite(values), values, np.nan))

    def set_values(self) -> Iterator[tuple[str, float, float, float]]:
        """Variant, value and interval."""
        if self.columns:
            from bench.stats import set_interval

            joined = {variant: np.concatenate(parts) for variant, parts in self.columns.items()}
            for variant, found in set_interval(self.metric.combine, joined).items():
                yield variant, found.mean, found.low, found.high
        for made in self.metric.finish():
            yield made.variant, made.value, made.low, made.high


def _refusal(spec: MetricSpec, ask: str, first: SampleSet, law: bool) -> str:
    """Why a metric is not computed for an ask, or nothing."""
    if "law" in spec.needs and not law:
        return "it needs a known law, which photographs don't have"
    if first.kind not in spec.accepts:
        wanted = "independent draws" if spec.accepts == IID else " or ".join(sorted(spec.accepts))
        return f"it needs {wanted}, and these are {_NAMES[first.kind]}"
    if ask == "present" and spec.accepts == IID:
        return "it is taken of draws: what a method presents is its own choice"
    if "log_prob" in spec.needs and first.log_prob is None:
        return "it needs a density, which the method does not have"
    count = first.ab.shape[1]
    return f"it needs at least {spec.least} samples, and there is {count}" if count < spec.least else ""


_NAMES = {"iid": "independent draws", "modes": "modes", "centroids": "centroids of clustered draws", "point": "a point estimate",
          "reconstruction": "a reconstruction"}  # fmt: skip


def in_threads(function: Callable[[int], T], count: int) -> Iterator[T]:
    """`function` of 0..count-1, in order, in a thread a core with one thread of torch each: arrays of one shard are too
    small to be split. One result more than there are threads is on its way at most."""
    import torch

    cores = threads.cores()
    with threads.pinned(1), ThreadPoolExecutor(cores, initializer=lambda: torch.set_num_threads(1)) as pool:
        waiting: deque[Future[T]] = deque()
        for number in range(count):
            waiting.append(pool.submit(function, number))
            if len(waiting) > cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _concat(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(frames, ignore_index=True) if frames else frame([], [*_EMPTY])


def _identify(rows: pd.DataFrame, cell: Mapping[str, Any], run: str) -> pd.DataFrame:
    who = {"run": run, "cell": cell["key"], "dataset": cell["dataset"], "method": cell["method"], "role": cell["role"],
           "parameters": json.dumps(cell["parameters"], sort_keys=True), "seed": cell["seed"]}  # fmt: skip
    return rows.assign(**who)[list(COLUMNS)]
