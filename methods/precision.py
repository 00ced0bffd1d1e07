"""Networks in the run's precision: convolutions and products in bfloat16 where that is asked for, results in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)
Result = TypeVar("Result", Tensor, tuple[Tensor, ...])


def computed(precision: str, network: Callable[..., Result], *inputs: Tensor) -> Result:
    """`network(*inputs)`, computed with a precision (`bench.contracts.FitContext.precision`)."""
    if precision == "float32":
        return network(*inputs)
    with torch.autocast(inputs[0].device.type, torch.bfloat16):
        found = network(*inputs)
    return tuple(part.float() for part in found) if isinstance(found, tuple) else found.float()


def laid_out(network: Network, preset: str, device: str, precision: str) -> Network:
    """The network on a device, its kernels in the order in which training is fastest there (`benchmarks/ratios.py`).

    Channels last, which also decides how layers' results lie, except in float32 at the paper's widths on a CPU, where that
    is no faster.
    """
    first = preset == "paper" and device == "cpu" and precision == "float32"
    layout = torch.contiguous_format if first else torch.channels_last
    return network.to(device=device, memory_format=layout)  # type: ignore[call-overload]
