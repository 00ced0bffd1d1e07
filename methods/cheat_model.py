"""The tricks of the adversary suite. Each is a few lines on top of draws of the known law."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from bench.contracts import (
    ColorDistribution,
    FitContext,
    Law,
    Method,
    PreparedSet,
    Revealed,
    SampleSet,
)
from bench.seeds import derive, normal, uniform

from .cheat import CHEATS

MANY = 64
"""Draws of the law that stand for its mean, its variance and its centroids."""


class Cheat(Method):
    __doc__ = "Needs no training. The tricks:\n\n" + "\n".join(
        f"* {how}: {text}" for how, text in CHEATS.items()
    )

    def __init__(self, *, how: str) -> None:
        self.how = how

    def fit(self, train: PreparedSet, context: FitContext) -> None:
        """Nothing to learn."""

    def save(self, folder: Path) -> None:
        """Nothing to keep."""

    def load(self, folder: Path, context: FitContext) -> None:
        """Nothing was kept."""

    def predict(self, grey: Tensor, seeds: Sequence[int]) -> ColorDistribution:
        return self.reveal(Revealed(grey), seeds)

    def reveal(self, shown: Revealed, seeds: Sequence[int]) -> Tricks:
        if shown.law is None or shown.truth is None:
            raise ValueError("a cheat must be shown the law and the truth")
        return Tricks(shown.law, shown.truth, seeds, self.how)


class Tricks(ColorDistribution):
    """A known law `(B photographs)` and the truths `(B, 2, 64, 64)`, misused."""

    def __init__(self, law: Law, truth: Tensor, seeds: Sequence[int], how: str) -> None:
        self.law, self.truth, self.seeds, self.how = law, truth, seeds, how
        self.many = law.sample(MANY, [derive(seed, "many") for seed in seeds])
        self.mean_field = self.many.mean(1, keepdim=True)
        self.before: list[Tensor] = []
        """What draws that depend on one another remember; `reseeded` copies share the list."""

    def present(self, k: int) -> SampleSet:
        return self.sample(k)

    def sample(self, n: int) -> SampleSet:
        return SampleSet(_TRICKS[self.how](self, n).float(), "iid", n_drawn=n)

    def draws(self, n: int, purpose: str = "") -> Tensor:
        """Honest draws `(B, n, 2, 64, 64)`; another purpose gives others."""
        return self.law.sample(
            n, [derive(seed, purpose) for seed in self.seeds] if purpose else self.seeds
        )

    def chance(self, n: int, choices: int) -> Tensor:
        """A random one of `choices`, `(B, n)`."""
        numbers = uniform([derive(seed, "chance") for seed in self.seeds], (n, 1))[..., 0]
        return (numbers * choices).long().clamp_max(choices - 1)

    def scaled(self, n: int, factor: float) -> Tensor:
        """Draws `factor` times as far from the mean."""
        return self.mean_field + factor * (self.draws(n) - self.mean_field)

    def always(self, field: Tensor, n: int) -> Tensor:
        """The field `(B, 1, 2, 64, 64)` n times."""
        return field.expand(-1, n, -1, -1, -1)

    def likelier(self, n: int) -> Tensor:
        """The likelier of two draws."""
        return _likeliest(self.law, torch.stack([self.draws(n), self.draws(n, "second")], dim=2))

    def shifted(self, n: int) -> Tensor:
        """The mean, moved by one of five colours."""
        palette = torch.tensor([[0.0, 0], [20, 0], [-20, 0], [0, 20], [0, -20]])
        return self.mean_field + palette[self.chance(n, 5)][..., None, None]

    def strangers(self, n: int) -> Tensor:
        """Truths of other photographs of the batch."""
        count = len(self.truth)
        others = (torch.arange(count)[:, None] + 1 + self.chance(n, max(1, count - 1))) % count
        return self.truth[others]

    def quartered(self, n: int) -> Tensor:
        """The truth with its quarters exchanged by 1, 2 or 3 places."""
        turns = [self.truth.roll(shifts, (2, 3)) for shifts in ((32, 0), (0, 32), (32, 32))]
        return _pick(torch.stack(turns, dim=1), self.chance(n, 3))

    def perfect_once(self, n: int) -> Tensor:
        """The truth once in five times, else a random colour at every pixel."""
        garbage = 40 * normal(
            [derive(seed, "garbage") for seed in self.seeds], (n, *self.truth.shape[1:])
        )
        lucky = (self.chance(n, 5) == 0)[..., None, None, None]
        return torch.where(lucky, self.truth[:, None], garbage)

    def noisy(self, n: int) -> Tensor:
        """The mean and independent noise of the law's standard deviation."""
        deviation = self.many.std(1, keepdim=True)
        return self.mean_field + deviation * normal(
            [derive(seed, "noise") for seed in self.seeds], (n, *self.truth.shape[1:])
        )

    def speckled(self, n: int) -> Tensor:
        """Every pixel from a random one of many draws."""
        numbers = uniform([derive(seed, "speckle") for seed in self.seeds], (n, 64, 64))
        chosen = (numbers * MANY).long().clamp_max(MANY - 1)[:, :, None].expand(-1, -1, 2, -1, -1)
        return self.many.gather(1, chosen)

    def halved(self, n: int) -> Tensor:
        """Two halves from two draws."""
        left, right = self.draws(n), self.draws(n, "second")
        return torch.cat([left[..., :32], right[..., 32:]], dim=-1)

    def hedged(self, n: int) -> Tensor:
        """The mean half of the time."""
        return torch.where(
            (self.chance(n, 2) == 0)[..., None, None, None], self.mean_field, self.draws(n)
        )

    def in_turn(self, n: int) -> Tensor:
        """The next centroid, whatever the seed."""
        centres = torch.stack([_centroids(fields) for fields in self.many])
        taken = len(self.before)
        self.before += [centres[:, 0]] * n
        return centres[:, [(taken + i) % centres.shape[1] for i in range(n)]]

    def repelled(self, n: int) -> Tensor:
        """Away from the mean of the draws before."""
        made = []
        for draw in self.draws(n).unbind(1):
            away = (
                draw - torch.stack(self.before).mean(0) if self.before else torch.zeros_like(draw)
            )
            made.append(draw + 0.5 * away)
            self.before.append(made[-1])
        return torch.stack(made, dim=1)

    def mirrored(self, n: int) -> Tensor:
        """Every second draw mirrors the one before it."""
        made = []
        for draw in self.draws(n).unbind(1):
            odd = len(self.before) % 2 == 1
            made.append(2 * self.mean_field[:, 0] - self.before[-1] if odd else draw)
            self.before.append(made[-1])
        return torch.stack(made, dim=1)


