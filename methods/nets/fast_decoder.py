"""The decoder for drawing: bilinear upsampling and 5x5 convolution in one step, with two thirds of
the multiplications.

Of each 2x2 pixels that an upsampling by 2 makes, the upper left ones are one linear function of the
pixels before it, the upper right ones another, and so on. So the convolution after it is four 4x4
convolutions of the small image, one for each of these phases, whose kernels are the 5x5 one times
the weights of the upsampling. They take the image to go on beyond its edges, where the original
sees zeros: what that adds to the two outermost rows and columns is taken away. Results are
`Decoder`'s but for rounding.

The first image is one pixel, so its upsampling has one colour, and the convolution after it is a
matrix product.

In bfloat16 large kernels are faster in two steps. There their weights are rounded and laid out
once, and not for every batch, and small images lie side by side, since AMX multiplies 16 pixels of
a row at once.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cached_property, partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from .encoder_decoder import Decoder, coloured, up

PHASES = (0, 1)
FEW = 16
"""Outputs: fewer are one convolution for all phases of two neighbouring pixels, with a kernel of
5x6, since processors compute so many at once."""

WIDE, BESIDE = 16, 8
"""Pixels of a row that are multiplied at once in bfloat16; how many narrower images lie side by
side for it."""


def _packing() -> bool:
    names = ("_convolution_pointwise", "_reorder_convolution_weight", "_is_mkldnn_bf16_supported")
    return all(hasattr(torch.ops.mkldnn, name) for name in names) and bool(
        torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


PACKING = _packing()
"""Whether kernels can be laid out once: it needs a processor that computes with bfloat16, and
functions of PyTorch's own."""

Step = Callable[[Tensor], Tensor]


