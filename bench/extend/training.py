"""Training with PyTorch Lightning's Trainer: device, precision, validation and several devices come
from it.

Everything random follows from the seed and the number of the step: the photographs of a batch,
dropout, codes. So a training that was killed goes on from a checkpoint and ends with the very bits
that it would have ended with.
"""

from __future__ import annotations

import json
import math
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from bench.contracts import FitContext
from bench.errors import BenchError
from bench.extend.batches import Batch, Batches, InTurn, Shuffled
from bench.extend.checkpoints import Checkpoints, State
from bench.extend.devices import Sealed, check, end_with_parent, options, place, quiet, started
from bench.extend.schedule import Schedule
from bench.machine.threads import begin
from bench.seeds import derive

EVERY, VARIABLE = 60.0, "BENCH_CHECKPOINT_SECONDS"
"""Seconds between checkpoints, at least, and what sets another number: the next validation after
that makes one."""
SHARE = 0.05
"""Of the time that writing checkpoints may take: large ones become rarer."""
HELD_OUT, HELD_OUT_BATCH = 512, 64


def train(
    objective: nn.Module,
    fetch: Callable[[np.ndarray], Batch],
    count: int,
    schedule: Schedule,
    context: FitContext,
    name: str,
) -> None:
    """Train, and leave the best state in `objective`, on `context.device` and in evaluation mode.

    A tenth of the training photographs (at most 512, the first ones) is held out. Every
    `schedule.interval` steps the loss of these is computed, and the state with the lowest one is
    kept. The test photographs are never seen.

    Everything random follows from `context.seed` and the number of the step. With `context.work`, a
    checkpoint is written about once a minute. A training that was killed goes on from the last one
    and ends with the same bits.

    The context also says on which device or devices, with which precision, and where progress is
    shown. The steps, the best held-out loss and the last training loss are added to
    `context.notes`.

    Parameters
    ----------
    objective : nn.Module
        `objective(batch)` returns a dictionary whose `loss` is a mean over the photographs of the
        batch. `objective.training` tells whether these are trained with or held out. What it needs
        to go on after a kill are its parameters and buffers (`state_dict`).
    fetch : callable
        It gets an array of rows of the training set, in ascending order, and returns a dictionary
        of tensors on the CPU, each with one row a photograph: the batch. It runs in another thread
        while the batch before is computed, and depends on nothing but the rows.
    count : int
        The number of training photographs, `len(train)`.
    schedule : Schedule
        Steps, rate and size of a batch.
    context : FitContext
        What `fit` is given.
    name : str
        Of the training, for messages and for the checkpoints. A method that trains twice in one fit
        uses two names.

    Raises
    ------
    BenchError
        The loss is not finite, the photographs are too few for the devices, or this machine lacks
        the devices.

    Examples
    --------
    In `Method.fit(self, train_set, context)`::

        with seeded(context.seed):
            network = channels_last(Network(), context.device)
        train(
            Objective(network),
            lambda rows: {"grey": train_set.grey(rows), "ab": train_set.truth(rows)},
            len(train_set),
            Schedule(steps=500, rate=1e-3),
            context,
            "my-method",
        )
    """
    check(context)
    held_out = min(HELD_OUT, count // 10) or min(1, count - 1)
    size = min(schedule.batch, count - held_out)
    if min(held_out, size) < context.devices * context.nodes:
        raise BenchError(
            f"fitting {name}: {count} photographs in batches of {schedule.batch} are too few for "
            f"{context.devices * context.nodes} device(s)"
        )
    if context.devices > 1 and context.nodes == 1:
        objective.cpu()  # from where each process takes a copy to its own device
    module = _Module(objective, schedule, context.seed, size)
    checkpoints = _checkpoints(module, count, context, name)
    if checkpoints and (state := checkpoints.latest(context.progress.say)):
        module.resume(state)
    if module.start < schedule.steps:
        pinned = context.device.startswith("cuda")
        order = Shuffled(held_out, count - held_out, size, context.seed)
        parts = math.ceil(held_out / HELD_OUT_BATCH)
        with (
            closing(Batches(fetch, order, range(module.start, schedule.steps), pinned)) as batches,
            closing(Batches(fetch, InTurn(held_out, parts), range(parts), pinned)) as held,
        ):
            _run(module, (batches, held), checkpoints, context, name)
    else:
        module.finish()
    score = float(module.score)
    if not math.isfinite(score):
        raise BenchError(f"fitting {name}: the held-out loss is {score} at best: lower `rate`")
    objective.to(context.device).eval()
    context.notes.update(
        {
            "steps": schedule.steps,
            "best_held_out_loss": score,
            "last_train_loss": float(module.last),
        }
    )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block with PyTorch's global random state seeded, and put the state back afterwards.

    Networks are made in it, since their first weights are drawn from the global state.

    Parameters
    ----------
    seed : int
        `FitContext.seed`.

    Examples
    --------
    >>> import torch
    >>> from bench.extend import seeded
    >>> with seeded(7):
    ...     one = torch.nn.Linear(3, 2)
    >>> with seeded(7):
    ...     other = torch.nn.Linear(3, 2)
    >>> torch.equal(one.weight, other.weight)
    True
    """
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            yield
        finally:  # Lightning leaves its choice behind
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def _checkpoints(module: _Module, count: int, context: FitContext, name: str) -> Checkpoints | None:
    if context.work is None:
        return None
    training = {
        "name": name,
        "count": count,
        "seed": context.seed,
        "precision": context.precision,
        "devices": context.devices * context.nodes,
        "schedule": asdict(module.schedule),
        "shapes": {k: list(v.shape) for k, v in module.objective.state_dict().items()},
    }
    return Checkpoints(context.work / name, json.loads(json.dumps(training)))


def _run(
    module: _Module,
    loaders: tuple[Batches, Batches],
    checkpoints: Checkpoints | None,
    context: FitContext,
    name: str,
) -> None:
    with seeded(context.seed), tempfile.TemporaryDirectory() as folder, _interruptible():
        quiet()
        keeper = _Keeper(checkpoints)
        trainer = pl.Trainer(
            **options(context),
            max_steps=len(loaders[0]),
            callbacks=[keeper],
            default_root_dir=Path(folder),
            gradient_clip_val=None,
            deterministic="warn",
            enable_checkpointing=False,
            enable_progress_bar=False,  # the run's own display is fed by `_Keeper`
            enable_model_summary=False,
            logger=False,
            num_sanity_val_steps=0,
            check_val_every_n_epoch=None,
            val_check_interval=module.schedule.interval,
        )
        with (
            context.progress.task(f"fitting {name}", module.schedule.steps) as bar,
            started(trainer, bar) as keeper.advance,
        ):
            bar.advance(module.start)
            trainer.fit(module, *loaders)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C stays a KeyboardInterrupt: Lightning makes it an exit with status 1 and ignores the
    signal from then on."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stopped:
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from stopped


class _Module(Sealed, pl.LightningModule):
    """An objective in training. start: steps that were done when it began. best: the state with the
    lowest score."""

    score: Tensor
    last: Tensor

    def __init__(self, objective: nn.Module, schedule: Schedule, seed: int, size: int) -> None:
        super().__init__()
        self.objective, self.schedule, self.seed, self.size = objective, schedule, seed, size
        self.register_buffer(
            "score", torch.tensor(math.inf)
        )  # buffers, since these come back from other processes
        self.register_buffer("last", torch.tensor(math.nan))
        self.start, self.best, self.moments = 0, dict[str, Tensor](), dict[str, Tensor]()
        self.threads = torch.get_num_threads()

    @property
    def step(self) -> int:
        """Steps that are done."""
        return self.start + self.global_step

    def setup(self, stage: str) -> None:
        begin()  # this may be a process of its own
        if self.trainer.world_size > 1:
            torch.set_num_threads(max(1, self.threads // self.trainer.num_devices))
            end_with_parent()

    def on_train_start(self) -> None:
        if len(self.all_gather(torch.tensor(self.start)).unique()) > 1:  # type: ignore[union-attr]
            raise BenchError(
                "its processes found different checkpoints: --store must be one folder for all "
                "machines"
            )

    def training_step(self, batch: Batch, _: int) -> Tensor:
        rank, devices = place()
        torch.manual_seed(derive(self.seed, "step", self.step, rank))
        loss: Tensor = self.objective(batch)["loss"]
        self.last.copy_(loss.detach())
        if not math.isfinite(float(self.last)):
            raise BenchError(
                f"the training loss became {float(self.last)} at step {self.step}: lower `rate`"
            )
        return (
            loss * (devices * _photographs(batch) / self.size) if devices > 1 else loss
        )  # shares may differ by one

    def validation_step(self, batch: Batch, _: int) -> None:
        self.log(
            "val_loss",
            self.objective(batch)["loss"],
            batch_size=_photographs(batch),
            sync_dist=True,
        )

    def configure_optimizers(self) -> Any:
        s = self.schedule
        chosen = self._trained()
        optimizer = torch.optim.Adam(
            chosen.values(), s.rate, s.betas, weight_decay=s.weight_decay, fused=_fused(self.device)
        )
        for name, value in self.moments.items():
            quantity, _, of = name.partition(".")
            like = (
                chosen[of] if value.ndim else value.to(self.device)
            )  # in the layout of the weights, as Adam makes them
            optimizer.state[chosen[of]][quantity] = torch.empty_like(like).copy_(value)
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: s.factor(self.start + step)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def judge(self, score: float) -> None:
        """Keep the state where it is the best so far."""
        if score < float(self.score):
            self.score.fill_(score)
            self.best = {
                k: v.detach().cpu().clone() for k, v in self.objective.state_dict().items()
            }

    def state(self) -> State:
        """What the training needs to go on."""
        chosen, optimizer = self._trained(), self.trainer.optimizers[0]
        moments = {
            f"adam.{quantity}.{name}": value
            for name, p in chosen.items()
            for quantity, value in optimizer.state[p].items()
        }
        now = {f"now.{k}": v for k, v in self.objective.state_dict().items()}
        best = {f"best.{k}": v for k, v in self.best.items()}
        return State(self.step, float(self.score), float(self.last), moments | now | best)

    def resume(self, state: State) -> None:
        """Go on from there."""
        self.start, self.best, self.moments = state.step, state.part("best"), state.part("adam")
        self.score.fill_(state.score)
        self.last.fill_(state.last)
        self.objective.load_state_dict(state.part("now"))

    def on_train_end(self) -> None:
        self.finish()

    def finish(self) -> None:
        """Leave the best state in the objective."""
        if self.best:
            self.objective.load_state_dict(self.best)

    def _trained(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self.objective.named_parameters() if p.requires_grad}


def _every() -> float:
    given = os.environ.get(VARIABLE, "").strip() or EVERY
    try:
        return float(given)
    except ValueError as error:
        raise BenchError(f"{VARIABLE}: '{given}' is no number of seconds") from error


def _fused(device: torch.device) -> bool:
    """Whether Adam may take one pass over the weights: ten times as fast as step by step on a CPU."""
    return device.type in ("cpu", "cuda")


def _photographs(batch: Batch) -> int:
    return len(next(iter(batch.values())))


class _Keeper(Callback):
    """Keeps the best state and checkpoints, and says how far the training is: on the first device."""

    advance: Callable[[int, str], None]

    def __init__(self, checkpoints: Checkpoints | None) -> None:
        self.checkpoints, self.every, self.share, self.due = checkpoints, _every(), SHARE, 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.due = time.monotonic() + self.every

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        if trainer.is_global_zero:
            self.advance(1, f"loss {float(pl_module.last):.4g}")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        pl_module.judge(float(trainer.callback_metrics["val_loss"]))
        if trainer.is_global_zero and self.checkpoints and time.monotonic() >= self.due:
            begun = time.monotonic()
            self.checkpoints.write(pl_module.state())
            took = time.monotonic() - begun
            self.due = time.monotonic() + max(self.every, took / self.share)
