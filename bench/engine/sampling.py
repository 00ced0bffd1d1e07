"""Asking a fitted method for sample sets, and seeing to it that they are what they are said to be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from bench import keys, seeds
from bench.contracts import ColorDistribution, Method, Revealed, SampleSet
from bench.engine.plan import Data, Fit
from bench.errors import BenchError
from bench.scores.manifest import Ask

if TYPE_CHECKING:
    import torch

TOLERANCE = 0.05
"""Mean difference, in ab units, up to which a repeated draw counts as the same: kernels may round
differently."""
WIDEST, GARBAGE = 128.0, 0.01
"""A field with a larger share of values beyond this is no colour field, but one in other units,
say. A few may be: Gaussian noise has tails, and no method is made to clip them."""


@dataclass(frozen=True)
class Asking:
    """One shard of one ask: always one batch, one seed a photograph (and draw).

    Draws are asked for one at a time, with seeds that don't tell which draw it is, nor of which
    photograph: they depend on the photograph's true colours, so that nobody can work them out
    beforehand. Then the distribution is made again from the beginning and two draws are repeated.
    So a method can't spread its draws, cluster or repel them, unless it deceives the harness by
    keeping state between objects: independence is no longer its own claim. The exception is a
    method that sees the identity of photographs (`MethodSpec.claims_draws`): its draws are asked
    for together, and reports say so.
    """

    fit: Fit
    method: Method
    data: Data
    rows: list[int]
    ask: Ask

    def answer(self) -> SampleSet:
        """The sample set, checked. BenchError when it is not what the contract says."""
        if self.ask.name == "reconstruct":
            return self._checked(
                self.method.reconstruct(self._truth(), self._seeds(0)), "reconstruction"
            )
        given = self.data.test.grey(self.rows)
        before = given.clone()
        found = self._asked(self._distribution(given))
        if not bool((given == before).all()):
            raise BenchError(
                f"{self.fit.spec.name} changes the lightness that it is given: clone() it before "
                "writing into it"
            )
        return found

    def _asked(self, distribution: ColorDistribution) -> SampleSet:
        if self.ask.name == "present":
            return self._checked(
                distribution.present(self.ask.n), self.fit.spec.kind(self.fit.parameters)
            )
        return (
            self._claimed(distribution) if self.fit.spec.claims_draws else self._draws(distribution)
        )

    def _claimed(self, distribution: ColorDistribution) -> SampleSet:
        found = self._checked(distribution.sample(self.ask.n), "iid")
        if found.ab.shape[1] != self.ask.n:
            raise BenchError(
                f"{self.fit.spec.name}: asked for {self.ask.n} draws, it gave {found.ab.shape[1]}"
            )
        return replace(
            found,
            ab=found.ab.float().cpu(),
            n_drawn=self.ask.n,
            log_prob=self._log_prob(distribution),
        )

    def _draws(self, distribution: ColorDistribution) -> SampleSet:
        import torch

        drawn = [self._draw(distribution, j) for j in range(self.ask.n)]
        self._see_that_it_repeats(drawn)
        found = SampleSet(torch.stack(drawn, dim=1), "iid", n_drawn=self.ask.n)
        return replace(found, log_prob=self._log_prob(distribution))

    def _see_that_it_repeats(self, drawn: list[torch.Tensor]) -> None:
        """Two neighbouring later draws again, the later one first, from a distribution that has
        made no others."""
        afresh = self._distribution(self.data.test.grey(self.rows))
        for j in _later(seeds.derive(self.fit.seed, "again", *self._ids()), self.ask.n):
            difference = (self._draw(afresh, j) - drawn[j]).abs().mean((1, 2, 3))
            if float(difference.max()) > TOLERANCE:
                image = self._ids()[int(difference.argmax())]
                raise BenchError(
                    f"{self.fit.spec.name}: draw {j + 1} of {image} changes when it is drawn "
                    "alone: draws must depend "
                    "on their own seed only"
                )

    def _draw(self, distribution: ColorDistribution, j: int) -> torch.Tensor:
        """Draw j of every photograph, `(B, 2, 64, 64)`."""
        one = self._checked(distribution.reseeded(self._seeds(1 + j)).sample(1), "iid", most=1)
        return one.ab[:, 0].float().cpu()

    def _log_prob(self, distribution: ColorDistribution) -> torch.Tensor | None:
        if not self.fit.spec.density:
            return None
        return distribution.log_prob(self._truth()).double().cpu()

    def _distribution(self, grey: torch.Tensor) -> ColorDistribution:
        numbers, sees = self._seeds(0), self.fit.spec.sees
        if not sees:
            return self.method.predict(grey, numbers)
        truth = self._truth() if "truth" in sees else None
        law = self.data.law(self._ids()) if "law" in sees else None
        ids = tuple(self._ids()) if "identity" in sees else None
        return self.method.reveal(Revealed(grey, truth, law, ids), numbers)

    def _checked(self, found: SampleSet, kind: str, most: int | None = None) -> SampleSet:
        import torch

        name, count = self.fit.spec.name, len(self.rows)
        most = most or self.ask.n
        shape = tuple(found.ab.shape)
        if shape[0] != count or not 1 <= shape[1] <= most or shape[3:] != (64, 64):
            raise BenchError(
                f"{name}: asked for {most} fields of {count} photographs, it gave {shape}"
            )
        if found.kind != kind:
            raise BenchError(
                f"{name} gave a sample set of kind {found.kind} where {kind} is declared or asked "
                "for"
            )
        usable = torch.isfinite(found.ab).flatten(1).all(1)
        if not bool(usable.all()):
            raise BenchError(
                f"{name}: a field of {self._ids()[int(usable.int().argmin())]} is not finite (NaN "
                "or infinity)"
            )
        if (beyond := _beyond(found.ab)).max() > GARBAGE:
            share, image = float(beyond.max()), self._ids()[int(beyond.argmax())]
            raise BenchError(
                f"{name}: {share:.0%} of the values of a field of {image} are beyond ±{WIDEST:g}: "
                "ab must be in "
                "CIELAB units, in which sRGB colours are within ±108"
            )
        if found.weights is not None and not _is_distribution(found.weights):
            raise BenchError(
                f"{name}: the weights of a sample set must be 0 or more and sum to 1 for each "
                "photograph"
            )
        return found

    def _seeds(self, repeat: int) -> list[int]:
        """One seed a photograph; repeat 0 is for what is presented, 1, 2, ... for the draws."""
        dataset = self.data.source.name
        pairs = zip(self._ids(), self._secrets, strict=True)
        return [
            seeds.derive(self.fit.seed, "sample", dataset, name, repeat, secret)
            for name, secret in pairs
        ]

    @cached_property
    def _secrets(self) -> list[str]:
        """What a method can't know of a photograph: a digest of its true colours. Else the seeds of
        a public set could be listed beforehand, and would tell which draw is asked for: draws could
        be spread evenly, and repeat all the same."""
        return [keys.sha256(field.numpy().tobytes()) for field in self._truth()]

    def _ids(self) -> list[str]:
        return [self.data.test.ids[i] for i in self.rows]

    def _truth(self) -> torch.Tensor:
        return self.data.test.truth(self.rows)


def _later(number: int, n: int) -> list[int]:
    """Two neighbours among the draws but the first, which has nothing to depend on; the later one
    first.

    >>> _later(0, 10), _later(7, 10), _later(3, 2), _later(3, 1)
    ([2, 1], [9, 8], [1], [0])
    """
    first = 1 + number % (n - 2) if n > 2 else n - 1
    return [first + 1, first] if n > 2 else [first]


def _beyond(ab: torch.Tensor) -> torch.Tensor:
    """The largest share of values beyond the widest, over the fields of each photograph `(B,)`."""
    return (ab.abs() > WIDEST).flatten(2).float().mean(2).amax(1)


def _is_distribution(weights: torch.Tensor) -> bool:
    sums = weights.double().sum(1)
    return bool((weights >= 0).all()) and float((sums - 1).abs().max()) < 1e-4
