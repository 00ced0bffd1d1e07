"""The decoder for drawing: bilinear upsampling and 5x5 convolution in one step, with two thirds of the multiplications.

Of each 2x2 pixels that an upsampling by 2 makes, the upper left ones are one linear function of the pixels before it, the upper
right ones another, and so on. So the convolution after it is four 4x4 convolutions of the small image, one for each of these
phases, whose kernels are the 5x5 one times the weights of the upsampling. They take the image to go on beyond its edges, where the
original sees zeros: what that adds to the two outermost rows and columns is taken away. Results are `Decoder`'s but for rounding.

In bfloat16 large kernels are faster in two steps: there their weights are rounded once, and not for every batch.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cached_property, partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from .colour_nets import Decoder, coloured, up

PHASES = (0, 1)
FEW = 16
"""Outputs: fewer are one convolution for all phases, with a kernel of 5x5, since processors compute so many at once."""

Step = Callable[[Tensor], Tensor]


class PhasedDecoder:
    """A trained decoder's function: code `(B, d)` to field `(B, 2, 64, 64)`. Its kernels are made at the first call; later
    changes of the weights are not seen."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder

    def __call__(self, code: Tensor) -> Tensor:
        hidden = code[:, :, None, None].contiguous(memory_format=torch.channels_last)
        for step in self._rounded if torch.is_autocast_enabled(code.device.type) else self._exact:
            hidden = step(hidden)
        return coloured(self._last, hidden)

    @cached_property
    def _exact(self) -> list[Step]:
        *early, (_, third), (_, fourth) = self.decoder.steps()  # images are small at first, and edges most of them
        return [*(partial(_in_two, *step) for step in early), _in_phases(third), _in_phases(fourth)]

    @cached_property
    def _rounded(self) -> list[Step]:
        return [partial(_in_two, factor, nn.Sequential(*map(_in_bfloat16, block))) for factor, block in self.decoder.steps()]

    @cached_property
    def _last(self) -> UpConv:
        return UpConv(self.decoder.last)


def _in_two(factor: int, block: nn.Sequential, x: Tensor) -> Tensor:
    made: Tensor = block(up(x, factor))
    return made


def _in_phases(block: nn.Sequential) -> Step:
    convolution, *after = block
    assert isinstance(convolution, nn.Conv2d)
    return nn.Sequential(UpConv(convolution), *after)


def _in_bfloat16(layer: nn.Module) -> nn.Module:
    return deepcopy(layer).to(torch.bfloat16) if isinstance(layer, nn.Conv2d) else layer


class UpConv(nn.Module):
    """`conv(up(x, 2))` for x `(B, C, h, w)`; `conv` has a kernel of 5x5, stride 1 and padding 2."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        with torch.no_grad(), torch.autocast(conv.weight.device.type, enabled=False):
            self._make(conv.weight)
        self.bias, self.outputs = conv.bias, conv.out_channels

    def _make(self, kernel: Tensor) -> None:
        weights = _weights(kernel)
        self.kernels = {(p, q): _packed(torch.einsum("yk,oikl,xl->oiyx", weights[p], kernel, weights[q]))
                        for p in PHASES for q in PHASES}  # fmt: skip
        self.together = _packed(self._joined()) if len(kernel) < FEW else None
        k = kernel.unbind(2)  # what its rows see of the two rows beyond the edge, which equal the outermost one
        self.above, self.below = (_packed(torch.cat(rows)[:, :, None]) for rows in ((k[0] + k[1], k[0]), (k[4], k[3] + k[4])))
        k = kernel.unbind(3)
        self.left, self.right = (_packed(torch.cat(rows)[..., None]) for rows in ((k[0] + k[1], k[0]), (k[4], k[3] + k[4])))

    def _joined(self) -> Tensor:
        """The kernels of all phases as one, in the order of `pixel_shuffle`."""
        places = [functional.pad(kernel, (q, 1 - q, p, 1 - p)) for (p, q), kernel in self.kernels.items()]
        return torch.stack(places, 1).flatten(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, outputs, 2h, 2w)`."""
        h, w = x.shape[2:]
        made = self._inside(functional.pad(x, (2, 2, 2, 2), mode="replicate"), h, w)
        for row, kernel, place in ((x[:, :, :1], self.above, slice(0, 2)), (x[:, :, -1:], self.below, slice(-2, None))):
            wide = functional.interpolate(row, size=(1, 2 * w), mode="bilinear", align_corners=False)
            seen = functional.conv2d(wide, kernel, padding=(0, 2)).unflatten(1, (2, self.outputs))  # (B, 2, outputs, 1, 2w)
            made[:, :, place] -= seen[..., 0, :].transpose(1, 2)
        for column, kernel, place in ((x[..., :1], self.left, slice(0, 2)), (x[..., -1:], self.right, slice(-2, None))):
            tall = functional.interpolate(column, size=(2 * h, 1), mode="bilinear", align_corners=False)
            seen = functional.conv2d(functional.pad(tall, (0, 0, 2, 2), mode="replicate"), kernel).unflatten(1, (2, self.outputs))
            made[..., place] -= seen[..., 0].permute(0, 2, 3, 1)
        return made

    def _inside(self, beyond: Tensor, h: int, w: int) -> Tensor:
        """As if the image went on beyond its edges. beyond: with two rows and columns more on all sides."""
        if self.together is not None:
            bias = None if self.bias is None else self.bias.repeat_interleave(len(self.kernels))
            return functional.pixel_shuffle(functional.conv2d(beyond, self.together, bias), 2)
        parts = {(p, q): functional.conv2d(beyond[:, :, p : p + h + 3, q : q + w + 3], kernel, self.bias)
                 for (p, q), kernel in self.kernels.items()}  # fmt: skip
        some = parts[0, 0]
        made = some.new_empty(len(beyond), self.outputs, 2 * h, 2 * w).contiguous(memory_format=torch.channels_last)
        for (p, q), part in parts.items():
            made[:, :, p::2, q::2] = part
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
