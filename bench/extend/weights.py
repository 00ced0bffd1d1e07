"""Fitted networks as safetensors and JSON; nothing is ever unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from bench.store import records, stored
from bench.store.files import write_json


def save(folder: Path, module: nn.Module, config: dict[str, Any]) -> None:
    """Write a module's state and what is needed to build it again."""
    save_file(
        {k: v.contiguous() for k, v in module.state_dict().items()}, folder / "weights.safetensors"
    )
    write_json(folder / "config.json", config)


def config(folder: Path) -> dict[str, Any]:
    """What `save` was told."""
    return records.read(folder / "config.json", dict[str, Any])


def load(folder: Path, module: nn.Module, device: str) -> None:
    """Read a module's state, strictly, and make it ready for prediction."""
    module.load_state_dict(stored.tensors(folder / "weights.safetensors"))
    module.to(device).eval()
