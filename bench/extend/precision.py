"""Networks in the run's precision: convolutions and products in bfloat16 where that is asked for,
results in float32."""

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


def placed(network: Network, device: str) -> Network:
    """The network on a device, its kernels channels last, which decides how layers' results lie,
    too (`benchmarks/ratios.py`)."""
    return network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
