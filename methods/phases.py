"""The decoder for drawing: bilinear upsampling and 5x5 convolution in one step, with two thirds of the multiplications.

Of each 2x2 pixels that an upsampling by 2 makes, the upper left ones are one linear function of the pixels before it, the upper
right ones another, and so on. So the convolution after it is four 4x4 convolutions of the small image, one for each of these
phases, whose kernels are the 5x5 one times the weights of the upsampling. They take the image to go on beyond its edges, where the
original sees zeros: what that adds to the two outermost rows and columns is taken away. Results are `Decoder`'s but for rounding.
"""

from __future__ import annotations

from functools import cached_property
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .colour_nets import Decoder, coloured, up

PHASES = (0, 1)


class PhasedDecoder:
    """A trained decoder's function: code `(B, d)` to field `(B, 2, 64, 64)`. Its kernels are made at the first call; later
    changes of the weights are not seen."""

    def __init__(self, decoder: Decoder) -> None:
        self.blocks, self.last = cast(list[nn.Sequential], list(decoder.blocks)), decoder.last

    def __call__(self, code: Tensor) -> Tensor:
        hidden = code[:, :, None, None].contiguous(memory_format=torch.channels_last)
        for factor, block in zip((4, 2), self.blocks[:2], strict=True):  # small images, whose edges are most of them
            hidden = block(up(hidden, factor))
        *phased, last = self._phased
        for convolution, block in zip(phased, self.blocks[2:], strict=True):
            hidden = block[1:](convolution(hidden))
        return coloured(last, hidden)

    @cached_property
    def _phased(self) -> list[UpConv]:
        with torch.autocast(self.last.weight.device.type, enabled=False):
            return [UpConv(cast(nn.Conv2d, conv)) for conv in (*(block[0] for block in self.blocks[2:]), self.last)]


class UpConv:
    """`conv(up(x, 2))` for x `(B, C, h, w)`; `conv` has a kernel of 5x5, stride 1 and padding 2."""

    @torch.no_grad()
    def __init__(self, conv: nn.Conv2d) -> None:
        kernel, weights = conv.weight, _weights(conv.weight)
        self.bias, self.outputs = conv.bias, conv.out_channels
        self.kernels = {(p, q): _packed(torch.einsum("yk,oikl,xl->oiyx", weights[p], kernel, weights[q]))
                        for p in PHASES for q in PHASES}  # fmt: skip
        k = kernel.unbind(2)  # what its rows see of the two rows beyond the edge, which equal the outermost one
        self.above, self.below = (_packed(torch.cat(rows)[:, :, None]) for rows in ((k[0] + k[1], k[0]), (k[4], k[3] + k[4])))
        k = kernel.unbind(3)
        self.left, self.right = (_packed(torch.cat(rows)[..., None]) for rows in ((k[0] + k[1], k[0]), (k[4], k[3] + k[4])))

    def __call__(self, x: Tensor) -> Tensor:
        """`(B, outputs, 2h, 2w)`."""
        h, w = x.shape[2:]
        beyond = functional.pad(x, (2, 2, 2, 2), mode="replicate")
        parts = {(p, q): functional.conv2d(beyond[:, :, p : p + h + 3, q : q + w + 3], kernel, self.bias)
                 for (p, q), kernel in self.kernels.items()}  # fmt: skip
        some = parts[0, 0]
        made = some.new_empty(len(x), self.outputs, 2 * h, 2 * w).contiguous(memory_format=torch.channels_last)
        for (p, q), part in parts.items():
            made[:, :, p::2, q::2] = part
        for row, kernel, place in ((x[:, :, :1], self.above, slice(0, 2)), (x[:, :, -1:], self.below, slice(-2, None))):
            wide = functional.interpolate(row, size=(1, 2 * w), mode="bilinear", align_corners=False)
            seen = functional.conv2d(wide, kernel, padding=(0, 2)).unflatten(1, (2, self.outputs))  # (B, 2, outputs, 1, 2w)
            made[:, :, place] -= seen[..., 0, :].transpose(1, 2)
        for column, kernel, place in ((x[..., :1], self.left, slice(0, 2)), (x[..., -1:], self.right, slice(-2, None))):
            tall = functional.interpolate(column, size=(2 * h, 1), mode="bilinear", align_corners=False)
            seen = functional.conv2d(functional.pad(tall, (0, 0, 2, 2), mode="replicate"), kernel).unflatten(1, (2, self.outputs))
            made[..., place] -= seen[..., 0].permute(0, 2, 3, 1)
        return made


def _weights(like: Tensor) -> Tensor:
    """`(2, 4, 5)`: what the five pixels around output 2i + p are made of, of the four pixels from i - 2 + p on."""
    found = like.new_zeros(2, 4, 5)
    for p in PHASES:
        for tap in range(5):
            pixel, odd = divmod(p + tap - 2, 2)
            for place, share in ((pixel, 0.75), (pixel + 1 if odd else pixel - 1, 0.25)):
                found[p, place - (p - 2), tap] += share
    return found


def _packed(kernel: Tensor) -> Tensor:
    return kernel.contiguous(memory_format=torch.channels_last)
