"""What the tests of a method's own begin with: photographs to fit on, and a fit that is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.contracts import FitContext, Method
    from bench.testing.fitting import Ground


def toy_photographs(folder: Path, **given: Any) -> tuple[Ground, FitContext]:
    """The drawn photographs of the conformance kit, and a context to fit a method on them.

    Parameters
    ----------
    folder : Path
        Where the photographs and the checkpoints of fits are kept. With a folder that was used
        before, a fit that was killed goes on.
    **given
        Fields of `FitContext`, such as `seed`, or `parts` with their `part_keys`. None stands for
        what there is anyway.

    Returns
    -------
    photographs : Ground
        `photographs.train` are 24 and `photographs.test` are 12, each a `PreparedSet`.
    context : FitContext
        On the processor, in float32, with seed 0.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from bench.testing import toy_photographs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     photographs, context = toy_photographs(Path(folder), seed=3)
    ...     len(photographs.train), photographs.test.truth([0, 1]).shape, context.seed
    (24, torch.Size([2, 2, 64, 64]), 3)
    """
    from bench.testing.fitting import Ground, Recipe

    ground = Ground.prepare(folder / "store")
    context = replace(ground.context(Recipe("", {}, ""), seed=0), work=folder / "work")
    return ground, replace(context, **{k: v for k, v in given.items() if v is not None})


def fit_and_kill(make: Callable[[], Method], folder: Path, step: int) -> None:
    """Fit a method on the toy photographs in another process, which is killed in the training.

    Checkpoints are kept as often as they can be. A fit with the context of
    `toy_photographs(folder)` then goes on from the last one.

    Parameters
    ----------
    make : callable
        It makes the unfitted method, and is sent to the process: `functools.partial(MyMethod,
        steps=20)`.
    folder : Path
        As for `toy_photographs`.
    step : int
        The step of the training after which the process gets SIGKILL, from 1 on.

    Raises
    ------
    BenchError
        The fit ended before that step, or the process was gone before it had kept a checkpoint.
    """
    process = multiprocessing.get_context("spawn").Process(
        target=_fit_and_die, args=(make, folder, step)
    )
    process.start()
    process.join()
    if process.exitcode != -signal.SIGKILL or not list(folder.rglob("checkpoint.json")):
        raise BenchError(
            f"the fit was to be killed after a checkpoint, at step {step}: it ended with status "
            f"{process.exitcode}"
        )


def _fit_and_die(make: Callable[[], Method], folder: Path, step: int) -> None:
    os.environ["BENCH_CHECKPOINT_SECONDS"] = "0"
    photographs, context = toy_photographs(folder, progress=_Killer(step))
    make().fit(photographs.train, context)


class _Killer:
    """A display of progress that kills its own process at a step of a training."""

    def __init__(self, step: int) -> None:
        self.left = step

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Self]:
        """Every bar is this one."""
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Some steps are done: those of a training come with a note."""
        self.left -= steps if note else 0
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def say(self, line: str) -> None:
        """Nothing is shown."""
