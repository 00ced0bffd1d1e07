"""Training with PyTorch Lightning's Trainer: device, precision, checkpoints and several GPUs come from it."""

from __future__ import annotations

import logging
import math
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

from bench.contracts import FitContext, ProgressTask
from bench.errors import BenchError

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Schedule:
    """Adam with a linear warm-up and a cosine decay to nothing."""

    steps: int
    rate: float
    batch: int = 32
    warm_up: int = 50
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0

    def factor(self, step: int) -> float:
        """Share of the peak rate at a step."""
        warm = min(self.warm_up, self.steps // 5 + 1)
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, self.steps - warm)))


class Arrays(Dataset[Batch]):
    """Batches by a list of indices: `fetch(indices)` reads a whole batch at once."""

    def __init__(self, fetch: Callable[[np.ndarray], Batch], rows: np.ndarray) -> None:
        self.fetch, self.rows = fetch, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, index: list[int]) -> Batch:
        return self.fetch(self.rows[np.sort(index)])


def train(objective: nn.Module, fetch: Callable[[np.ndarray], Batch], count: int, schedule: Schedule,
          context: FitContext, name: str) -> None:  # fmt: skip
    """Minimise `objective(batch)["loss"]` over `count` photographs, and leave the best state in `objective`.

    A tenth of the training photographs (at most 512) is held out to choose the best state; the test part is
    never seen. BenchError when the loss is not finite.
    """
    held_out = min(512, max(1, count // 10)) if count > 1 else 0
    rows = np.arange(count)
    with isolated(context.seed), tempfile.TemporaryDirectory() as folder:
        loaders = _loader(fetch, rows[held_out:], schedule.batch, shuffle=True), _loader(fetch, rows[:held_out], 64)
        module = _Module(objective, schedule)
        checkpoint = ModelCheckpoint(folder, monitor="val_loss", save_top_k=1, save_weights_only=True)
        with context.progress.task(f"fitting {name}", schedule.steps) as bar, _interruptible():
            _trainer(schedule, context, [checkpoint, _Bar(bar)], folder).fit(module, *loaders)
        score = float(math.nan if checkpoint.best_model_score is None else checkpoint.best_model_score)
        if not math.isfinite(score):
            raise BenchError(f"fitting {name}: the held-out loss is {score} at best: lower `rate`")
        best = torch.load(checkpoint.best_model_path, weights_only=True, map_location="cpu")
        module.load_state_dict(best["state_dict"])
    objective.to(context.device).eval()
    context.notes.update({"steps": schedule.steps, "best_held_out_loss": score,
                      "last_train_loss": module.last})  # fmt: skip


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """A block with its own seeded global random state; the caller's is untouched."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            yield
        finally:  # Lightning leaves its choice behind
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C stays a KeyboardInterrupt: Lightning makes it an exit with status 1 and ignores the signal from then on."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stopped:
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from stopped


def _loader(fetch: Callable[[np.ndarray], Batch], rows: np.ndarray, batch: int, shuffle: bool = False) -> Any:
    data = Arrays(fetch, rows)
    size = min(batch, len(rows))
    if not shuffle:
        return DataLoader(data, batch_size=size, collate_fn=lambda b: b)
    generator = torch.Generator().manual_seed(torch.initial_seed())
    sampler = BatchSampler(RandomSampler(data, generator=generator), size, drop_last=True)
    return DataLoader(data, batch_sampler=sampler, collate_fn=lambda b: b)


def _trainer(schedule: Schedule, context: FitContext, callbacks: list[Callback], folder: str) -> pl.Trainer:
    accelerator, _, index = context.device.partition(":")
    quiet()
    return pl.Trainer(
        max_steps=schedule.steps,
        accelerator=accelerator,
        devices=[int(index)] if index else 1,
        callbacks=callbacks,
        default_root_dir=Path(folder),
        gradient_clip_val=None,
        deterministic="warn",
        enable_progress_bar=False,  # the run's own display is fed by `_Bar`
        enable_model_summary=False,
        logger=False,
        num_sanity_val_steps=0,
        check_val_every_n_epoch=None,
        val_check_interval=max(1, min(50, schedule.steps // 4)),
    )


def quiet() -> None:
    """Lightning's notices (TPU, tips, few workers) say nothing to the user of a benchmark."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory.*exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*`isinstance.treespec, LeafSpec.` is deprecated.*")


class _Module(pl.LightningModule):
    def __init__(self, objective: nn.Module, schedule: Schedule) -> None:
        super().__init__()
        self.objective, self.schedule, self.last = objective, schedule, math.nan

    def training_step(self, batch: Batch, _: int) -> Tensor:
        loss: Tensor = self.objective(batch)["loss"]
        self.last = float(loss.detach())
        if not math.isfinite(self.last):
            raise BenchError(f"the training loss became {self.last} at step {self.global_step}: lower `rate`")
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        size = len(next(iter(batch.values())))
        self.log("val_loss", self.objective(batch)["loss"], batch_size=size)

    def configure_optimizers(self) -> Any:
        chosen = [p for p in self.objective.parameters() if p.requires_grad]
        s = self.schedule
        optimizer = torch.optim.Adam(chosen, lr=s.rate, betas=s.betas, weight_decay=s.weight_decay)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, s.factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class _Bar(Callback):
    """Feeds the run's progress display."""

    def __init__(self, bar: ProgressTask) -> None:
        self.bar = bar

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self.bar.advance(1, f"loss {pl_module.last:.4g}")
