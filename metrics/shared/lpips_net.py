"""The network of LPIPS: torchvision's backbones from a local file, and the linear heads that
torchmetrics ships (v0.1)."""

from __future__ import annotations

import pickle
from importlib.resources import files
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from bench.errors import BenchError

NETS = {
    "alex": ("alexnet-owt-7be5be79.pth", (1, 4, 7, 9, 11)),
    "vgg": ("vgg16-397923af.pth", (3, 8, 15, 22, 29)),
}
"""Of each backbone: torchvision's weights file, and the layers whose activations are compared."""

VGG = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
"""VGG-16's convolutions by their channels; 0 is a pooling."""


class Lpips(nn.Module):
    """Learned perceptual distance of pictures, linear version 0.1 (Zhang et al. 2018)."""

    def __init__(self, net: str, weights: Path) -> None:
        """BenchError where `weights` can't be read, or isn't torchvision's state of that backbone."""
        super().__init__()
        from torchmetrics.functional.image.lpips import ScalingLayer

        self.scaling = ScalingLayer()
        self.backbone = _alexnet() if net == "alex" else _vgg16()
        self.taps = NETS[net][1]
        _fill(self.backbone, weights, net)
        with (files("torchmetrics.functional.image") / "lpips_models" / f"{net}.pth").open(
            "rb"
        ) as file:
            heads = torch.load(file, map_location="cpu", weights_only=True)
        self.heads = [heads[f"lin{i}.model.1.weight"] for i in range(len(self.taps))]
        self.eval().requires_grad_(False)

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Unit-length activations of pictures `(N, 3, H, W)` in [0, 1], at every tap."""
        found, x = [], self.scaling(2 * pictures.float() - 1)
        for i, layer in enumerate(self.backbone):
            x = layer(x)
            if i in self.taps:
                found.append(x / (1e-8 + x.square().sum(1, keepdim=True)).sqrt())
        return found

    def distance(self, first: list[Tensor], second: list[Tensor]) -> Tensor:
        """LPIPS `(N,)`, float64, of two stacks of features; a stack of one picture is compared with
        all of the other."""
        parts = [
            conv2d((f - s).square(), head).mean((1, 2, 3))
            for f, s, head in zip(first, second, self.heads)
        ]
        return torch.stack(parts).double().sum(0)


def _fill(backbone: nn.Module, weights: Path, net: str) -> None:
    expected = f"net={net} needs torchvision's {NETS[net][0]}"
    try:
        state = _read(weights).items()
        backbone.load_state_dict(
            {k.removeprefix("features."): v for k, v in state if k.startswith("features.")}
        )
    except OSError as error:
        raise BenchError(
            f"weights {weights} can't be read ({error.strerror or error}): {expected}"
        ) from error
    except (pickle.UnpicklingError, EOFError, RuntimeError, ValueError, AttributeError) as error:
        first = str(error).strip().splitlines()[0][:100]
        raise BenchError(
            f"weights {weights} are not that backbone ({first}): {expected}"
        ) from error


def _read(weights: Path) -> dict[str, Tensor]:
    if weights.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(weights)
        except SafetensorError as error:
            raise ValueError(str(error)) from error
    state: dict[str, Tensor] = torch.load(weights, map_location="cpu", weights_only=True)
    return state


def _alexnet() -> nn.Sequential:
    """torchvision's `alexnet().features`."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
    )


def _vgg16() -> nn.Sequential:
    """torchvision's `vgg16().features`."""
    layers: list[nn.Module] = []
    before = 3
    for channels in VGG:
        if channels == 0:
            layers.append(nn.MaxPool2d(2, 2))
            continue
        layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()]
        before = channels
    return nn.Sequential(*layers)
