"""What a process does for a task of a run: fit, sample, score."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bench import nodes, samples, scoring, seeds, threads, weights
from bench.asking import Asking
from bench.contracts import FitContext, Method, Progress
from bench.errors import BenchError, Infrastructure, StoreLost, reason, trace
from bench.plan import Ask, Cell, Fit, Plan, describe_fit
from bench.plugins import registry
from bench.schedule import Outcome, Result, Task
from bench.scoring import HeldOut, LoadedMetric
from bench.store import Store
from bench.weights import ColourWeights


@dataclass
class Workshop:
    """What executing cells needs: the store, the fitted methods of this process and the weights of each data set.

    folder: of the run. step: told what begins, and whether it is under the limits. broken: fits that failed, and why: they are
    not tried again for another cell.
    """

    plan: Plan
    store: Store
    progress: Progress
    debug: bool = False
    folder: Path | None = None
    step: Callable[[str, bool], None] = lambda what, limited: None
    broken: dict[str, str] = field(default_factory=dict)
    fitted: dict[str, Method] = field(default_factory=dict)
    colours: dict[str, ColourWeights] = field(default_factory=dict)
    held_out: dict[str, HeldOut] = field(default_factory=dict)

    @cached_property
    def metrics(self) -> list[LoadedMetric]:
        """What samples are scored with."""
        return scoring.load_metrics(self.plan.request.metrics, registry())

    def test_set(self, dataset: str) -> HeldOut:
        """What the scores of a data set's samples need."""
        if dataset not in self.held_out:
            data = self.plan.data[dataset]
            drawn = data.source.dataset if data.source.spec.known_law else None
            self.held_out[dataset] = scoring.held_out(data.test, data.train, self.plan.protocol.describe(), drawn)
        return self.held_out[dataset]

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
                self.step(f"loading {fit.label} on {fit.dataset}", True)
                method.load(stored, context)
            else:
                self._fit_and_keep(method, fit, context)
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
        if settled := self.settled(cell):
            return settled
        result = self.perform(Task(cell.name, cell.key, stop=sum(len(ask.shards) for ask in cell.asks)))
        if result.fatal or result.lost:
            raise StoreLost(result.reason)
        return Outcome(cell, "failed" if result.reason else "done", result.reason, result.seconds, result.trace)

    def perform(self, task: Task) -> Result:
        """Do a task. What goes wrong in it is in the result; with `debug` a method's error is raised."""
        start = time.monotonic()
        try:
            with threads.pinned(self.plan.request.threads or threads.wanted()):
                self._do(task)
        except (Exception, SystemExit) as error:  # kept as a row with its reason; the other cells go on
            if self.debug:
                raise
            lost, fatal = isinstance(error, Infrastructure), isinstance(error, StoreLost)
            return Result(reason(error), time.monotonic() - start, trace(error), lost, fatal)
        return Result(seconds=time.monotonic() - start)

    def _do(self, task: Task) -> None:
        cell = next((cell for cell in self.plan.cells if cell.key == task.cell), None)
        if cell is None:
            raise BenchError("its photographs, parameters or plugin changed while the run was on: run again")
        if not task.fit:
            self._sample(cell, task.start, task.stop)
            return
        fit = next(fit for fit in cell.fit.chain() if fit.key == task.fit)
        if self.plan.request.nodes > 1:
            self._fit_together(fit)
        else:
            self.method(fit)

    def _fit_together(self, fit: Fit) -> None:
        """The first process keeps the fit, under its lock; the others train along, if there is anything to train."""
        if any(self.store.find("fits", part.key) is None for part in fit.chain()[:-1]):
            raise BenchError(f"a fit that {fit.label} needs is gone from the store: run again")
        if nodes.first():
            self.method(fit)
            nodes.say(fit.key, nodes.KEPT)
            return
        context = self._context(fit)
        self.step(f"waiting for the first process: fitting {fit.label} on {fit.dataset}", False)
        if nodes.hear(fit.key) == nodes.TRAIN:
            self.step(f"fitting {fit.label} on {fit.dataset}", True)
            fit.method().fit(self.plan.data[fit.dataset].train, context)

    def _fit_and_keep(self, method: Method, fit: Fit, context: FitContext) -> None:
        if self.plan.request.nodes > 1 and not nodes.here():
            raise BenchError(f"the fit of {fit.label}, which several machines made, is gone from the store: run again")
        made = []

        def build(folder: Path) -> dict[str, Any]:
            made.append(fit.key)
            if self.plan.request.nodes > 1:
                nodes.say(fit.key, nodes.TRAIN)
            return self._fit(method, fit, context, folder)

        try:
            found = self.store.get("fits", fit.key, build, lambda: self._wait(f"fitting {fit.label} on {fit.dataset}"))
            if not made:  # by another process, while this one waited
                method.load(found, context)
        except StoreLost:
            raise
        except (Exception, SystemExit) as error:
            self.broken[fit.key] = reason(error)
            raise

    def _wait(self, what: str) -> None:
        """Another process does it."""
        self.step(f"waiting for another process: {what}", False)
        self.progress.say(f"{what}: another process does it; waiting")

    def _fit(self, method: Method, fit: Fit, context: FitContext, folder: Path) -> dict[str, Any]:
        self.step(f"fitting {fit.label} on {fit.dataset}", True)
        start = time.monotonic()
        method.fit(self.plan.data[fit.dataset].train, context)
        method.save(folder)
        return describe_fit(fit) | {"notes": context.notes, "seconds": time.monotonic() - start}

    def _context(self, fit: Fit) -> FitContext:
        parts = {name: self.method(part) for name, part in fit.requires.items()}
        part_keys = {name: part.key for name, part in fit.requires.items()}
        seed = seeds.of_fit(fit.seed, fit.dataset, fit.spec.name)
        request = self.plan.request
        return FitContext(seed, request.device, self.plan.protocol, self.colour_weights(fit.dataset), parts,
                          self.store, self.progress, part_keys=part_keys, precision=request.precision,
                          devices=request.devices, nodes=request.nodes, strategy=request.strategy,
                          work=self.store.work("fits", fit.key), cache_budget=int(request.cache_budget * 2**30))  # fmt: skip

    def _sample(self, cell: Cell, start: int, stop: int) -> None:
        """Make the missing ones among the shards `start` to `stop`, counted over the cell's asks, and score them all."""
        shards = [(ask, *shard) for ask in cell.asks for shard in ask.shards][start:stop]
        missing = [(ask, key, rows) for ask, key, rows in shards if self.store.find("samples", key) is None]
        if missing:
            self._make(cell, missing)
        self.step(f"scoring {cell.name}", False)
        at = 0
        for ask in cell.asks:
            numbers = range(max(start - at, 0), min(stop - at, len(ask.shards)))
            scoring.keep_scores(self.test_set(cell.fit.dataset), self.metrics, ask.described(), numbers, self.store)
            at += len(ask.shards)

    def _make(self, cell: Cell, missing: list[tuple[Ask, str, range]]) -> None:
        method = self.method(cell.fit)
        self.step(f"sampling {cell.name}", True)
        with self.progress.task(f"sampling {cell.name}", sum(len(rows) for _, _, rows in missing)) as bar:
            busy = []
            for ask, key, rows in missing:
                if self.store.get_if_free("samples", key, self._answer(cell, method, ask, rows)) is None:
                    busy.append((ask, key, rows))
                else:
                    bar.advance(len(rows))
            for ask, key, rows in busy:  # another process is at them, or was
                self.store.get("samples", key, self._answer(cell, method, ask, rows), lambda: self._wait(f"sampling {cell.name}"))
                bar.advance(len(rows))

    def _answer(self, cell: Cell, method: Method, ask: Ask, rows: range) -> Callable[[Path], dict[str, Any]]:
        asking = Asking(cell.fit, method, self.plan.data[cell.fit.dataset], list(rows), ask)
        return lambda folder: samples.write(folder, asking.answer())
