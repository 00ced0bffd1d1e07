"""A metric under check, and the sample sets that it is shown: the truth, the truth with noise, and
grey."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from bench import seeds
from bench.contracts import Metric, SampleSet, Score, ScoreContext, colour_weights
from bench.results.series import PART
from bench.scores.scoring import HeldOut
from bench.specs import Kind, MetricSpec
from bench.testing.fitting import isolated, toy_protocol
from bench.testing.rules.spec_rules import SpecSubject
from bench.testing.toy import Toy

if TYPE_CHECKING:
    from torch import Tensor

Column = tuple[str, str, int]
"""Variant, region and n of a score; a value of the whole set has the region `set`."""
LADDER = ("truth", "noisy truth", "grey")
NOISE, BLOTCHES = 8.0, 4
"""Standard deviation, in ab units, of the noise of the noisy truth, and how many blotches of it
there are along a side."""
ROWS = (0, 1, 2, 3)
COUNT = 4
"""Samples of a photograph, where a kind has several."""


@dataclass(frozen=True)
class Shown:
    """Samples, truths and context of some photographs, as a metric gets them."""

    samples: SampleSet
    truth: Tensor
    context: ScoreContext

    def only(self, places: Sequence[int], held: HeldOut, rows: Sequence[int]) -> Shown:
        """Some of the photographs; rows: all of them, in the prepared set."""
        chosen = list(places)
        optional = {
            n: v[chosen]
            for n in ("weights", "log_prob")
            if (v := getattr(self.samples, n)) is not None
        }
        found = replace(self.samples, ab=self.samples.ab[chosen], **optional)
        return Shown(found, self.truth[chosen], held.context([rows[i] for i in chosen]))


@dataclass
class MetricSubject(SpecSubject):
    """Every kind that the spec accepts is shown. reference: an independent implementation."""

    spec: MetricSpec
    reference: Callable[..., Any] | None = None

    def surroundings(self) -> AbstractContextManager[None]:
        """As `isolated`."""
        return isolated()

    def new(self) -> Metric:
        """As the harness makes one for every cell."""
        metric: Metric = self.spec.load()(**self.spec.resolve(self.given))
        return metric

    @cached_property
    def held(self) -> HeldOut:
        """The toy photographs as the harness holds them."""
        ground, protocol = self.session.ground, toy_protocol()
        colours = colour_weights.fit(protocol.weights, ground.train.ab, protocol.weight_floor)
        prior = colour_weights.fit("zhang313", ground.train.ab, protocol.weight_floor).prior
        return HeldOut(ground.test, colours, prior, protocol.scale, cast(Any, Toy()))

    @property
    def kinds(self) -> list[Kind]:
        """Those that it accepts, in a fixed order."""
        return [
            kind
            for kind in ("iid", "modes", "centroids", "point", "reconstruction")
            if kind in self.spec.accepts
        ]

    @property
    def unlike_kinds(self) -> list[Kind]:
        """One of each way in which sample sets differ: draws, several with weights, a single one."""
        groups: tuple[tuple[Kind, ...], ...] = (
            ("iid",),
            ("modes", "centroids"),
            ("point", "reconstruction"),
        )
        return [
            next(kind for kind in group if kind in self.kinds)
            for group in groups
            if set(group) & set(self.kinds)
        ]

    @property
    def first(self) -> Shown:
        """The noisy truth, of the first kind that it accepts."""
        return self.shown(self.kinds[0])

    @property
    def column(self) -> str:
        """The variant that stands for the metric: `main`, `headline`, or the first that is no part
        of another."""
        named = [name.strip() for key in self.spec.variants for name in key.split(",")]
        return (
            self.spec.main
            or self.spec.headline
            or next(name for name in named if not name.startswith(PART))
        )

    def shown(
        self,
        kind: Kind,
        step: str = "noisy truth",
        rows: Sequence[int] = ROWS,
        count: int | None = None,
    ) -> Shown:
        """A rung of the ladder for a kind. Where the law is needed, draws of it stand for the
        truth."""
        import torch

        k = count or (1 if kind in ("point", "reconstruction") else max(COUNT, self.spec.least))
        truth, context = self.session.ground.test.truth(list(rows)), self.held.context(rows)
        numbers = [seeds.derive(7, "check", row) for row in rows]
        assert context.law
        best = (
            context.law.sample(k, numbers)
            if "law" in self.spec.needs
            else truth[:, None].repeat(1, k, 1, 1, 1)
        )
        noise = NOISE * torch.nn.functional.interpolate(
            seeds.normal(numbers, (k, 2, BLOTCHES, BLOTCHES)).flatten(0, 1),
            (64, 64),
            mode="bilinear",
        ).unflatten(0, (len(rows), k))
        ab = {"truth": best, "noisy truth": best + noise, "grey": torch.zeros_like(best)}[step]
        share = seeds.uniform(numbers, (k,)) + 0.1
        weighted = share / share.sum(1, keepdim=True) if kind in ("modes", "centroids") else None
        density = (
            -(ab - truth[:, None]).square().mean((1, 2, 3, 4)).double()
            if "log_prob" in self.spec.needs
            else None
        )
        return Shown(
            SampleSet(ab, kind, weighted, 2 * k if kind == "centroids" else k, density),
            truth,
            context,
        )

    def score(self, shown: Shown, metric: Metric | None = None) -> list[Score]:
        """Its scores, by a new object unless one is given."""
        return (metric or self.new()).score(shown.samples, shown.truth, shown.context)

    def columns(self, shown: Shown) -> dict[Column, np.ndarray]:
        """All columns of one batch, and the values of the set."""
        return self.gathered([shown])

    def gathered(self, batches: Sequence[Shown]) -> dict[Column, np.ndarray]:
        """All columns of several batches, joined, and the values of the set that follow from them."""
        metric, parts = self.new(), dict[Column, list[np.ndarray]]()
        for batch in batches:
            for score in self.score(batch, metric):
                column = (score.variant, score.region, score.n)
                parts.setdefault(column, []).append(np.array(score.values, dtype=np.float64))
        found = {column: np.concatenate(values) for column, values in parts.items()}
        return found | self._of_the_set(metric, found)

    def value(self, shown: Shown) -> float:
        """One number for a batch: the value of the set, or the mean over photographs, of the main
        column."""
        found = {
            column: values
            for column, values in self.columns(shown).items()
            if column[0] == self.column
        }
        best = min(found, key=lambda column: (column[1] != "set", column[1] != "all", -column[2]))
        return float(np.mean(found[best]))

    def _of_the_set(
        self, metric: Metric, found: dict[Column, np.ndarray]
    ) -> dict[Column, np.ndarray]:
        every = {
            variant: values for (variant, region, _), values in found.items() if region == "all"
        }
        combined = metric.combine(every) if type(metric).combine is not Metric.combine else {}
        finished = metric.finish()
        values = {name: np.asarray(value, dtype=np.float64) for name, value in combined.items()}
        values |= {made.variant: np.asarray(made.value, dtype=np.float64) for made in finished}
        return {(name, "set", 0): value for name, value in values.items()}


def unlike(
    first: dict[Column, np.ndarray], second: dict[Column, np.ndarray], tolerance: float = 1e-5
) -> str:
    """Which column differs by more than rounding (relative), in words, or nothing. NaN equals NaN."""
    if first.keys() != second.keys():
        return f"columns are {_names(first)} and {_names(second)}"
    for column, values in first.items():
        if not np.allclose(values, second[column], rtol=tolerance, atol=1e-8, equal_nan=True):
            place = (
                int(np.argmax(abs(np.nan_to_num(values) - np.nan_to_num(second[column]))))
                if values.ndim
                else 0
            )
            here, there = np.ravel(values)[place], np.ravel(second[column])[place]
            return f"{column[0]} ({column[1]}) is {there:.7g} instead of {here:.7g}"
    return ""


def _names(columns: dict[Column, np.ndarray]) -> str:
    return ", ".join(sorted({variant for variant, *_ in columns})) or "none"
