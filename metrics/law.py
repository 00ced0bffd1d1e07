"""Metrics against a known P(C | G): modes found, distance between distributions of fields, distance
to the law."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import seeds
from bench.contracts import Law, SampleSet, ScoreContext
from bench.errors import BenchError
from bench.extend.metrics import metric
from bench.specs import PRESENTED

from .energy_score import at_least_two

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCE = 16.0
"""RMS deviation in ab units, in every region, up to which a field is on a mode."""
DRAWS = 50
"""Draws of the law behind a generalised energy distance."""
ACCEPTS = frozenset(PRESENTED)
ON_A_MODE = (
    "a field is on the mode from which its RMS ab deviation (L2) in the worst region is "
    f"least, if at most {TOLERANCE:g} ab "
    "units; a region holds the pixels that have one colour in every mode"
)


@metric(
    summary="how much of the known law's probability lies on modes that at least one sample shows",
    unit="probability",
    direction="up",
    accepts=ACCEPTS,
    needs=frozenset({"law"}),
    headline="mass",
    variants={
        "mass": "probability of the modes that are hit",
        "count": "share of the modes that are hit, all alike",
        "expected": "what `mass` is for as many draws of the law itself, on average",
    },
    formula=f"mass = Σ_m p_m [mode m is hit], expected = Σ_m p_m (1 - (1 - p_m)^n); {ON_A_MODE}",
    gaming="More than `expected` is not better: samples that avoid each other, or draws of a "
    "flattened law, hit more modes "
    "than the law itself. Bad samples beside good ones cost nothing: read it with "
    "mode-precision, and rank by a fair score. "
    "No value for a continuous law.",
    checked="plain loops over objects in NumPy; `expected` by simulation",
    citation="in the way of Kohl et al. 2018, A Probabilistic U-Net, who count the modes of a "
    "known law",
)
def mode_coverage(samples: SampleSet, context: ScoreContext) -> dict[str, Tensor]:
    """Between 0 and 1. BenchError for a continuous law, which has no modes."""
    import torch

    k = samples.ab.shape[1]
    mass, count, expected = [], [], []
    for p, found in modes_found(samples, context):
        hit = torch.zeros(len(p) + 1, dtype=torch.float64).index_fill(0, found, 1.0)[
            :-1
        ]  # -1, no mode, is the last
        mass.append(hit @ p)
        count.append(hit.mean())
        expected.append(p @ (1 - (1 - p) ** k))
    columns = {"mass": mass, "count": count, "expected": expected}
    return {name: torch.stack(values) for name, values in columns.items()}


@metric(
    summary="share of the samples that are on some mode of the known law",
    unit="share",
    direction="up",
    accepts=ACCEPTS,
    needs=frozenset({"law"}),
    variants={"field": "all regions of a field must fit one mode"},
    formula=f"Σ_i w_i [sample i is on a mode], w = 1/k without weights; {ON_A_MODE}",
    gaming="One mode, repeated, has precision 1. It doesn't see probabilities. No value for a "
    "continuous law.",
    checked="plain loops over objects in NumPy",
    citation="precision of Kynkäänniemi et al. 2019, with modes in place of a manifold",
    headline="",
)
def mode_precision(samples: SampleSet, context: ScoreContext) -> Tensor:
    """Between 0 and 1. BenchError for a continuous law, which has no modes."""
    import torch

    return torch.stack([found >= 0 for _, found in modes_found(samples, context)])


@metric(
    name="ged",
    summary="generalised energy distance (GED²) between the draws and the known law, without bias",
    unit="ab/128, root mean square",
    direction="down",
    accepts=frozenset({"iid"}),
    needs=frozenset({"law"}),
    least=2,
    variants={"field": "of the whole 64x64x2 field"},
    formula=f"2 E d(S, Y) - E d(S, S') - E d(Y, Y'), S the samples, Y {DRAWS} draws of the law "
    "with seeds that all methods "
    "share, d = sqrt(mean of squares over pixels and channels) / 128; means over pairs of "
    "different draws, so that the law's "
    "own expectation is 0 and single values may be below 0. Twice the expected excess of the "
    "fair energy score",
    gaming="In expectation over independent draws not at all: it is 0 for the law alone. Weak "
    "where coupling or a small object "
    "is wrong: whole fields are compared, and large regions dominate.",
    checked="plain loops over pairs in NumPy",
    citation="Székely and Rizzo 2013; Kohl et al. 2018, A Probabilistic U-Net (with another d)",
    headline="",
)
def generalised_energy_distance(ab: Tensor, context: ScoreContext) -> Tensor:
    """At the protocol's scale, 1/128; BenchError below two samples."""
    import torch

    at_least_two(ab, "the generalised energy distance")
    draws = _law(context).sample(DRAWS, [seeds.derive(seed, "ged") for seed in context.seeds])
    values = [_energy_distance(s.double(), y.double()) for s, y in zip(ab, draws)]
    return torch.stack(values) / context.scale


