"""What a process does for a task of a run: fit, sample, score."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from threading import RLock
from typing import Any

from bench import seeds
from bench.contracts import FitContext, Method, Progress, Step, colour_weights
from bench.contracts.colour_weights import ColourWeights
from bench.contracts.execution import Helper, Result, Task, unheard
from bench.contracts.request import Request
from bench.engine import planning, rendezvous
from bench.engine.plan import Cell, Fit, Plan, describe_fit
from bench.engine.sampling import Asking
from bench.errors import BenchError, Infrastructure, StoreLost, reason, said, trace
from bench.machine import threads
from bench.plugins.loader import registry
from bench.scores import manifest, samples, scoring
from bench.scores.manifest import Ask
from bench.scores.metrics import LoadedMetric, by_plugin, load_metrics
from bench.scores.scoring import HeldOut
from bench.store.local import Store


def failure(error: BaseException, seconds: float = 0.0, whole: bool = False) -> Result:
    """What is told of an error; whole: in all its words, however many."""
    lost, fatal = isinstance(error, Infrastructure), isinstance(error, StoreLost)
    mistake = error.exit_code if isinstance(error, BenchError) else 0
    text = said(error) if whole and mistake else reason(error)
    return Result(text, seconds, trace(error), lost, fatal, mistake)


@dataclass
class Work:
    """What executing cells needs: the store, the fitted methods of this process and the weights of
    each data set.

    opened: the run's folder. step: told what begins, whether it is under the limits, and what can be left
    out if it goes wrong. broken: fits that failed, and why: they are not tried again for another
    cell. left_out: metrics that can't be used, and why. helper: the process that has prepared the
    run, if there is one.
    """

    plan: Plan
    store: Store
    progress: Progress
    debug: bool = False
    opened: Path | None = None
    step: Step = unheard
    helper: Helper | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    fitted: dict[str, Method] = field(default_factory=dict)
    colours: dict[str, ColourWeights] = field(default_factory=dict)
    held_out: dict[str, HeldOut] = field(default_factory=dict)
    turn: AbstractContextManager[object] = field(default_factory=RLock, repr=False)

    @property
    def request(self) -> Request:
        """What was asked for."""
        return self.plan.request

    @property
    def folder(self) -> Path:
        """The run's folder, which is there once the photographs are prepared."""
        assert self.opened is not None
        return self.opened

    @cached_property
    def metrics(self) -> list[LoadedMetric]:
        """What samples are scored with."""
        return load_metrics(self.request.metrics, registry())

    def test_set(self, dataset: str) -> HeldOut:
        """What the scores of a data set's samples need."""
        if dataset not in self.held_out:
            data = self.plan.data[dataset]
            drawn = data.source.dataset if data.source.spec.known_law else None
            self.held_out[dataset] = scoring.held_out(
                data.test, data.train, self.plan.protocol.describe(), drawn
            )
        return self.held_out[dataset]

    def colour_weights(self, dataset: str) -> ColourWeights:
        """The colour-rarity weights of a data set's train split."""
        if dataset not in self.colours:
            protocol = self.plan.protocol
            self.colours[dataset] = colour_weights.fit(
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

    def perform(self, task: Task) -> Result:
        """Do a task. What goes wrong in it is in the result; with `debug` a method's error is
        raised. Threads that ask at the same time take turns: torch's random state and number of
        threads are the process', and a fit beside another would not be what its key says."""
        with self.turn:
            return self._perform(task)

    def _perform(self, task: Task) -> Result:
        start = time.monotonic()
        try:
            with threads.pinned(self.request.threads or threads.wanted()):
                done = self._do(task)
        except (
            Exception,
            SystemExit,
        ) as error:  # kept as a row with its reason; the other cells go on
            if self.debug:
                raise
            return failure(error, time.monotonic() - start, whole=task.kind in ("score", "report"))
        return replace(done, seconds=time.monotonic() - start)

    def believed(self, task: Task, result: Result) -> Result:
        """What another process says of a fit or samples, unless it says that it is done and the
        store has nothing of it: plugins share that process."""
        wanted = (
            [("fits", task.fit)]
            if task.fit
            else [("samples", key) for _, key, _ in self._shards(self._cell(task), task)]
        )
        gone = 0 if result.reason else sum(not self.store.has(*thing) for thing in wanted)
        if not gone:
            return result
        what = f"{gone} of its {len(wanted)} {wanted[0][0]} are not in the store"
        return Result(
            f"{task.name}: its process said that it is done, but {what}", result.seconds, lost=True
        )

    def leave_out(self, result: Result) -> None:
        """Do without the metrics at which a task has failed."""
        self.left_out.update(dict.fromkeys(result.blamed, result.reason))
        self.progress.say(f"{', '.join(result.blamed)}: {result.reason}; left out of this run")

    def ask(self, task: Task) -> Result:
        """Have the process do a task that has prepared the run, else this one; once more where it
        was lost."""
        if not self.helper:
            return self.perform(task)
        result = self.helper.perform(task, self.progress)
        return self.helper.perform(task, self.progress) if result.lost else result

    def looks(self) -> tuple[str, ...]:
        """How the prepared photographs look, which were held against their digests."""
        parts = (part for data in self.plan.data.values() for part in (data.train, data.test))
        return tuple(self.store.looks("prepared", part.key) for part in parts)

    def _do(self, task: Task) -> Result:
        if task.kind == "open":
            return Result(looks=self.looks())
        if task.kind == "metric":
            self.step(task.name, True, task.given)
            self._metric(*task.given).new()
            return Result()
        if task.kind in ("score", "report"):
            return self._write(task)
        cell = self._cell(task)
        if task.kind == "sample":
            self._sample(cell, task)
            return Result()
        fit = next(fit for fit in cell.fit.chain() if fit.key == task.fit)
        if task.kind == "method":
            self.step(task.name, True)
            return Result(
                unfit=planning.unfit(fit, self.plan.data[fit.dataset], self.plan.protocol) or ""
            )
        if self.request.nodes > 1:
            self._fit_together(fit)
        else:
            self.method(fit)
        return Result()

    def _cell(self, task: Task) -> Cell:
        found = next((cell for cell in self.plan.cells if cell.key == task.cell), None)
        if found is None:
            raise BenchError(
                "its photographs, parameters or plugin changed while the run was on: run again"
            )
        return found

    def _metric(self, name: str) -> LoadedMetric:
        return next(metric for metric in self.metrics if metric.spec.name == name)

    def _write(self, task: Task) -> Result:
        """The tables of a run whose manifest is written, or the reports of one that has tables."""
        from bench import output
        from bench.engine.score_run import Scoring, score
        from bench.results import report, run_folder

        if task.kind == "score":
            described, left_out = manifest.read(self.folder), dict(task.without)
            score(
                Scoring(
                    self.folder,
                    described,
                    self.metrics,
                    self.store,
                    registry(),
                    self.progress,
                    left_out,
                    self.step,
                )
            )
            return Result()
        made = output.request(self.folder, figures=task.given)
        try:
            read = run_folder.read(self.folder, self.store.place)
            report.write([read], made, registry(), self.progress, (), dict(task.without), self.step)
        except report.ReportsFailed as error:
            return replace(failure(error, whole=True), trace="\n\n".join(error.traces))
        return Result()

    def _fit_together(self, fit: Fit) -> None:
        """The first process keeps the fit, under its lock; the others train along, if there is
        anything to train."""
        if any(self.store.find("fits", part.key) is None for part in fit.chain()[:-1]):
            raise BenchError(f"a fit that {fit.label} needs is gone from the store: run again")
        if rendezvous.first():
            self.method(fit)
            rendezvous.say(fit.key, rendezvous.KEPT)
            return
        context = self._context(fit)
        self.step(f"waiting for the first process: fitting {fit.label} on {fit.dataset}", False)
        if rendezvous.hear(fit.key) == rendezvous.TRAIN:
            self.step(f"fitting {fit.label} on {fit.dataset}", True)
            fit.method().fit(self.plan.data[fit.dataset].train, context)

    def _fit_and_keep(self, method: Method, fit: Fit, context: FitContext) -> None:
        if self.request.nodes > 1 and not rendezvous.here():
            raise BenchError(
                f"the fit of {fit.label}, which several machines made, is gone from the store: run "
                "again"
            )
        made = []

        def build(folder: Path) -> dict[str, Any]:
            made.append(fit.key)
            if self.request.nodes > 1:
                rendezvous.say(fit.key, rendezvous.TRAIN)
            return self._fit(method, fit, context, folder)

        try:
            found = self.store.get(
                "fits", fit.key, build, lambda: self._wait(f"fitting {fit.label} on {fit.dataset}")
            )
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
        request = self.request
        return FitContext(
            seed,
            request.device,
            self.plan.protocol,
            self.colour_weights(fit.dataset),
            parts,
            self.store,
            self.progress,
            part_keys=part_keys,
            precision=request.precision,
            devices=request.devices,
            nodes=request.nodes,
            strategy=request.strategy,
            work=self.store.work("fits", fit.key),
            cache_budget=int(request.cache_budget * 2**30),
        )

    def _shards(self, cell: Cell, task: Task) -> list[tuple[Ask, str, range]]:
        """The shards `start` to `stop`, counted over the cell's asks."""
        count = len(self.plan.data[cell.fit.dataset].test)
        every = (
            (ask, key, samples.rows(number, count))
            for ask in cell.asks
            for number, key in enumerate(ask.shards)
        )
        return list(islice(every, task.start, task.stop))

    def _sample(self, cell: Cell, task: Task) -> None:
        """Make the missing ones among a task's shards, and score them all, plugin by plugin."""
        missing = [
            (ask, key, rows)
            for ask, key, rows in self._shards(cell, task)
            if self.store.find("samples", key) is None
        ]
        if missing:
            self._make(cell, missing)
        test, left_out = self.test_set(cell.fit.dataset), {name for name, _ in task.without}
        for group in by_plugin([m for m in self.metrics if m.spec.name not in left_out]):
            scoring.begin(self.step, cell.name, group)
            at = 0
            for ask in cell.asks:
                numbers = range(max(task.start - at, 0), min(task.stop - at, len(ask.shards)))
                scoring.keep_scores(test, group, ask, numbers, self.store)
                at += len(ask.shards)

    def _make(self, cell: Cell, missing: list[tuple[Ask, str, range]]) -> None:
        method = self.method(cell.fit)
        self.step(f"sampling {cell.name}", True)
        with self.progress.task(
            f"sampling {cell.name}", sum(len(rows) for _, _, rows in missing)
        ) as bar:
            busy = []
            for ask, key, rows in missing:
                if (
                    self.store.get_if_free("samples", key, self._answer(cell, method, ask, rows))
                    is None
                ):
                    busy.append((ask, key, rows))
                else:
                    bar.advance(len(rows))
            for ask, key, rows in busy:  # another process is at them, or was
                self.store.get(
                    "samples",
                    key,
                    self._answer(cell, method, ask, rows),
                    lambda: self._wait(f"sampling {cell.name}"),
                )
                bar.advance(len(rows))

    def _answer(
        self, cell: Cell, method: Method, ask: Ask, rows: range
    ) -> Callable[[Path], dict[str, Any]]:
        asking = Asking(cell.fit, method, self.plan.data[cell.fit.dataset], list(rows), ask)
        return lambda folder: samples.write(folder, asking.answer())
