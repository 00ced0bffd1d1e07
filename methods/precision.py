"""Networks in the run's precision: convolutions and products in bfloat16 where that is asked for, results in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result", Tensor, tuple[Tensor, ...])


def computed(precision: str, network: Callable[..., Result], *inputs: Tensor) -> Result:
    """`network(*inputs)`, computed with a precision (`bench.contracts.FitContext.precision`)."""
    if precision == "float32":
        return network(*inputs)
    with torch.autocast(inputs[0].device.type, torch.bfloat16):
        found = network(*inputs)
    return tuple(part.float() for part in found) if isinstance(found, tuple) else found.float()
