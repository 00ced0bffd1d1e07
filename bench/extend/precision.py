"""Networks in the run's precision: convolutions and products in bfloat16 where that is asked for,
losses and results in float32."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)
Result = TypeVar("Result", Tensor, tuple[Tensor, ...])


def with_precision(precision: str, network: Callable[..., Result], *inputs: Tensor) -> Result:
    """Compute `network(*inputs)` with the run's precision.

    Training needs it not: `train` sees to the precision itself.

    Parameters
    ----------
    precision : str
        `FitContext.precision`: `float32` or `bfloat16`.
    network : callable
        A network, or a function of networks.
    *inputs : Tensor
        Its inputs. The first one's device counts.

    Returns
    -------
    Tensor or tuple of Tensor
        What the network returns, as float32.

    Examples
    --------
    >>> import torch
    >>> from bench.extend import with_precision
    >>> made = with_precision("bfloat16", torch.nn.Linear(8, 3), torch.zeros(5, 8))
    >>> made.shape, made.dtype
    (torch.Size([5, 3]), torch.float32)
    """
    if precision == "float32":
        return network(*inputs)
    with torch.autocast(inputs[0].device.type, torch.bfloat16):
        found = network(*inputs)
    return tuple(part.float() for part in found) if isinstance(found, tuple) else found.float()


def in_float32(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Decorate a loss: it is computed in float32, although the networks around it compute with
    bfloat16.

    Sums over thousands of pixels lose too much in bfloat16.

    Parameters
    ----------
    loss : callable
        A function or a method. At least one of its arguments is a tensor.

    Examples
    --------
    >>> import torch
    >>> from bench.extend import in_float32
    >>> @in_float32
    ... def squared_error(field, truth):
    ...     return (field - truth).square().flatten(1).sum(1)
    >>> squared_error(torch.ones(2, 3, dtype=torch.bfloat16), torch.zeros(2, 3))
    tensor([3., 3.])
    """

    @wraps(loss)
    def wide(*given: Any) -> Tensor:
        device = next(value.device.type for value in given if isinstance(value, Tensor))
        with torch.autocast(device, enabled=False):
            return loss(
                *(
                    v.float() if isinstance(v, Tensor) and v.dtype == torch.bfloat16 else v
                    for v in given
                )
            )

    return wide


def channels_last(network: Network, device: str) -> Network:
    """Put a network of convolutions on a device, its kernels channels last.

    The layout of the kernels decides how the layers' results lie. Convolutions are faster so
    (`benchmarks/ratios.py`).

    Parameters
    ----------
    network : nn.Module
        It is changed, and returned.
    device : str
        `FitContext.device`.
    """
    return network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
