"""What a run will do: its data sets, its cells (one method on one data set with one seed), what each
is asked, and the fits that they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bench.contracts import Law, Method, PreparedSet
from bench.contracts.request import Request
from bench.data.duplicates import Duplicates
from bench.data.source import Source
from bench.protocol import Protocol
from bench.scores.manifest import Ask
from bench.specs import MethodSpec
from bench.store.local import Store

SEEDS = 2
"""Version of how draws get their seeds (`bench.engine.sampling`): samples of another one are not
reused."""


@dataclass(frozen=True)
class Fit:
    """One method to be fitted on one data set with one seed, and the fits that it requires.

    `label` is what was asked for, paths shortened (`bench.machine.places`); `parameters` are all of
    them, resolved.
    """

    key: str
    label: str
    spec: MethodSpec
    parameters: Mapping[str, Any]
    dataset: str
    seed: int
    requires: Mapping[str, Fit] = field(default_factory=dict)

    def method(self) -> Method:
        """A new, unfitted method."""
        method: Method = self.spec.load()(**self.parameters)
        return method

    def chain(self) -> list[Fit]:
        """This fit and all that it requires, in the order in which they can be made."""
        return [f for part in self.requires.values() for f in part.chain()] + [self]


@dataclass(frozen=True)
class Cell:
    """One fit and what it is asked for the photographs of the test part. incompatible: why the
    method can't be fitted; broken: why it can't even be made. Both are known when it was tried
    (`Plan.tried`)."""

    key: str
    fit: Fit
    asks: tuple[Ask, ...]
    incompatible: str | None = None
    broken: str = ""

    @property
    def name(self) -> str:
        """What people call it."""
        seed = f" (seed {self.fit.seed})" if self.fit.seed else ""
        return f"{self.fit.label} on {self.fit.dataset}{seed}"

    def missing(self, store: Store) -> int:
        """How many shards are not in the store."""
        shards = (key for ask in self.asks for key in ask.shards)
        return sum(store.find("samples", key) is None for key in shards)


@dataclass(frozen=True)
class Data:
    """A data set of a run: its source, both prepared parts, and what one has of the other."""

    source: Source
    train: PreparedSet
    test: PreparedSet
    duplicates: Duplicates

    def law(self, ids: Sequence[str]) -> Law | None:
        """The known P(C | G) of some photographs, if there is one."""
        return self.source.dataset.law(ids) if self.source.spec.known_law else None


@dataclass(frozen=True)
class Plan:
    """Everything that a run will do."""

    request: Request
    protocol: Protocol
    data: Mapping[str, Data]
    cells: tuple[Cell, ...]

    def fits(self) -> list[Fit]:
        """All fits, each once, in an order in which they can be made."""
        possible = (cell for cell in self.cells if not (cell.incompatible or cell.broken))
        return list({f.key: f for cell in possible for f in cell.fit.chain()}.values())

    def tried(self, unfit: Mapping[str, str], broken: Mapping[str, str]) -> Plan:
        """The same plan, with what trying its methods has shown: keys of fits -> why not."""
        return replace(self, cells=tuple(_judged(cell, unfit, broken) for cell in self.cells))


def describe_fit(fit: Fit) -> dict[str, Any]:
    """What a stored fit says of itself."""
    return {
        "method": fit.spec.name,
        "version": fit.spec.version,
        "label": fit.label,
        "parameters": dict(fit.parameters),
        "dataset": fit.dataset,
        "seed": fit.seed,
        "requires": {n: f.key for n, f in fit.requires.items()},
    }


def _judged(cell: Cell, unfit: Mapping[str, str], broken: Mapping[str, str]) -> Cell:
    for part in cell.fit.chain():
        if part.key in unfit or part.key in broken:
            return replace(cell, incompatible=unfit.get(part.key), broken=broken.get(part.key, ""))
    return cell
