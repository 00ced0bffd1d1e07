"""The metrics of a run: which are asked, with which parameters, and which samples they refuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.contracts import Metric, SampleSet
from bench.errors import BenchError
from bench.plugins import notation
from bench.plugins.loader import HOME, Registry
from bench.plugins.notation import Choice
from bench.specs import IID, MetricSpec

_NAMES = {
    "iid": "independent draws",
    "modes": "modes",
    "centroids": "centroids of clustered draws",
    "point": "a point estimate",
    "reconstruction": "a reconstruction",
}


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
            p.name: str(p.identity(changed[p.name]))[:12]
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
