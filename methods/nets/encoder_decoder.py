"""The paper's colour-field encoder and decoder (section 6.1). Fields inside are ab / 128, in [-1,
1]."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .presets import Preset

SCALE = 128.0
NORM_EPS = 1e-4
"""Batch norm with the eps of the authors' code; their decay of 0.99 needs thousands of
steps before running averages hold, so it is 0.9, the default of PyTorch, here."""


def block(
    inputs: int, outputs: int, kernel: int, stride: int = 1, bias: bool = True
) -> list[nn.Module]:
    """C_ReLU(kernel, stride, outputs) followed by B: the norm comes after the activation."""
    before = (kernel - 1) // 2
    if (
        stride == 1 and kernel % 2 == 0
    ):  # an even kernel keeps the size only with one more row and column after
        pad: list[nn.Module] = [nn.ZeroPad2d((before, before + 1, before, before + 1))]
        return [
            *pad,
            nn.Conv2d(inputs, outputs, kernel, bias=bias),
            nn.ReLU(),
            nn.BatchNorm2d(outputs, eps=NORM_EPS),
        ]
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, before, bias=bias),
        nn.ReLU(),
        nn.BatchNorm2d(outputs, eps=NORM_EPS),
    ]


class Encoder(nn.Module):
    """Colour field `(B, 2, 64, 64)` to mean and log-variance `(B, d)` each.

    `extra` numbers a photograph (the CVAE's grey code) are concatenated to the input of the last
    layer.
    """

    def __init__(self, d: int, preset: Preset, extra: int = 0, dropout: float = 0.3) -> None:
        super().__init__()
        widths = [2, *(preset.channels(c) for c in (128, 256, 512, 1024))]
        kernels = (5, 5, 5, 4)
        self.convolutions = nn.Sequential(
            *(
                layer
                for i, k in enumerate(kernels)
                for layer in block(widths[i], widths[i + 1], k, 2)
            )
        )
        self.dropout = nn.Dropout(dropout)
        self.code = nn.Linear(16 * widths[-1] + extra, 2 * d)
        nn.init.zeros_(self.code.bias)
        self.code.weight.data.mul_(0.1)  # the default starts the KL term near 230 nats

    def forward(self, field: Tensor, extra: Tensor | None = None) -> tuple[Tensor, Tensor]:
        hidden = self.dropout(self.convolutions(field)).flatten(1)
        if extra is not None:
            hidden = cat(hidden, extra)
        mean, log_variance = self.code(hidden).chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 6)


class Decoder(nn.Module):
    """Code `(B, d)` to colour field `(B, 2, 64, 64)` in (-1, 1): five bilinear upsamplings and
    convolutions."""

    def __init__(self, d: int, preset: Preset) -> None:
        super().__init__()
        widths = [d, *(preset.channels(c) for c in (1024, 512, 256, 128))]
        kernels = (4, 5, 5, 5)
        self.blocks = nn.ModuleList(
            nn.Sequential(*block(widths[i], widths[i + 1], k)) for i, k in enumerate(kernels)
        )
        self.last = nn.Conv2d(widths[-1], 2, 5, padding=2)

    def steps(self) -> list[tuple[int, nn.Sequential]]:
        """How much larger the image becomes, and the block after it."""
        return list(zip((4, 2, 2, 2), cast(list[nn.Sequential], list(self.blocks)), strict=True))

    def forward(self, code: Tensor) -> Tensor:
        hidden = code[:, :, None, None]
        for factor, convolutions in self.steps():
            hidden = convolutions(up(hidden, factor))
        return coloured(lambda x: self.last(up(x.float(), 2)), hidden)


def coloured(last: Callable[[Tensor], Tensor], hidden: Tensor) -> Tensor:
    """What a decoder's last layer makes, in float32: a field in bfloat16 would be speckled by its
    rounding."""
    if hidden.dtype == torch.float32:
        return last(hidden).tanh()
    with torch.autocast(hidden.device.type, enabled=False):
        return last(hidden).tanh()


def cat(*parts: Tensor) -> Tensor:
    """Concatenate along the channels."""
    return torch.cat(parts, dim=1)


def up(hidden: Tensor, factor: int) -> Tensor:
    """Bilinear upsampling."""
    return functional.interpolate(hidden, scale_factor=factor, mode="bilinear", align_corners=False)