_TRICKS: dict[str, Callable[[Tricks, int], Tensor]] = {
    "over-dispersed": lambda t, n: t.scaled(n, 1.5),
    "under-dispersed": lambda t, n: t.scaled(n, 0.5),
    "repeated": lambda t, n: t.always(t.many[:, :1], n),
    "mean-only": lambda t, n: t.always(t.mean_field, n),
    "mean-shift": Tricks.shifted,
    "blend": lambda t, n: (t.draws(n) + t.draws(n, "second")) / 2,
    "likeliest": lambda t, n: t.always(_likeliest(t.law, t.many[:, None]), n),
    "sharpened": Tricks.likelier,
    "hedge": Tricks.hedged,
    "marginal": Tricks.strangers,
    "permuted": Tricks.quartered,
    "one-perfect": Tricks.perfect_once,
    "noise": Tricks.noisy,
    "speckle": Tricks.speckled,
    "halves": Tricks.halved,
    "centroids": Tricks.in_turn,
    "repelled": Tricks.repelled,
    "mirrored": Tricks.mirrored,
}


def _likeliest(law: Law, candidates: Tensor) -> Tensor:
    """The likeliest of candidates `(B, n, m, 2, h, w)`, `(B, n, 2, h, w)`."""
    count, n, m = candidates.shape[:3]
    best = law.log_prob(candidates.flatten(1, 2)).reshape(count, n, m).argmax(2)
    return _pick(candidates.flatten(0, 1), best.flatten()[:, None])[:, 0].unflatten(0, (count, n))


def _pick(fields: Tensor, index: Tensor) -> Tensor:
    """Fields `(B, m, 2, h, w)` at index `(B, n)`."""
    return fields[torch.arange(len(fields))[:, None], index]


def _centroids(fields: Tensor, count: int = 10) -> Tensor:
    """k-means centroids `(count, 2, h, w)` of fields `(m, 2, h, w)`; again from the first where
    fewer fields differ."""
    from sklearn.cluster import KMeans

    flat = fields.flatten(1)
    distinct = min(count, len(torch.unique(flat.round(), dim=0)))
    made = torch.from_numpy(
        KMeans(distinct, n_init=1, random_state=0).fit(flat.numpy()).cluster_centers_
    )
    return made[torch.arange(count) % distinct].unflatten(1, fields.shape[1:])
