"""One training on several devices: which there are, what travels to their processes, and how these
report.

Lightning starts a process for each device of this machine (`ddp_spawn`; its `ddp` would start the
command line of this process again). On several machines an executor has started them already
(`--nodes`).
"""

from __future__ import annotations

import io
import logging
import multiprocessing
import os
import pickle
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from bench.contracts import FitContext, ProgressTask
from bench.errors import BenchError

STRATEGIES = ("auto", "ddp", "ddp_spawn")
LONGEST_WAIT = 7 * 24 * 3600.0
"""Seconds that a process waits for the others: who started them ends them all where one fails."""
_ADDRESS = ("MASTER_ADDR", "MASTER_PORT")


def place() -> tuple[int, int]:
    """Which of how many devices this process computes on."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def mean_over_devices(value: Tensor) -> Tensor:
    """The mean of a number over the devices of a training.

    An objective needs it where it changes its own state by what it sees of a batch, such as a
    running mean of the loss: each device sees its own share. All devices have to call it.

    Parameters
    ----------
    value : Tensor
        One number, without a gradient. It is not changed.

    Returns
    -------
    Tensor
        The same on all devices; outside a training on several devices, `value`.
    """
    _, devices = place()
    if devices > 1:
        value = value.clone()
        torch.distributed.all_reduce(value)
    return value / devices


def check(context: FitContext) -> None:
    """BenchError where a training can't have the devices that it is to use."""
    if context.devices == context.nodes == 1:
        return
    kind, _, index = context.device.partition(":")
    asked = f"--devices {context.devices}" if context.devices > 1 else f"--nodes {context.nodes}"
    if context.strategy not in STRATEGIES:
        raise BenchError(
            f"--strategy {context.strategy}: methods train with {' or '.join(STRATEGIES)}"
        )
    if index:
        raise BenchError(
            f"{asked}: --device {context.device} names a single one, take --device {kind}"
        )
    if kind not in ("cpu", "cuda"):
        raise BenchError(f"{asked}: there is one {kind} device, take --devices 1")
    if kind == "cuda" and torch.cuda.device_count() < context.devices:
        raise BenchError(f"{asked}: this machine has {torch.cuda.device_count()} GPUs")
    if context.nodes == 1 and multiprocessing.current_process().daemon:
        raise BenchError(
            f"{asked}: a worker of this executor may not start processes, take --executor process "
            "or serial"
        )


def options(context: FitContext) -> dict[str, Any]:
    """What Lightning's Trainer is told of devices and precision."""
    kind, _, index = context.device.partition(":")
    return {
        "accelerator": kind,
        "devices": [int(index)] if index else context.devices,
        "precision": "bf16-mixed" if context.precision == "bfloat16" else "32-true",
        "use_distributed_sampler": False,
        "sync_batchnorm": kind
        == "cuda",  # on CPUs each process has the statistics of its own share
        **(_own_processes(context) if context.nodes == 1 else _processes_of_a_job(context)),
    }


def _own_processes(context: FitContext) -> dict[str, Any]:
    """Even within a job of SLURM the processes are our own."""
    return {
        "strategy": "ddp_spawn" if context.devices > 1 else "auto",
        "plugins": [LightningEnvironment()],
    }


def _processes_of_a_job(context: FitContext) -> dict[str, Any]:
    """This process is one of several of a training on several machines."""
    strategy = DDPStrategy(timeout=timedelta(seconds=LONGEST_WAIT))
    return {
        "num_nodes": context.nodes,
        "strategy": strategy,
        "plugins": [TorchElasticEnvironment()],
    }


def quiet() -> None:
    """Lightning's notices (TPU, tips, few workers) say nothing to the user of a benchmark."""
    for name in (
        "lightning.pytorch",
        "lightning.fabric",
        "lightning.pytorch.utilities.rank_zero",
        "torch.multiprocessing.spawn",
    ):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*`isinstance.treespec, LeafSpec.` is deprecated.*")


class Sealed:
    """What goes to another process with its local functions by content, and with memory maps by
    their files' names."""

    def __reduce_ex__(self, protocol: Any) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        import cloudpickle

        class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
            def reducer_override(self, thing: Any) -> Any:
                return (
                    _by_name(thing)
                    if isinstance(thing, np.memmap)
                    else super().reducer_override(thing)
                )

        stream = io.BytesIO()
        Pickler(stream).dump(super().__reduce_ex__(2))
        return _opened, (stream.getvalue(),)


def _by_name(array: np.memmap) -> Any:
    root = array
    while isinstance(root.base, np.memmap):
        root = root.base
    if array.filename is None or not array.flags.c_contiguous:
        return np.asarray(array).__reduce_ex__(2)
    offset = root.offset + array.ctypes.data - root.ctypes.data
    return np.memmap, (array.filename, array.dtype, "r", offset, array.shape)


def _opened(sealed: bytes) -> Any:
    """What this program itself sealed for a process that it started; never the content of a file."""
    quiet()
    make, arguments, state, *_ = pickle.loads(sealed)
    thing = make(*arguments)
    thing.__dict__.update(state)
    return thing


@contextmanager
def started(trainer: pl.Trainer, bar: ProgressTask) -> Iterator[Callable[[int, str], None]]:
    """A block in which a trainer may start processes. It gives what advances the bar, from here or
    from one of them.

    None of the processes outlives the block. What ends one of them is a BenchError here.
    """
    if trainer.strategy.launcher is None:
        with _among_others(trainer):
            yield bar.advance
        return
    before = {name: os.environ.get(name) for name in _ADDRESS}
    reader, writer = multiprocessing.get_context("spawn").Pipe(duplex=False)
    relay = threading.Thread(target=_relay, args=(reader, bar), daemon=True)
    relay.start()
    try:
        yield Report(writer)
    except ProcessRaisedException as error:
        raise BenchError(_last_line(str(error))) from error
    except ProcessExitedException as error:
        raise BenchError(f"a training process ended: {error}") from error
    finally:
        trainer.strategy.launcher.kill(signal.SIGKILL)
        writer.close()
        relay.join()
        os.environ.update({name: value for name, value in before.items() if value is not None})
        for name in (name for name, value in before.items() if value is None):
            os.environ.pop(name, None)


@contextmanager
def _among_others(trainer: pl.Trainer) -> Iterator[None]:
    """A block after which this process is by itself again, and the next training meets elsewhere."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        if trainer.world_size > 1:
            torch.set_num_threads(threads)
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()
            os.environ["MASTER_PORT"] = str(int(os.environ["MASTER_PORT"]) + 1)


def end_with_parent() -> None:
    """Let a process that Lightning started not outlive the one that it started it for, even if that
    is killed."""
    if parent := multiprocessing.parent_process():

        def watch() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()


class Report:
    """Advances a bar of the process that started this one."""

    def __init__(self, writer: Connection) -> None:
        self.writer = writer

    def __call__(self, steps: int, note: str) -> None:
        self.writer.send((steps, note))


def _relay(reader: Connection, bar: ProgressTask) -> None:
    while True:
        try:
            steps, note = reader.recv()
        except EOFError:
            return
        bar.advance(steps, note)


def _last_line(text: str) -> str:
    return (
        text.rstrip()
        .rpartition("\n")[2]
        .removeprefix(f"{BenchError.__module__}.{BenchError.__name__}: ")
    )
