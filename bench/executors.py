"""Execute a plan's cells. `serial` does one after the other; one failed cell never stops the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import samples, seeds, threads, weights
from bench.asking import Asking
from bench.contracts import FitContext, Method, Progress
from bench.errors import BenchError, reason, trace
from bench.hookspecs import hookimpl
from bench.plan import Cell, Fit, Plan, describe_fit
from bench.specs import ExecutorSpec
from bench.store import Store
from bench.weights import ColourWeights


@dataclass(frozen=True)
class Outcome:
    """How a cell ended: `done`, `cached`, `failed` or `incompatible`, with the reason, and the traceback if there is one."""

    cell: Cell
    status: str
    reason: str = ""
    seconds: float = 0.0
    trace: str = ""


@dataclass
class Workshop:
    """What executing cells needs: the store, the fitted methods of this process and the weights of each data set.

    folder: of the run. step: told what begins, with the key of the fit if it is one. broken: fits that failed, and why: they
    are not tried again for another cell.
    """

    plan: Plan
    store: Store
    progress: Progress
    debug: bool = False
    folder: Path | None = None
    step: Callable[[str, str], None] = lambda what, fit: None
    broken: dict[str, str] = field(default_factory=dict)
    fitted: dict[str, Method] = field(default_factory=dict)
    colours: dict[str, ColourWeights] = field(default_factory=dict)

    def colour_weights(self, dataset: str) -> ColourWeights:
        """The colour-rarity weights of a data set's train split."""
        if dataset not in self.colours:
            protocol = self.plan.protocol
            self.colours[dataset] = weights.fit(
                protocol.weights, self.plan.data[dataset].train.ab, protocol.weight_floor
            )
        return self.colours[dataset]

    def method(self, fit: Fit) -> Method:
        """The fitted method: from this process, else the store, else fitted now and stored."""
        if fit.key in self.broken:
            raise BenchError(f"{fit.label}, which it needs, failed: {self.broken[fit.key]}")
        if fit.key not in self.fitted:
            method = fit.method()
            context = self._context(fit)
            stored = self.store.find("fits", fit.key)
            if stored:
                self.step(f"loading {fit.label} on {fit.dataset}", "")
                method.load(stored, context)
            else:
                self._fit_and_keep(method, fit, context)
            method.key = fit.key  # type: ignore[attr-defined]  # names what is derived from it in the store
            self.fitted[fit.key] = method
        return self.fitted[fit.key]

    def settled(self, cell: Cell) -> Outcome | None:
        """The outcome of a cell for which nothing is to do."""
        if cell.broken:
            return Outcome(cell, "failed", cell.broken)
        if cell.incompatible:
            return Outcome(cell, "incompatible", cell.incompatible)
        return None if cell.missing(self.store) else Outcome(cell, "cached")

    def execute(self, cell: Cell) -> Outcome:
        """Fit what is needed and make the missing shards of a cell."""
        start = time.monotonic()
        if settled := self.settled(cell):
            return settled
        try:
            with threads.pinned(self.plan.request.threads or threads.wanted()):
                self._sample(cell)
        except (Exception, SystemExit) as error:  # kept as a row with its reason; the other cells go on
            if self.debug:
                raise
            return Outcome(cell, "failed", reason(error), time.monotonic() - start, trace(error))
        return Outcome(cell, "done", seconds=time.monotonic() - start)

    def _fit_and_keep(self, method: Method, fit: Fit, context: FitContext) -> None:
        self.step(f"fitting {fit.label} on {fit.dataset}", fit.key)
        try:
            self.store.get("fits", fit.key, lambda folder: self._fit(method, fit, context, folder))
        except (Exception, SystemExit) as error:
            self.broken[fit.key] = reason(error)
            raise

    def _fit(self, method: Method, fit: Fit, context: FitContext, folder: Path) -> dict[str, Any]:
        start = time.monotonic()
        method.fit(self.plan.data[fit.dataset].train, context)
        method.save(folder)
        return describe_fit(fit) | {"notes": context.notes, "seconds": time.monotonic() - start}

    def _context(self, fit: Fit) -> FitContext:
        parts = {name: self.method(part) for name, part in fit.requires.items()}
        seed = seeds.derive(fit.seed, "fit", fit.dataset, fit.spec.name)
        request = self.plan.request
        return FitContext(seed, request.device, self.plan.protocol, self.colour_weights(fit.dataset), parts,
                          self.store, self.progress, precision=request.precision, devices=request.devices,
                          strategy=request.strategy, cache_budget=int(request.cache_budget * 2**30))  # fmt: skip

    def _sample(self, cell: Cell) -> None:
        method, data = self.method(cell.fit), self.plan.data[cell.fit.dataset]
        self.step(f"sampling {cell.name}", "")
        with self.progress.task(f"sampling {cell.name}", sum(len(r) for a in cell.asks for _, r in a.missing(self.store))) as bar:
            for ask in cell.asks:
                for key, rows in ask.missing(self.store):
                    asking = Asking(cell.fit, method, data, list(rows), ask)
                    self.store.get("samples", key, lambda folder, a=asking: samples.write(folder, a.answer()))  # type: ignore[misc]
                    bar.advance(len(rows))


def serial(workshop: Workshop, cells: Iterable[Cell], finished: Callable[[Outcome], None]) -> list[Outcome]:
    """One cell after the other, in this process."""
    outcomes = []
    for cell in cells:
        outcomes.append(workshop.execute(cell))
        finished(outcomes[-1])
    return outcomes


@hookimpl
def bench_register_executors() -> Iterable[ExecutorSpec]:
    """Executors on this machine."""
    licence = "Apache-2.0"
    yield ExecutorSpec(name="serial", summary="one cell after the other, in this process", factory="bench.executors:serial",
                       licence=licence)  # fmt: skip
    yield ExecutorSpec(name="process", summary="one cell after the other, in a process that is ended at a limit",
                       factory="bench.processes:process", licence=licence, limits=True)  # fmt: skip
