"""Error-of-best against the number of draws."""

from __future__ import annotations

from collections.abc import Iterable
from math import comb
from typing import TYPE_CHECKING

from bench.contracts import Metric, SampleSet, Score, ScoreContext
from bench.hookspecs import hookimpl
from bench.specs import MetricSpec

from .absolute_error import absolute_difference

if TYPE_CHECKING:
    import torch


@hookimpl
def bench_register_metrics() -> Iterable[MetricSpec]:
    """The curve."""
    yield MetricSpec(
        name="error-of-best-curve",
        summary="expected error-of-best of n draws, for every n up to the number of draws",
        factory="bench.metrics.error_of_best_curve:ErrorOfBestCurve",
        unit="ab/128",
        direction="down",
        accepts=frozenset({"iid"}),
        variants={"sum": "of |Δa| + |Δb|; column k is n"},
        formula="Σ_i e_(i) C(M − i, n − 1) / C(M, n), e_(i) the i-th smallest error of M draws: "
        "the mean of the "
        "minimum over all subsets of n draws",
        citation="Deshpande et al. 2017, section 7.3; the mean over subsets is the U-statistic of "
        "the minimum",
        gaming="As error-of-best: at small n the mean field wins, at large n whoever spreads; "
        "where curves cross, one "
        "n decides.",
        checked="brute force over all subsets",
    )


class ErrorOfBestCurve(Metric):
    """Of independent draws. The last point is the error-of-best of all of them, the first the mean
    error."""

    def score(self, samples: SampleSet, truth: torch.Tensor, context: ScoreContext) -> list[Score]:
        errors = absolute_difference(samples, truth, context).mean((-1, -2)).sum(-1)
        expected = expected_minimum(errors)
        return [
            Score("sum", "all", expected[:, n].numpy(), n + 1) for n in range(expected.shape[1])
        ]


def expected_minimum(errors: torch.Tensor) -> torch.Tensor:
    """Mean of the smallest of n out of M errors `(B, M)`, for n = 1..M: `(B, M)`."""
    import torch

    m = errors.shape[1]
    shares = [[comb(m - i, n - 1) / comb(m, n) for n in range(1, m + 1)] for i in range(1, m + 1)]
    return errors.sort(dim=1).values @ torch.tensor(shares, dtype=errors.dtype)
