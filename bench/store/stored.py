"""Files of finished things, read: arrays and tensors. Digests tell what was
damaged; but anyone can write a file with a right digest, and whatever is in it gives one line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, reason
from bench.store import disk

if TYPE_CHECKING:
    import numpy as np
    import torch

AGAIN = "remove its folder and run again"


def array(
    path: Path, dtype: Any, shape: tuple[int | None, ...] | None = None
) -> np.memmap[Any, Any]:
    """A `.npy` file as a memory map; None: of any shape, or as long as it is. BenchError for any
    other, such as one that claims more than it has, or holds objects."""
    import numpy as np

    try:
        with np.errstate(over="ignore"):
            found: np.memmap[Any, Any] = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # NumPy's errors for strange headers are of any kind
        raise _unreadable(path, error) from error
    shape = (None,) * found.ndim if shape is None else shape
    if (
        found.dtype != dtype
        or found.ndim != len(shape)
        or any(n not in (None, m) for n, m in zip(shape, found.shape))
    ):
        wanted = tuple("n" if n is None else n for n in shape)
        raise BenchError(
            f"{path} holds {str(found.dtype)[:40]!a} {found.shape} instead of {np.dtype(dtype)} "
            f"{wanted}: {AGAIN}"
        )
    return found


def tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file. BenchError for any other file."""
    from safetensors.torch import load_file

    try:
        found: dict[str, torch.Tensor] = load_file(path)
    except Exception as error:  # some are Rust's, some PyTorch's
        raise _unreadable(path, error) from error
    return found


def _unreadable(path: Path, error: Exception) -> BenchError:
    if isinstance(error, OSError) and error.errno:  # it may be whole
        why = error.strerror or str(error)
        return disk.lost(path, error.errno, why, "read") or BenchError(
            f"{path} can't be read ({why}): run again"
        )
    return BenchError(f"{path} is damaged ({reason(error)}): {AGAIN}")