@metric(
    summary="squared distance between the law of the draws and the known law, in the law's own "
    "coordinates, without bias",
    unit="squared distance",
    direction="down",
    accepts=frozenset({"iid"}),
    needs=frozenset({"law"}),
    least=2,
    variants={
        "law": "what the data set's law defines: for the drawn sets 0 for the law, and at most "
        "2 in expectation"
    },
    formula="MMD² = mean_{i≠j} K(x_i, x_j) - 2 mean_i E K(x_i, Y) + E K(Y, Y'), half of it "
    "with the product of the kernels of "
    "all choices, half with their mean. Palettes: K = [same colour], so that it is Σ_c (p̂_c - "
    "p_c)² - p̂_c (1 - p̂_c)/(n - 1). "
    "Hues: K = wrapped normal of 0.5 radians. What is near no colour of the law counts as a "
    "colour of probability 0",
    gaming="In expectation over independent draws not at all, down to the tolerance by which "
    "colours are read (RMS 16 ab units "
    "in a region, 10 for hues): small errors of a colour, blur and noise below it are not seen.",
    checked="Brier sums over joint colours in NumPy; numerical integration over hues",
    citation="Gretton et al. 2012, JMLR 13, Lemma 6, one side known; Ferro 2014 for the fair "
    "Brier score",
    headline="",
)
def law_distance(ab: Tensor, context: ScoreContext) -> Tensor:
    """What `Law.distance` says; BenchError below two samples."""
    at_least_two(ab, "the distance to the law")
    return _law(context).distance(ab)


def modes_found(samples: SampleSet, context: ScoreContext) -> list[tuple[Tensor, Tensor]]:
    """For each photograph the modes' probabilities `(m,)`, float64, and the mode `(k,)` that each
    sample is on, -1 for none."""

    def find() -> list[tuple[Tensor, Tensor]]:
        modes = _law(context).modes()
        if modes is None:
            raise BenchError(
                "it needs a law of finitely many modes: hues are continuous and have none"
            )
        return [
            (p.double(), nearest_mode(ab, fields))
            for ab, (fields, p) in zip(samples.ab, modes, strict=True)
        ]

    found: list[tuple[Tensor, Tensor]] = context.once("modes-found", find)
    return found


def nearest_mode(ab: Tensor, modes: Tensor) -> Tensor:
    """The mode `(k,)` on which fields `(k, 2, h, w)` are, of modes `(m, 2, h, w)`; -1 where there
    is none.

    RMS² of a region = mean |ab|² - 2 mean ab · c + |c|²: no difference of all fields and modes is
    ever made.
    """
    import torch

    member = _regions(modes)
    weight = member / member.sum(0)
    mean, square = ab.double().flatten(2) @ weight, ab.double().square().sum(1).flatten(1) @ weight
    colour = modes.double().flatten(2) @ weight
    cross = torch.einsum("kcr,mcr->kmr", mean, colour)
    worst = (square[:, None] - 2 * cross + colour.square().sum(1)).amax(-1)
    least, mode = worst.min(1)
    return torch.where(least <= TOLERANCE**2, mode, -1)


def _regions(modes: Tensor) -> Tensor:
    """Which pixels have one colour in every mode, `(h * w, R)` float64 of 0 and 1."""
    import numpy as np
    import torch

    pixels = np.ascontiguousarray(modes.flatten(2).permute(2, 0, 1).flatten(1).numpy())
    rows = pixels.view(np.dtype((np.void, pixels.shape[1] * pixels.itemsize)))[
        :, 0
    ]  # as bytes: unique(axis=0) is slow
    return torch.nn.functional.one_hot(
        torch.from_numpy(np.unique(rows, return_inverse=True)[1])
    ).double()


def _energy_distance(samples: Tensor, draws: Tensor) -> Tensor:
    """Of fields `(k, 2, h, w)` and `(n, 2, h, w)`, in ab units."""
    import torch

    k, n = len(samples), len(draws)
    distance = torch.pdist(torch.cat([samples, draws]).flatten(1)) / samples[0].numel() ** 0.5
    first, second = torch.triu_indices(k + n, k + n, 1)
    of_samples, of_draws = second < k, first >= k
    between = distance[~of_samples & ~of_draws].mean()
    return 2 * between - distance[of_samples].mean() - distance[of_draws].mean()


def _law(context: ScoreContext) -> Law:
    if context.law is None:
        raise BenchError("it needs a known law, which photographs don't have")
    return context.law
