"""How a training goes: steps, rate and size of a batch."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """How a training goes: Adam with a linear warm-up and a cosine decay to nothing.

    Parameters
    ----------
    steps : int
        Batches that are trained with.
    rate : float
        The learning rate at its peak.
    batch : int
        Photographs in a batch, over all devices together.
    warm_up : int
        Steps until the peak, but at most about a fifth of all.
    betas : tuple of float
        Of Adam.
    weight_decay : float
        Of Adam: an L2 penalty that is added to the gradient.

    Examples
    --------
    >>> from bench.extend import Schedule
    >>> schedule = Schedule(steps=100, rate=1e-3)
    >>> [round(schedule.factor(step), 3) for step in (0, 20, 21, 60, 100)]
    [0.048, 1.0, 1.0, 0.51, 0.0]
    """

    steps: int
    rate: float
    batch: int = 32
    warm_up: int = 50
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0

    def factor(self, step: int) -> float:
        """The rate at a step, as a share of the peak."""
        warm = min(self.warm_up, self.steps // 5 + 1)
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, self.steps - warm)))

    @property
    def interval(self) -> int:
        """Steps between two looks at the held-out photographs."""
        return max(1, min(50, self.steps // 4))
