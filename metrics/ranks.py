"""Where the truth stands among the draws: the rank histogram and the coverage of central intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bench.contracts import Metric, SampleSet, Score, ScoreContext
from bench.hookspecs import hookimpl
from bench.seeds import derive, uniform
from bench.specs import MetricSpec

from .energy_score import at_least_two

if TYPE_CHECKING:
    import torch

TIES = "Ties are broken at random, the same way for every method."


@hookimpl
def bench_register_metrics() -> Iterable[MetricSpec]:
    """Rank histogram and coverage."""
    yield MetricSpec(
        name="rank-histogram",
        summary="the rank of the truth among the M draws: flat where the draws are calibrated, a "
        "bowl where they "
        "spread too little",
        factory="bench.metrics.ranks:RankHistogram",
        unit="share or rank",
        direction="none",
        accepts=frozenset({"iid"}),
        least=2,
        variants={
            "bin-0, …, bin-M": "share of the photograph's pixels and channels whose truth has that "
            "rank",
            "rank-pixel-a, rank-pixel-b": "rank at one random pixel a photograph, 0..M",
            "rank-mean-a, rank-mean-b": "rank of the field's mean colour",
            "rank-distance": "rank of the field's mean distance to the other M fields; the truth "
            "has a high one if it "
            "lies apart",
        },
        formula="rank = number of draws below the truth. For the χ² test of flatness (reports) one "
        "rank a photograph: "
        "photographs are independent, the pixels of one are not",
        citation="Hamill 2001, Monthly Weather Review 129:550; distances as pre-ranks: Gneiting et "
        "al. 2008, TEST 17:211",
        gaming="Flatness is necessary, not sufficient: the marginal law of the training colours is "
        "nearly flat and "
        f"knows nothing of the photograph; biases of different photographs can cancel. {TIES}",
        checked="a plain loop",
    )
    yield MetricSpec(
        name="coverage",
        summary="share of the truth's pixels inside central intervals of the draws; best at the "
        "nominal level, which "
        "its name gives",
        factory="bench.metrics.ranks:Coverage",
        unit="share",
        direction="target",
        accepts=frozenset({"iid"}),
        least=2,
        variants={
            "a-82, b-82, …": "channel and nominal level in percent: with M = 10 draws 9/11 (82) "
            "and 5/11 (45)"
        },
        formula="share of pixels with i ≤ rank ≤ M − i: the interval from the i-th smallest to the "
        "i-th largest draw "
        "has the level 1 − 2i/(M + 1) exactly; i = 1 and i nearest to (M + 1)/4",
        citation="Gneiting, Balabdaoui & Raftery 2007, JRSS B 69:243",
        gaming="Wide intervals where the truth is easy make up for narrow ones elsewhere; it says "
        "nothing of "
        f"sharpness. {TIES}",
        checked="a plain loop",
    )


class RankHistogram(Metric):
    """Of independent draws; at least two."""

    def score(self, samples: SampleSet, truth: torch.Tensor, context: ScoreContext) -> list[Score]:
        m, ranks = samples.ab.shape[1], pixel_ranks(samples, truth, context)
        shares = _shares(ranks.flatten(1), m + 1)
        columns = {f"bin-{b}": shares[:, b] for b in range(m + 1)}
        for channel, name in enumerate("ab"):
            columns[f"rank-pixel-{name}"] = _one(
                ranks[:, channel], [derive(s, "pixel", name) for s in context.seeds]
            )
        means, true = samples.ab.double().mean((-1, -2)), truth.double().mean((-1, -2))
        mean_ranks = randomised_ranks(means, true, [derive(s, "mean") for s in context.seeds])
        columns |= {
            "rank-mean-a": mean_ranks[:, 0],
            "rank-mean-b": mean_ranks[:, 1],
            "rank-distance": _distance_rank(samples.ab, truth, context.seeds),
        }
        defined = _zero_or_nan(samples, truth)
        return [Score(name, "all", (values + defined).numpy()) for name, values in columns.items()]


class Coverage(Metric):
    """Of independent draws; at least two."""

    def score(self, samples: SampleSet, truth: torch.Tensor, context: ScoreContext) -> list[Score]:
        m, ranks = samples.ab.shape[1], pixel_ranks(samples, truth, context)
        defined, scores = _zero_or_nan(samples, truth), []
        for i in intervals(m):
            covered = ((ranks >= i) & (ranks <= m - i)).double().mean((-1, -2)) + defined[:, None]
            percent = round(100 * (1 - 2 * i / (m + 1)))
            scores += [
                Score(f"{name}-{percent}", "all", covered[:, c].numpy())
                for c, name in enumerate("ab")
            ]
        return scores


def intervals(m: int) -> list[int]:
    """How many draws are left out at either end: 1, and about a quarter.

    >>> intervals(10), intervals(2)
    ([1, 3], [1])
    """
    return sorted({1, max(1, min((m + 2) // 4, m // 2))})


def pixel_ranks(samples: SampleSet, truth: torch.Tensor, context: ScoreContext) -> torch.Tensor:
    """Ranks `(B, 2, h, w)`, 0..M; made once for both metrics."""
    at_least_two(samples.ab, "a rank")
    ranks: torch.Tensor = context.once(
        "ranks", lambda: randomised_ranks(samples.ab, truth, context.seeds)
    )
    return ranks


def randomised_ranks(
    draws: torch.Tensor, truth: torch.Tensor, seeds: Sequence[int]
) -> torch.Tensor:
    """Number of draws `(B, M, ...)` below the truth `(B, ...)`, int64; among equals at random, by
    seeds."""
    below = (draws < truth[:, None]).sum(1)
    equal = (draws == truth[:, None]).sum(1)
    chance = uniform([derive(s, "ties") for s in seeds], (1, *truth.shape[1:]))[:, 0]
    return below + (chance * (equal + 1)).long().clamp_max(equal)


def _shares(ranks: torch.Tensor, bins: int) -> torch.Tensor:
    """Share of every rank `(B, bins)`, float64, among ranks `(B, n)`."""
    import torch

    count, n = ranks.shape
    own_bins = ranks + bins * torch.arange(count)[:, None]
    return torch.bincount(own_bins.flatten(), minlength=count * bins).view(count, bins).double() / n


def _zero_or_nan(samples: SampleSet, truth: torch.Tensor) -> torch.Tensor:
    """`(B,)` float64: NaN where a photograph has a number that is not finite. Comparisons alone
    would give it a rank."""
    return (samples.ab.flatten(1).sum(1) + truth.flatten(1).sum(1)).double() * 0


def _one(ranks: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
    """The rank of one random pixel of each photograph: `(B,)` of `(B, h, w)`."""
    pixels = ranks.flatten(1)
    chosen = (uniform(seeds, (1, 1))[:, 0] * pixels.shape[1]).long()
    return pixels.gather(1, chosen)[:, 0]


def _distance_rank(draws: torch.Tensor, truth: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
    """Rank `(B,)` of the truth's mean distance to the draws among the M + 1 fields' mean distances
    to the others."""
    import torch

    fields = torch.cat([draws, truth[:, None]], dim=1).double().flatten(2)
    distances = torch.cdist(fields, fields, compute_mode="donot_use_mm_for_euclid_dist")
    apart = distances.sort(dim=2).values.sum(2)[
        ..., None
    ]  # sorted: the same distances have the same sum, and are a tie
    return randomised_ranks(apart[:, :-1], apart[:, -1], [derive(s, "distance") for s in seeds])[
        :, 0
    ]
