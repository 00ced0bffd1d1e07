"""Seeds: one generator per image, so that results don't depend on order, worker, batch size or
resume."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derive(base: int, *purpose: str | int) -> int:
    """A 63-bit seed from a base seed and what it is for. Methods share it, so paired differences
    have less noise.

    >>> derive(0, "sample", "church", "00001", 0) == derive(0, "sample", "church", "00001", 0)
    True
    """
    text = "\x1f".join(map(str, (base, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def of_fit(training: int, dataset: str, method: str) -> int:
    """What a method is fitted with, from the training's seed."""
    return derive(training, "fit", dataset, method)


def generator(seed: int) -> torch.Generator:
    """A CPU generator: draws are made on the CPU and moved, so that every device sees the same
    ones."""
    import torch

    return torch.Generator().manual_seed(seed)


def normal(seeds: Sequence[int], shape: Sequence[int]) -> torch.Tensor:
    """Standard normal numbers `(len(seeds), *shape)`, row i from its own generator. A longer first
    axis of `shape` only adds to the end: the first five of ten draws are the five draws."""
    import torch

    return _draw(torch.randn, seeds, shape)


def uniform(seeds: Sequence[int], shape: Sequence[int]) -> torch.Tensor:
    """Uniform numbers in [0, 1), as `normal`."""
    import torch

    return _draw(torch.rand, seeds, shape)


def _draw(
    function: Callable[..., torch.Tensor], seeds: Sequence[int], shape: Sequence[int]
) -> torch.Tensor:
    import torch

    rows = [
        [function(tuple(shape[1:]), generator=g) for _ in range(shape[0])]
        for g in map(generator, seeds)
    ]
    return torch.stack([torch.stack(row) for row in rows])
