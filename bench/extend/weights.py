"""Fitted networks as safetensors and JSON. Nothing is ever unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from bench.store import records, stored
from bench.store.files import write_json

WEIGHTS, CONFIG = "weights.safetensors", "config.json"


def save_weights(folder: Path, module: nn.Module, config: Mapping[str, Any] | None = None) -> None:
    """Write a network's state, and what is needed to build it again.

    Parameters
    ----------
    folder : Path
        An existing folder: the one that `Method.save` is given. Two files are written into it,
        `weights.safetensors` and `config.json`.
    module : nn.Module
        All parameters and buffers of its `state_dict` are written.
    config : mapping, optional
        Whatever JSON can hold, such as a width that follows from the training photographs.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from torch import nn
    >>> from bench.extend import load_weights, read_config, save_weights
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_weights(Path(folder), nn.Linear(3, 2), {"outputs": 2})
    ...     network = nn.Linear(3, read_config(Path(folder))["outputs"])
    ...     load_weights(Path(folder), network, "cpu")
    >>> network.training
    False
    """
    tensors = {name: value.contiguous() for name, value in module.state_dict().items()}
    save_file(tensors, folder / WEIGHTS)
    write_json(folder / CONFIG, dict(config or {}))


def read_config(folder: Path) -> dict[str, Any]:
    """What `save_weights` was given as `config`.

    Parameters
    ----------
    folder : Path
        The folder that `Method.load` is given.

    Raises
    ------
    BenchError
        The file is missing or damaged.
    """
    return records.read(folder / CONFIG, dict[str, Any])


def load_weights(folder: Path, module: nn.Module, device: str) -> None:
    """Read a network's state and make it ready for prediction.

    Parameters
    ----------
    folder : Path
        The folder that `Method.load` is given.
    module : nn.Module
        A network of the same shapes. Afterwards it is on `device` and in evaluation mode.
    device : str
        `FitContext.device`.

    Raises
    ------
    BenchError
        The file is missing or damaged.
    RuntimeError
        A tensor is missing, is left over, or has another shape.
    """
    module.load_state_dict(stored.tensors(folder / WEIGHTS))
    module.to(device).eval()
