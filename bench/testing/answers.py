"""What a fitted method answers when it is asked as the harness asks, and how far two answers are
apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.contracts import ColorDistribution, Law, Method, Revealed
from bench.engine.sampling import TOLERANCE

if TYPE_CHECKING:
    from torch import Tensor

    from bench.specs import MethodSpec

PRESENTED, DRAWN = 3, 4
"""Colourizations and draws that are asked for where nothing is said of their number."""


@dataclass(frozen=True)
class Manner:
    """How a method is asked: what its spec says of it."""

    role: str
    sees: frozenset[str]
    capabilities: frozenset[str]

    @classmethod
    def of(cls, spec: MethodSpec) -> Manner:
        """As the spec says."""
        return cls(spec.role, frozenset(spec.sees), spec.capabilities)

    @property
    def draws(self) -> bool:
        """Whether there are independent draws."""
        return self.role != "codec" and "sample" in self.capabilities


@dataclass(frozen=True)
class Shown:
    """Photographs as a method gets them: L `(B, 1, 256, 256)`, and for those who see it the truth
    and the law."""

    grey: Tensor
    truth: Tensor
    law: Law


def distribution(
    method: Method, manner: Manner, shown: Shown, seeds: Sequence[int]
) -> ColorDistribution:
    """P(C | G), by the way that the harness goes."""
    if not manner.sees:
        return method.predict(shown.grey, seeds)
    truth = shown.truth if "truth" in manner.sees else None
    return method.reveal(
        Revealed(shown.grey, truth, shown.law if "law" in manner.sees else None), seeds
    )


def answers(
    method: Method, manner: Manner, shown: Shown, seeds: Sequence[int]
) -> dict[str, Tensor]:
    """All that a method promises, by name; each the photographs' in the first axis."""
    if manner.role == "codec":
        return {"reconstruct": method.reconstruct(shown.truth, seeds).ab}
    asked = distribution(method, manner, shown, seeds)
    presented = asked.present(PRESENTED)
    found = {f"present({PRESENTED})": presented.ab}
    if presented.weights is not None:
        found["weights"] = presented.weights
    if manner.draws:
        found[f"sample({DRAWN})"] = asked.sample(DRAWN).ab
    if "mean" in manner.capabilities:
        found["mean()"] = asked.mean()
    if "log_prob" in manner.capabilities:
        found["log_prob(truth)"] = asked.log_prob(shown.truth)
    return found


def apart(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> str:
    """What differs by more than rounding, in words, or nothing.

    Fields may differ by 0.05 ab units, averaged over a field: kernels round differently, and a
    pixel's draw may flip where rounding meets a bound. Weights and log densities may differ by a
    thousandth.
    """
    if first.keys() != second.keys():
        return f"{', '.join(sorted(first))} there, {', '.join(sorted(second))} here"
    for name in first:
        if first[name].shape != second[name].shape:
            return f"{name} is {tuple(first[name].shape)} there, {tuple(second[name].shape)} here"
        difference, most = _difference(first[name], second[name])
        if not difference <= most:
            return f"{name} differs by {difference:.3g} (rounding: {most:g})"
    return ""


def one_by_one(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Answers for several batches as for one batch of them all."""
    import torch

    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def taken(found: Mapping[str, Tensor], rows: Sequence[int]) -> dict[str, Tensor]:
    """The answers for some of the photographs."""
    return {name: values[list(rows)] for name, values in found.items()}


def _difference(first: Tensor, second: Tensor) -> tuple[float, float]:
    """The largest, and the most that rounding explains."""
    import torch

    a, b = first.detach().cpu().double(), second.detach().cpu().double()
    gap = torch.where(a == b, torch.zeros((), dtype=a.dtype), (a - b).abs())  # -inf is -inf
    if a.ndim >= 4:
        return float(gap.mean((-1, -2, -3)).max()), TOLERANCE
    return float((gap / (1 + b.abs())).max()), 1e-3


def to_files(found: Mapping[str, Tensor]) -> dict[str, Any]:
    """As safetensors wants them."""
    return {name: values.detach().cpu().contiguous().clone() for name, values in found.items()}
