"""Scoring: what metrics say of samples, shard by shard. What was said is kept in the store,
whichever process scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from bench import keys, seeds
from bench.contracts import Dataset, Law, Metric, SampleSet, ScoreContext, Step, colour_weights
from bench.contracts.colour_weights import ColourWeights
from bench.data.prepare import PreparedSet
from bench.engine.plan import digest_of
from bench.errors import BenchError, reason
from bench.machine import threads
from bench.machine.workers import in_order
from bench.plugins import notation
from bench.plugins.loader import HOME, Registry
from bench.plugins.notation import Choice
from bench.scores import samples, shards
from bench.scores.shards import ShardScores
from bench.specs import IID, MetricSpec
from bench.store.local import Store

if TYPE_CHECKING:
    import numpy as np
    import torch

T = TypeVar("T")


@dataclass(frozen=True)
class LoadedMetric:
    """A metric's spec and parameters; `new` makes the object that scores one cell. identity: of the
    plugin that brings it."""

    spec: MetricSpec
    parameters: Mapping[str, Any]
    identity: str = ""

    @cached_property
    def version(self) -> str:
        """The spec's, and the parameters that are not the default, files by their content:
        `1[p=1.0]`. Values of different versions are different measures."""
        changed = {
            p.name: self.parameters[p.name]
            for p in self.spec.parameters
            if self.parameters[p.name] != p.default
        }
        files = {
            p.name: str(digest_of(p.type, changed[p.name]))[:12]
            for p in self.spec.parameters
            if p.type == "path" and p.name in changed
        }
        return notation.write(self.spec.version, {**changed, **files})

    def new(self) -> Metric:
        """A fresh metric. BenchError when it lacks something, such as a file of weights."""
        metric: Metric = self.spec.load()(**self.parameters)
        return metric

    def refusal(self, ask: str, shard: SampleSet, law: bool) -> str:
        """Why the metric is not computed for an ask, or nothing; law: whether the data set's is
        known."""
        return _refusal(self.spec, ask, shard, law)


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
        return ScoreContext(
            self.weights, self.prior, self.scale, self.prepared.grey(list(rows)), numbers, law
        )

    @cached_property
    def digest(self) -> str:
        """Of all that scores depend on beside samples and metrics; not of the photographs, which
        the samples' key covers."""
        given = [
            self.weights.name,
            keys.sha256(self.weights.prior.tobytes()),
            repr(self.weights.mean),
        ]
        return keys.key(
            "held-out",
            dataset=self.prepared.dataset,
            weights=given,
            prior=keys.sha256(self.prior.tobytes()),
            scale=self.scale,
            law=self.drawn.signature() if self.drawn else None,
        )


def held_out(
    test: PreparedSet, train: PreparedSet, protocol: Mapping[str, Any], drawn: Dataset | None = None
) -> HeldOut:
    """What scores need, from both prepared parts and what a protocol says of itself
    (`Protocol.describe`, or a manifest's); drawn: the data set, where its law is known."""
    colours = colour_weights.fit(protocol["weights"], train.ab, protocol["weight_floor"])
    prior = colour_weights.fit("zhang313", train.ab, protocol["weight_floor"]).prior
    return HeldOut(test, colours, prior, protocol["scale"], drawn)


def load_metrics(texts: Sequence[str], registry: Registry) -> list[LoadedMetric]:
    """The metrics that are named, or all but the optional ones; none of their code is imported.
    BenchError where one is unknown, or is named twice: its values would be taken for one
    another's."""
    specs = registry.specs["metrics"]
    standard = [
        Choice(name)
        for name, spec in sorted(specs.items())
        if isinstance(spec, MetricSpec) and not spec.optional
    ]
    loaded = []
    for choice in notation.parse_many(texts) if texts else standard:
        spec: MetricSpec = registry.get("metrics", choice.name)
        identity = registry.owner("metrics", choice.name).identity
        loaded.append(LoadedMetric(spec, spec.resolve(dict(choice.given)), identity))
    names = [metric.spec.name for metric in loaded]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise BenchError(
            f"--metrics names {twice} twice: score again into another run to compare its parameters"
        )
    return loaded


def unusable(metrics: Sequence[LoadedMetric]) -> dict[str, str]:
    """Those that can't be made, and why. BenchError where one says what it lacks, such as a file of
    weights."""
    found = {}
    for metric in metrics:
        try:
            metric.new()
        except BenchError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - failed rows; the other metrics' scores are not lost
            found[metric.spec.name] = reason(error)
    return found


def by_plugin(metrics: Sequence[LoadedMetric]) -> list[list[LoadedMetric]]:
    """huebench's own; those that one plugin brings, which are kept together; optional ones, each by
    itself. Where some pass a limit the others don't suffer."""
    found: dict[str, list[LoadedMetric]] = {HOME: []}
    for metric in metrics:
        alone = metric.spec.optional and metric.identity != HOME
        found.setdefault(f"optional {metric.spec.name}" if alone else metric.identity, []).append(
            metric
        )
    return [group for group in found.values() if group]


def begin(step: Step, what: str, group: Sequence[LoadedMetric]) -> None:
    """The metrics of a plugin are asked. The limit of time, and the blame, are for those that
    huebench does not bring itself."""
    names = [m.spec.name for m in group if m.identity != HOME]
    step(
        f"scoring {what} by {', '.join(names)}" if names else f"scoring {what}", bool(names), names
    )


