"""Values of whole test sets from columns over photographs: which variants `Metric.combine` gives,
and from what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from bench.contracts import Metric
from bench.errors import BenchError
from bench.plugins import notation
from bench.plugins.loader import Registry
from bench.scores.metrics import LoadedMetric
from bench.specs import MetricSpec


@dataclass(frozen=True)
class SetVariants:
    """Variants of a set's value, and the columns that they are made of."""

    variants: frozenset[str]
    parts: frozenset[str]


def load(name: str, version: str, plugins: Registry) -> Metric:
    """The metric that gave scores of a version, `1[p=1.0]`. BenchError where another one is
    installed."""
    spec: MetricSpec = plugins.get("metrics", name)
    choice = notation.parse(text_of(name, version, plugins))
    loaded = LoadedMetric(spec, spec.resolve(dict(choice.given)))
    if loaded.version != version:
        raise BenchError(
            f"metric {name} is installed in version {loaded.version}, the scores are of {version}: "
            "score again"
        )
    return loaded.new()


def text_of(name: str, version: str, plugins: Registry) -> str:
    """A metric of a version as it is asked for: `1[p=1.0]` of `crps` is `crps[p=1.0]`. BenchError
    where the text, which anyone may have written, names files or several metrics."""
    given = version.partition("[")[2]
    files = {p.name for p in plugins.get("metrics", name).parameters if p.type == "path"}
    if "[" in given or any(part.partition("=")[0].strip() in files for part in given.split(",")):
        raise BenchError(
            f"metric {name} of version {version[:80]} depends on files, which only a new run can "
            "use: score again"
        )
    return f"{name}[{given}" if given else name


def of(metric: Metric, columns: Mapping[str, np.ndarray]) -> SetVariants:
    """What `combine` makes of the columns, found by watching which of them it reads."""
    if type(metric).combine is Metric.combine or not columns:
        return SetVariants(frozenset(), frozenset())
    watched = _Watched(columns)
    try:
        return SetVariants(frozenset(metric.combine(watched)), frozenset(watched.read))
    except KeyError:  # the table lacks a part
        return SetVariants(frozenset(), frozenset())


class _Watched(Mapping[str, np.ndarray]):
    """Columns that remember which of them were read."""

    def __init__(self, columns: Mapping[str, np.ndarray]) -> None:
        self.columns, self.read = columns, set[str]()

    def __getitem__(self, name: str) -> np.ndarray:
        self.read.add(name)
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)
