"""How near enlarged colour fields come to the true colours of photographs.

    python benchmarks/upsampling.py FOLDER [--photographs 100] [--quick]

The true ab of every photograph is reduced to 64x64 by area and enlarged again: bilinearly, by the
guided filter, and by its slopes for details alone (`bench.fitted.upsampling`). The figures are mean
absolute differences in CIELAB units, over pixels and both channels.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from measure import table
from torch import Tensor
from torch.nn import functional

from bench.colour import rgb_to_lab
from bench.fitted import upsampling
from bench.pictures import images


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photographs", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help="2 photographs: to see that it works")
    asked = parser.parse_args()
    if asked.quick:
        asked.photographs = 2
    paths = sorted(
        p for p in asked.folder.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png")
    )
    paths = paths[:: max(1, len(paths) // asked.photographs)][: asked.photographs]
    errors = np.array([_errors(path) for path in paths])
    rows = [[name, f"{mean:.3f}"] for name, mean in zip(WAYS, errors.mean(0), strict=True)]
    print(
        f"{len(paths)} photographs\n\n{table(['enlarged', 'mean absolute difference of ab'], rows)}"
    )


def _errors(path: Path) -> list[float]:
    lab = torch.from_numpy(
        rgb_to_lab(images.decode(path.read_bytes()).levels / np.float32(255))
    ).permute(2, 0, 1)
    found = upsampling.fit(lab[0], functional.adaptive_avg_pool2d(lab[1:], 64))
    return [float((way(found, lab[0]) - lab[1:]).abs().mean()) for way in WAYS.values()]


def _bilinear(planes: Tensor, size: torch.Size) -> Tensor:
    return functional.interpolate(planes[None], size, mode="bilinear", align_corners=False)[0]


def _guided(found: upsampling.Guided, light: Tensor) -> Tensor:
    means = upsampling._windows
    mean, mean_field = means(found.guide), means(found.field)
    slope = (means(found.guide * found.field) - mean * mean_field) / (
        means(found.guide**2) - mean**2 + upsampling.EPSILON
    )
    offset = means(mean_field - slope * mean)
    return _bilinear(means(slope), light.shape) * light / 100 + _bilinear(offset, light.shape)


def _details(found: upsampling.Guided, light: Tensor) -> Tensor:
    field, slope, guide = (
        _bilinear(part, light.shape) for part in (found.field, found.slope, found.guide)
    )
    return field + slope * (light / 100 - guide)


WAYS: dict[str, Callable[[upsampling.Guided, Tensor], Tensor]] = {
    "bilinearly": lambda found, light: _bilinear(found.field, light.shape),
    "guided filter": _guided,
    "bilinearly, with the filter's slopes for details": _details,
}

if __name__ == "__main__":
    main()