def keep_scores(
    test: HeldOut,
    metrics: Sequence[LoadedMetric],
    ask: Mapping[str, Any],
    numbers: Sequence[int],
    store: Store,
) -> None:
    """Score some shards of an ask (as a manifest's cell has it) that are in the store, and keep
    what the metrics say there. Metrics that gather (`Metric.finish`) are left to
    `bench.scores.cells`: they have to see all shards."""
    scorer = Scorer(test, metrics, store)
    for _ in in_threads(lambda i: scorer.scores(ask, numbers[i]), len(numbers)):
        pass


class Scorer:
    """Metrics that score shard by shard; what they say is taken from the store, or put there.
    gathering: those that have to see all shards, one after the other; nothing of theirs is kept.
    unmade: those that can't be made, and why."""

    def __init__(self, test: HeldOut, metrics: Sequence[LoadedMetric], store: Store) -> None:
        self.test, self.store = test, store
        self.made: dict[str, Metric] = {}
        self.unmade: dict[str, str] = {}
        for metric in metrics:
            try:
                self.made[metric.spec.name] = metric.new()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a row with its reason; the other metrics' scores are not lost
                self.unmade[metric.spec.name] = reason(error)
        usable = [m for m in metrics if m.spec.name in self.made]
        self.gathering = [
            m for m in usable if type(self.made[m.spec.name]).finish is not Metric.finish
        ]
        self.groups = shards.groups([m for m in usable if m not in self.gathering])

    def scores(self, ask: Mapping[str, Any], number: int) -> ShardScores:
        """What the metrics that don't gather say of a shard."""
        shard = _Shard(self, ask, number)
        return shards.joined([self._kept(shard, group) for group in self.groups])

    def gathered(self, ask: Mapping[str, Any], number: int) -> ShardScores:
        """What those say that gather."""
        return _Shard(self, ask, number).scores(self.gathering)

    def _kept(self, shard: _Shard, group: Sequence[LoadedMetric]) -> ShardScores:
        key = shards.key(shard.key, group, self.test.digest)
        folder = self.store.get(
            "scores", key, lambda folder: shards.write(folder, shard.scores(group))
        )
        kept = shards.read(folder, self.store.describe("scores", key))
        lacking = [
            m for m in group if m.spec.name not in {*kept.metrics, *kept.refused}
        ]  # it failed: perhaps it does not now
        return shards.joined([kept, shard.scores(lacking)]) if lacking else kept


@dataclass(frozen=True)
class _Shard:
    """A shard of an ask; samples are read when they are needed."""

    scorer: Scorer
    ask: Mapping[str, Any]
    number: int

    @property
    def key(self) -> str:
        return str(self.ask["shards"][self.number])

    def scores(self, metrics: Sequence[LoadedMetric]) -> ShardScores:
        """What some metrics say."""
        given, law = self._samples, self.scorer.test.drawn is not None
        found = ShardScores(given.kind, given.ab.shape[1], len(given.ab))
        for metric in metrics:
            if refused := metric.refusal(self.ask["ask"], given, law):
                found.refused[metric.spec.name] = refused
            else:
                self._ask(metric.spec.name, found)
        return found

    def _ask(self, name: str, found: ShardScores) -> None:
        try:
            found.add(name, self.scorer.made[name].score(self._samples, *self._beside))
        except BenchError as error:
            found.refused[name] = str(error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a row with its reason; the other metrics' scores are not lost
            found.failed[name] = reason(error)

    @cached_property
    def _samples(self) -> SampleSet:
        return samples.read(self.scorer.store, self.key)

    @cached_property
    def _beside(self) -> tuple[torch.Tensor, ScoreContext]:
        """The truth and the context."""
        start, test = self.number * samples.SHARD, self.scorer.test
        rows = range(start, start + len(self._samples.ab))
        return test.prepared.truth(list(rows)), test.context(rows)


def _refusal(spec: MetricSpec, ask: str, shard: SampleSet, law: bool) -> str:
    if "law" in spec.needs and not law:
        return "it needs a known law, which photographs don't have"
    if shard.kind not in spec.accepts:
        wanted = "independent draws" if spec.accepts == IID else " or ".join(sorted(spec.accepts))
        return f"it needs {wanted}, and these are {_NAMES[shard.kind]}"
    if ask == "present" and spec.accepts == IID:
        return "it is taken of draws: what a method presents is its own choice"
    if "log_prob" in spec.needs and shard.log_prob is None:
        return "it needs a density, which the method does not have"
    count = shard.ab.shape[1]
    return (
        f"it needs at least {spec.least} samples, and there is {count}"
        if count < spec.least
        else ""
    )


_NAMES = {
    "iid": "independent draws",
    "modes": "modes",
    "centroids": "centroids of clustered draws",
    "point": "a point estimate",
    "reconstruction": "a reconstruction",
}


def in_threads(function: Callable[[int], T], count: int) -> Iterator[T]:
    """`function` of 0..count-1, in order, in a thread a core with one thread of torch each: arrays
    of one shard are too small to be split. One result more than there are threads is on its way at
    most."""
    import torch

    done = in_order(function, range(count), threads.cores(), lambda: torch.set_num_threads(1))
    with threads.pinned(1), closing(done):
        yield from done