class PhasedDecoder:
    """A trained decoder's function: code `(B, d)` to field `(B, 2, 64, 64)`. Its kernels are made
    at the first call; later changes of the weights are not seen."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder

    def __call__(self, code: Tensor) -> Tensor:
        hidden = code[:, :, None, None].contiguous(memory_format=torch.channels_last)
        for step in self._rounded if torch.is_autocast_enabled(code.device.type) else self._exact:
            hidden = step(hidden)
        return coloured(self._last, hidden)

    @cached_property
    def _exact(self) -> list[Step]:
        first, (factor, second), (_, third), (_, fourth) = (
            self.decoder.steps()
        )  # small images are edges, most of them
        return [
            OnePixel(*first),
            partial(_in_two, factor, second),
            _in_phases(third),
            _in_phases(fourth),
        ]

    @cached_property
    def _rounded(self) -> list[Step]:
        first, *steps = self.decoder.steps()
        return [
            OnePixel(*first, torch.bfloat16),
            *(partial(_in_two, factor, _in_bfloat16(block)) for factor, block in steps),
        ]

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


def _in_bfloat16(block: nn.Sequential) -> nn.Sequential:
    convolution, _, norm = block
    assert isinstance(convolution, nn.Conv2d)
    rounded = deepcopy(convolution).to(torch.bfloat16)
    on_cpu = rounded.weight.device.type == "cpu"
    return nn.Sequential(
        SideBySide(PackedReLU(rounded))
        if on_cpu
        else nn.Sequential(rounded, nn.ReLU(inplace=True)),
        norm,
    )


class OnePixel(nn.Module):
    """`block(up(x, factor))` for x `(B, C, 1, 1)`; `block` ends with an activation and a norm."""

    def __init__(self, factor: int, block: nn.Sequential, kind: torch.dtype | None = None) -> None:
        super().__init__()
        *linear, self.activation, self.norm = block
        weight = next(block.parameters())
        with torch.no_grad(), torch.autocast(weight.device.type, enabled=False):
            each = torch.eye(weight.shape[1], dtype=weight.dtype, device=weight.device)
            pixels = torch.cat([torch.zeros_like(each[:1]), each])[..., None, None]
            made = nn.Sequential(*linear)(up(pixels, factor)).permute(
                2, 3, 1, 0
            )  # (factor, factor, outputs, 1 + C)
        self.bias = made[..., 0].flatten().to(kind)
        self.weight = (made[..., 1:] - made[..., :1]).flatten(0, 2).to(kind)
        self.shape = made.shape[:3]

    def forward(self, x: Tensor) -> Tensor:
        """`(B, outputs, factor, factor)`."""
        made: Tensor = self.activation(functional.linear(x.flatten(1), self.weight, self.bias))
        return self.norm(made.unflatten(1, self.shape).permute(0, 3, 1, 2))


class SideBySide(nn.Module):
    """`step(x)`, a convolution with a kernel of 5x5, stride 1 and padding 2. Narrow images become
    parts of wide ones, with zeros between them."""

    def __init__(self, step: nn.Module) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        """`(B, outputs, h, w)` of x `(B, C, h, w)`."""
        count, width = len(x), x.shape[3]
        if width >= WIDE:
            return self.step(x)
        some = functional.pad(
            x.permute(0, 2, 3, 1), (0, 0, 0, 2, 0, 0, 0, -count % BESIDE)
        ).unflatten(0, (-1, BESIDE))
        wide = self.step(some.transpose(1, 2).flatten(2, 3).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        parts = wide.unflatten(2, (BESIDE, -1))[:, :, :, :width].transpose(
            1, 2
        )  # (B / BESIDE, BESIDE, h, w, outputs)
        return parts.flatten(0, 1)[:count].permute(0, 3, 1, 2)


class PackedReLU(nn.Module):
    """`relu(conv(x))` in bfloat16, its kernel laid out once. The function is the one that
    `torch.compile` calls; without it (`PACKING`) there is a layout for every batch."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        """`(B, outputs, h, w)` of x `(B, C, h, w)`."""
        if not PACKING:
            return self.conv(x).relu_()
        c = self.conv
        where = (c.padding, c.stride, c.dilation, c.groups)
        made: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self._laid_out, c.bias, *where, "relu", [], ""
        )
        return made

    @cached_property
    def _laid_out(self) -> Tensor:
        c = self.conv
        made: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
            c.weight, c.padding, c.stride, c.dilation, c.groups, None
        )
        return made


class UpConv(nn.Module):
    """`conv(up(x, 2))` for x `(B, C, h, w)`, in the number format of `conv`, which has a kernel of
    5x5, stride 1 and padding 2."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        with torch.no_grad(), torch.autocast(conv.weight.device.type, enabled=False):
            self._make(conv.weight)
        self.bias, self.outputs, self.kind = conv.bias, conv.out_channels, conv.weight.dtype

    def _make(self, kernel: Tensor) -> None:
        weights = _weights(kernel)
        self.kernels = {
            (p, q): _packed(torch.einsum("yk,oikl,xl->oiyx", weights[p], kernel, weights[q]))
            for p in PHASES
            for q in PHASES
        }
        self.together = _packed(self._joined()) if len(kernel) < FEW else None
        k = kernel.unbind(
            2
        )  # what its rows see of the two rows beyond the edge, which equal the outermost one
        self.above, self.below = (
            _packed(torch.cat(rows)[:, :, None])
            for rows in ((k[0] + k[1], k[0]), (k[4], k[3] + k[4]))
        )
        k = kernel.unbind(3)
        self.left, self.right = (
            _packed(torch.cat(rows)[..., None])
            for rows in ((k[0] + k[1], k[0]), (k[4], k[3] + k[4]))
        )

    def _joined(self) -> Tensor:
        """The kernels of all phases of two neighbouring pixels as one: outputs x p x pixels x q of
        them."""
        places = [
            functional.pad(self.kernels[p, q], (n + q, 2 - n - q, p, 1 - p))
            for p in PHASES
            for n in PHASES
            for q in PHASES
        ]
        return torch.stack(places, 1).flatten(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, outputs, 2h, 2w)`."""
        h, w = x.shape[2:]
        made = self._inside(
            functional.pad(x, (2, 2 + w % 2, 2, 2), mode="replicate").to(self.kind), h, w
        )
        for row, kernel, place in (
            (x[:, :, :1], self.above, slice(0, 2)),
            (x[:, :, -1:], self.below, slice(-2, None)),
        ):
            wide = functional.interpolate(
                row.to(self.kind), size=(1, 2 * w), mode="bilinear", align_corners=False
            )
            seen = functional.conv2d(wide, kernel, padding=(0, 2)).unflatten(
                1, (2, self.outputs)
            )  # (B, 2, outputs, 1, 2w)
            made[:, :, place] -= seen[..., 0, :].transpose(1, 2)
        for column, kernel, place in (
            (x[..., :1], self.left, slice(0, 2)),
            (x[..., -1:], self.right, slice(-2, None)),
        ):
            tall = functional.interpolate(
                column.to(self.kind), size=(2 * h, 1), mode="bilinear", align_corners=False
            )
            seen = functional.conv2d(
                functional.pad(tall, (0, 0, 2, 2), mode="replicate"), kernel
            ).unflatten(1, (2, self.outputs))
            made[..., place] -= seen[..., 0].permute(0, 2, 3, 1)
        return made

    def _inside(self, beyond: Tensor, h: int, w: int) -> Tensor:
        """As if the image went on beyond its edges. beyond: with two rows and columns more on all
        sides, and an even width."""
        if self.together is not None:
            bias = None if self.bias is None else self.bias.repeat_interleave(2 * len(self.kernels))
            pairs = functional.conv2d(beyond, self.together, bias, stride=(1, 2)).unflatten(
                1, (self.outputs, 2, 2, 2)
            )
            return (
                pairs.permute(0, 1, 5, 2, 6, 3, 4).flatten(4).flatten(2, 3)[..., : 2 * w]
            )  # B, outputs, h, p, w / 2, n, q
        parts = {
            (p, q): functional.conv2d(beyond[:, :, p : p + h + 3, q : q + w + 3], kernel, self.bias)
            for (p, q), kernel in self.kernels.items()
        }
        some = parts[0, 0]
        made = some.new_empty(len(beyond), self.outputs, 2 * h, 2 * w).contiguous(
            memory_format=torch.channels_last
        )
        for (p, q), part in parts.items():
            made[:, :, p::2, q::2] = part
        return made


def _weights(like: Tensor) -> Tensor:
    """`(2, 4, 5)`: what the five pixels around output 2i + p are made of, of the four pixels from i
    - 2 + p on."""
    found = like.new_zeros(2, 4, 5)
    for p in PHASES:
        for tap in range(5):
            pixel, odd = divmod(p + tap - 2, 2)
            for place, share in ((pixel, 0.75), (pixel + 1 if odd else pixel - 1, 0.25)):
                found[p, place - (p - 2), tap] += share
    return found


def _packed(kernel: Tensor) -> Tensor:
    return kernel.contiguous(memory_format=torch.channels_last)
