"""Features of grey photographs that another method's fitted part computes, kept in the store."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from bench import keys
from bench.contracts import FitContext, PreparedSet
from bench.errors import BenchError
from bench.machine.memory import give_back
from bench.store import stored
from bench.store.files import allocate
from bench.store.marks import FeatureMark


@runtime_checkable
class FeatureExtractor(Protocol):
    """A method that offers features of grey photographs.

    Any method is one that has these two. Its spec declares the capability `features`.

    Attributes
    ----------
    feature_shape : tuple of int
        Channels, rows and columns `(C, h, w)` of the features of one photograph. It is known once
        the method is fitted or loaded.
    """

    feature_shape: tuple[int, int, int]

    def features(self, grey: Tensor) -> Tensor:
        """Features of some photographs.

        Parameters
        ----------
        grey : Tensor
            L `(B, 1, 256, 256)`, 0..100.

        Returns
        -------
        Tensor
            `(B, *feature_shape)`.
        """


class Features(Protocol):
    """Features of all training photographs, of which some are read by `[rows]`."""

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        """Those of some photographs, float16 `(len(rows), C, h, w)`."""


def feature_extractor(context: FitContext, name: str, advice: str = "") -> FeatureExtractor:
    """The fitted method that a parameter of type `method` asked for, which must offer features.

    Parameters
    ----------
    context : FitContext
        What `fit` and `load` are given.
    name : str
        The name of the parameter.
    advice : str
        What the user should do if it offers none, such as "take zhang".

    Raises
    ------
    BenchError
        The method offers no features.
    """
    part = context.parts[name]
    if isinstance(part, FeatureExtractor):
        return part
    raise BenchError(
        f"parameter {name}: {type(part).__name__} offers no features; "
        f"{advice or 'take a method that has the capability `features`'}"
    )


def stored_features(context: FitContext, name: str, train: PreparedSet) -> Features:
    """Features of all training photographs by a fitted part.

    They are computed once and kept in the store, by the key of the part's fit: other methods, other
    parameters and later runs read the same file. Where they would take more than
    `context.cache_budget` bytes together with all that are kept already, they are computed whenever
    they are asked for.

    Parameters
    ----------
    context : FitContext
        What `fit` is given.
    name : str
        The name of the parameter that asked for the part.
    train : PreparedSet
        The training photographs.

    Returns
    -------
    Features
        `features[rows]` is a float16 array `(len(rows), C, h, w)`.

    Raises
    ------
    BenchError
        The part offers no features.
    """
    part = feature_extractor(context, name)
    shape = (len(train), *part.feature_shape)
    key = keys.key("features", part=context.part_keys[name], photographs=train.key)
    if context.store.find("features", key) is None:
        needed = _bytes(shape)
        kept = (m for m in context.store.all("features") if isinstance(m, FeatureMark))
        held = sum(_bytes(mark.shape) for mark in kept)
        if needed + held > context.cache_budget:
            context.progress.say(_beyond(needed, held, len(train), context.cache_budget))
            return Computed(part, train)

    def build(folder: Path) -> dict[str, Any]:
        out = allocate(folder / "features.npy", np.float16, shape)
        map_batches(train, context, "features", lambda i: part.features(train.grey(i)), out)
        out.flush()
        return {"shape": list(shape)}

    return Stored(
        stored.array(context.store.get("features", key, build) / "features.npy", np.float16, shape)
    )


@dataclass(frozen=True)
class Stored:
    """Features in a memory map `(N, *shape)`."""

    array: np.ndarray

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        found = np.array(self.array[rows])
        give_back(self.array)
        return found


@dataclass(frozen=True)
class Computed:
    """Features that a part computes when they are asked for. They differ from stored ones by
    rounding: other photographs are computed beside them."""

    part: FeatureExtractor
    train: PreparedSet

    @torch.inference_mode()
    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        return self.part.features(self.train.grey(rows)).cpu().numpy().astype(np.float16)


def _bytes(shape: Sequence[int]) -> int:
    return np.dtype(np.float16).itemsize * math.prod(shape)


def _beyond(needed: int, held: int, count: int, budget: int) -> str:
    enough = math.ceil((needed + held) / 2**30 * 10) / 10
    return (
        f"features of {count} photographs take {needed / 2**30:.1f} GiB beside {held / 2**30:.1f} "
        "in the store, more "
        f"than --cache-budget {budget / 2**30:g}: computed again for every batch ({enough:g} would "
        "keep them)"
    )


def map_batches(
    train: PreparedSet,
    context: FitContext,
    what: str,
    function: Callable[[slice], Tensor],
    out: np.ndarray,
    batch: int = 32,
) -> None:
    """Fill an array with a function of all training photographs, batch by batch, and show progress.

    Parameters
    ----------
    train : PreparedSet
        The training photographs.
    context : FitContext
        What `fit` is given. Its display of progress is used.
    what : str
        What is computed, for the display.
    function : callable
        It gets rows of `train` as a slice, and returns a tensor `(len(rows), ...)` on any device.
    out : ndarray
        `(len(train), ...)`, in memory or mapped.
    batch : int
        Photographs in a batch.
    """
    with (
        context.progress.task(f"{what} of {train.dataset}", len(train)) as bar,
        torch.inference_mode(),
    ):
        for start in range(0, len(train), batch):
            rows = slice(start, min(start + batch, len(train)))
            out[rows] = function(rows).cpu().numpy()
            give_back(out)
            bar.advance(rows.stop - rows.start)
