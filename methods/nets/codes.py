"""Codes of colour fields: the methods that make them, how the KL term is weighed, how large a code
is, and how the codes of training photographs lie."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from bench.contracts import FitContext, PreparedSet
from bench.errors import BenchError
from bench.extend import in_float32, map_batches, mean_over_devices

from .losses import kl_divergence, min_photographs


@runtime_checkable
class Codec(Protocol):
    """A method that embeds colour fields."""

    d: int

    def encode(self, ab: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and standard deviation `(B, d)` of fields `(B, 2, 64, 64)` in CIELAB
        units."""

    def decode(self, code: Tensor) -> Tensor:
        """Fields `(B, 2, 64, 64)` in CIELAB units of codes `(B, d)`."""


def codec(context: FitContext, name: str) -> Codec:
    """The part `name`, which must embed colour fields."""
    part = context.parts[name]
    if not isinstance(part, Codec):
        raise BenchError(
            f"parameter {name}: {type(part).__name__} does not encode and decode; take vae"
        )
    return part


def codes(part: Codec, train: PreparedSet, context: FitContext) -> tuple[Tensor, Tensor]:
    """Posterior means and standard deviations `(N, d)` of all training photographs."""
    out = np.empty((len(train), 2, part.d), dtype=np.float32)
    map_batches(
        train, context, "codes", lambda i: torch.stack(part.encode(train.truth(i)), dim=1), out, 64
    )
    both = torch.from_numpy(out)
    return both[:, 0], both[:, 1]


class Balance(nn.Module):
    """Reconstruction loss plus the weighted KL term.

    With `auto` the weight is twice the reconstruction loss per number, averaged over recent steps:
    for a squared error that is the Gaussian decoder with its maximum-likelihood variance (Rybkin et
    al. 2021, arXiv:2006.13202). It is part of the module's state, so that a training goes on with
    it, and the same on all devices.
    """

    current: Tensor

    def __init__(self, kl: float | str) -> None:
        super().__init__()
        self.auto = kl == "auto"
        self.register_buffer("current", torch.tensor(0.0 if self.auto else float(kl)))

    @property
    def weight(self) -> float:
        """The present weight of the KL term."""
        return float(self.current)

    @in_float32
    def forward(self, reconstruction: Tensor, kl: Tensor, numbers: int) -> Tensor:
        if self.auto and self.training:
            now = 2 * mean_over_devices(reconstruction.detach()) / numbers
            self.current.copy_(torch.where(self.current > 0, 0.95 * self.current + 0.05 * now, now))
        return reconstruction + self.current * kl


def code_size(given: int | str, dataset: str) -> int:
    """d: what was asked for, or the paper's 32 for LFW and 64 elsewhere."""
    return int(given) if given != "auto" else (32 if dataset == "lfw" else 64)


def too_few(loss: str, count: int) -> str | None:
    """Why a loss can't be fitted on so few photographs, or None."""
    least = min_photographs(loss)
    return (
        f"loss={loss} needs at least {least} training photographs, there are {count}"
        if count < least
        else None
    )


def describe_codes(mean: Tensor, deviation: Tensor) -> dict[str, float]:
    """How the codes of training photographs lie: active dimensions (variance of the mean above
    0.01; Burda et al. 2016) and the standard deviation of the aggregate code, which sampling from
    N(0, I) takes to be 1."""
    spread = mean.var(dim=0, correction=0)
    aggregate = (spread + deviation.square().mean(0)).sqrt()
    kl = kl_divergence(mean, 2 * deviation.log()).mean()
    return {
        "active_dimensions": int((spread > 0.01).sum()),
        "aggregate_code_std": float(aggregate.mean()),
        "kl_nats": float(kl),
    }
