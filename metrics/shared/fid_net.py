"""A feature extractor for FID, from a local TorchScript file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.errors import BenchError

EXPECTED = "a TorchScript file, uint8 pictures (N, 3, H, W) to features (N, d), such as StyleGAN2-ADA's inception-2015-12-05.pt"


class Extractor(nn.Module):
    """uint8 pictures `(N, 3, H, W)` to features `(N, d)`, float64; the file does its own resizing
    and scaling."""

    def __init__(self, path: Path) -> None:
        """BenchError where the file can't be read, or doesn't give one row of features a picture."""
        super().__init__()
        self.module = _read(path)
        forward: Any = self.module.forward
        names = {argument.name for argument in forward.schema.arguments}
        self.options = (
            {"return_features": True} if "return_features" in names else {}
        )  # without it that file gives classes
        try:
            shape = tuple(self(torch.zeros(2, 3, 256, 256, dtype=torch.uint8)).shape)
        except (RuntimeError, AttributeError) as error:
            last = str(error).strip().splitlines()[-1][:100]
            raise BenchError(
                f"weights {path}: it fails on pictures ({last}): fid needs {EXPECTED}"
            ) from error
        if len(shape) != 2 or shape[0] != 2:
            raise BenchError(
                f"weights {path}: features of two pictures are {shape}, not (2, d): fid needs "
                f"{EXPECTED}"
            )
        self.num_features = shape[1]

    def forward(self, pictures: Tensor) -> Tensor:
        """Features of a batch."""
        with torch.no_grad():
            return self.module(pictures, **self.options).double()


def _read(path: Path) -> torch.jit.ScriptModule:
    if not path.is_file():
        raise BenchError(f"weights {path}: no such file: fid needs {EXPECTED}")
    try:
        with (
            warnings.catch_warnings()
        ):  # PyTorch prefers torch.export, but the extractor that all use is TorchScript
            warnings.filterwarnings(
                "ignore", message=".*torch.jit.load.*", category=DeprecationWarning
            )
            return torch.jit.load(path, map_location="cpu").eval()
    except (RuntimeError, OSError) as error:
        raise BenchError(
            f"weights {path} can't be read as TorchScript: fid needs {EXPECTED}"
        ) from error
