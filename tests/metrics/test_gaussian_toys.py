"""Gaussian laws whose best forecast is known: fair scores find it, error-of-best and plain scores
are gamed.

Truths are N(0, Σ), forecasts have another spread, mean or coupling. All forecasts are made of the
same normal numbers and scored on the same truths, so that differences are paired; they are given in
standard errors of their mean.
"""

import numpy as np
import pytest
import torch
from torchmetrics.functional.regression import continuous_ranked_probability_score

from bench.contracts import SampleSet
from bench.metrics.crps import FairCrps
from bench.metrics.energy_score import energy_score, fair_energy_score
from bench.metrics.error_of_best import ErrorOfBest, PixelErrorOfBest
from bench.metrics.variogram_score import fair_variogram_score

SIGMA = 20.0
"""Standard deviation of every pixel, in units of ab."""
CLEARLY = 3.0
"""Standard errors of the mean difference."""
CHUNK = 200
SPREADS = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 1.0, 1.2, 1.4)
ENERGY, CRPS, VARIOGRAM = fair_energy_score.metric, FairCrps, fair_variogram_score.metric


def blocks(d):
    """Fields of d independent numbers: `(n, d, 2, h, w)` becomes each number in an equal share of
    the places."""
    side = 8 if d <= 128 else 16
    number = torch.arange(2 * side * side) * d // (2 * side * side)
    return lambda z: SIGMA * z[..., number].unflatten(-1, (2, side, side)), d


def coupled(length, channels=0.5):
    """8x8 fields with correlation exp(-distance / length) between pixels, and `channels` between a
    and b."""
    at = torch.cartesian_prod(torch.arange(8.0), torch.arange(8.0)).double()
    near = torch.exp(-torch.cdist(at, at) / length)
    between = torch.tensor([[1, channels], [channels, 1]], dtype=torch.float64)
    root = torch.linalg.cholesky(torch.kron(between, near) + 1e-9 * torch.eye(128)).float()
    return lambda z: SIGMA * (z @ root.T).unflatten(-1, (2, 8, 8)), 128


LAWS = {
    "1 number": blocks(1),
    "4 numbers": blocks(4),
    "8 numbers": blocks(8),
    "independent pixels": blocks(128),
    "256 numbers": blocks(256),
    "coupled pixels": coupled(4.0),
}


def paint_of(law, z):
    return LAWS[law][0](z)


def normal(count, m, d, seed=0):
    """Numbers of the truth, then of m draws, for each of `count` photographs."""
    return torch.randn(count, 1 + m, d, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def values(context):
    """`values(metric, draws, truth)` per photograph: the first column, region all."""

    def found(metric, draws, truth):
        samples = SampleSet(draws, "iid", n_drawn=draws.shape[1])
        return metric().score(samples, truth, context(len(truth), torch.zeros(1)))[0].values

    return found


@pytest.fixture(scope="module")
def of_forecasts(values):
    """Name -> values per photograph, of `forecasts`: name -> function of numbers `(B, m, d)`.
    Truths are of `law`."""

    def found(metric, law, numbers, forecasts):
        parts = [(paint_of(law, z[:, 0]), z[:, 1:]) for z in numbers.split(CHUNK)]
        return {
            name: np.concatenate([values(metric, forecast(z), truth) for truth, z in parts])
            for name, forecast in forecasts.items()
        }

    return found


@pytest.fixture(scope="module")
def by_spread(of_forecasts):
    """`by_spread(metric, law, m, count)`: spread -> values per photograph."""

    def found(metric, law, m, count, spreads=SPREADS):
        forecasts = {s: lambda z, s=s: s * paint_of(law, z) for s in spreads}
        return of_forecasts(metric, law, normal(count, m, LAWS[law][1]), forecasts)

    return found


def standard_errors(differences):
    return differences.mean() / max(differences.std(ddof=1) / len(differences) ** 0.5, 1e-15)


def best(scores):
    return min(scores, key=lambda s: scores[s].mean())


def gain(scores, spread):
    """How much better than the true law's, in standard errors."""
    return standard_errors(scores[1.0] - scores[spread])


# Fair scores -------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", [ENERGY, CRPS])
@pytest.mark.parametrize("law", LAWS)
def test_no_other_spread_has_a_better_fair_score(by_spread, metric, law):
    count = 200 if law in ("256 numbers", "independent pixels") else 1000
    scores = by_spread(
        metric, law, 5, count, (0.0, 0.5, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.25, 1.6, 2.0)
    )
    gains = {s: gain(scores, s) for s in scores if s != 1}
    assert max(gains.values()) < CLEARLY
    assert max(gains[s] for s in (0.0, 0.5, 1.6, 2.0)) < -CLEARLY


@pytest.mark.parametrize("law", ["8 numbers", "independent pixels", "coupled pixels"])
def test_no_other_spread_has_a_better_fair_variogram_score(by_spread, law):
    scores = by_spread(VARIOGRAM, law, 5, 100, (0.0, 0.5, 0.9, 1.0, 1.1, 2.0))
    gains = {s: gain(scores, s) for s in scores if s != 1}
    assert max(gains.values()) < CLEARLY
    assert max(gains[s] for s in (0.0, 0.5, 2.0)) < -CLEARLY


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("metric", [ENERGY, CRPS])
def test_no_other_mean_has_a_better_fair_score(of_forecasts, metric, law):
    forecasts = {
        shift: lambda z, shift=shift: paint_of(law, z) + shift * SIGMA
        for shift in (-0.5, -0.05, 0.0, 0.05, 0.5)
    }
    scores = of_forecasts(
        metric, law, normal(300 if law == "256 numbers" else 1200, 5, LAWS[law][1]), forecasts
    )
    worse = {shift: standard_errors(scores[shift] - scores[0.0]) for shift in scores if shift}
    assert min(worse.values()) > -CLEARLY
    assert min(worse[-0.5], worse[0.5]) > CLEARLY


COUPLINGS = {
    "right": LAWS["coupled pixels"],
    "broken": blocks(128),
    "weaker": coupled(1.0),
    "doubled": coupled(8.0),
    "whole": coupled(1e6, 0.999),
    "channels apart": coupled(4.0, 0.0),
    "channels against": coupled(4.0, -0.5),
}


@pytest.fixture(scope="module")
def by_coupling(of_forecasts):
    """`by_coupling(metric, count)`: how much worse than the law are couplings with the same law of
    each pixel."""

    def found(metric, count):
        forecasts = {name: paint for name, (paint, _) in COUPLINGS.items()}
        scores = of_forecasts(metric, "coupled pixels", normal(count, 5, 128, seed=1), forecasts)
        return {
            name: standard_errors(scores[name] - scores["right"])
            for name in scores
            if name != "right"
        }

    return found


@pytest.mark.parametrize(("metric", "count"), [(ENERGY, 6000), (VARIOGRAM, 120)])
def test_no_other_coupling_has_a_better_fair_score(by_coupling, metric, count):
    """What the variogram score sees in 120 photographs, the energy score sees in thousands."""
    worse = by_coupling(metric, count)
    assert min(worse.values()) > -CLEARLY
    assert (
        min(worse[name] for name in ("broken", "weaker", "doubled", "whole", "channels against"))
        > CLEARLY
    )


def test_the_crps_is_blind_to_coupling(by_coupling):
    assert max(abs(worse) for worse in by_coupling(CRPS, 300).values()) < CLEARLY


def test_the_variogram_score_is_blind_to_the_mean_and_to_the_sign(values):
    fields = paint_of("coupled pixels", normal(20, 5, 128))
    own = values(VARIOGRAM, fields[:, 1:], fields[:, 0])
    assert values(VARIOGRAM, 60 + fields[:, 1:], fields[:, 0]) == pytest.approx(own, rel=1e-4)
    assert values(VARIOGRAM, -fields[:, 1:], fields[:, 0]) == pytest.approx(own, rel=1e-12)


# How other scores are gamed ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "k", "low", "high", "grey_wins"),
    [
        ("256 numbers", 5, 0.0, 0.0, True),
        ("256 numbers", 8, 0.0, 0.2, True),
        ("8 numbers", 5, 0.4, 0.4, True),
        ("8 numbers", 8, 0.4, 0.6, False),
        ("4 numbers", 5, 0.4, 0.7, False),
    ],
)
def test_error_of_best_of_images_is_gamed_by_too_little_spread(
    by_spread, law, k, low, high, grey_wins
):
    """With 256 numbers by next to none: k grey fields, which are the conditional mean, beat k draws
    of the law."""
    scores = by_spread(ErrorOfBest, law, k, 200 if law == "256 numbers" else 1500)
    assert low <= best(scores) <= high
    assert gain(scores, best(scores)) > CLEARLY
    assert (gain(scores, 0.0) > CLEARLY) == grey_wins


def test_error_of_best_of_images_is_gamed_by_too_much_spread_where_many_draws_cover_few_dimensions(
    by_spread,
):
    scores = by_spread(ErrorOfBest, "1 number", 100, 2000, (1.0, 1.2, 1.4))
    assert best(scores) > 1
    assert gain(scores, best(scores)) > CLEARLY


@pytest.mark.parametrize(
    ("law", "k"), [("256 numbers", 8), ("256 numbers", 20), ("coupled pixels", 20)]
)
def test_error_of_best_of_pixels_is_gamed_by_too_much_spread(by_spread, law, k):
    scores = by_spread(PixelErrorOfBest, law, k, 300, (0.0, 0.5, 0.9, 1.0, 1.1, 1.2, 1.4))
    assert best(scores) in (1.1, 1.2)
    assert gain(scores, 1.1) > CLEARLY


@pytest.mark.parametrize(
    ("law", "k", "spread"),
    [
        ("8 numbers", 5, 0.7),
        ("8 numbers", 8, 0.8),
        ("independent pixels", 5, 0.7),
        ("coupled pixels", 8, 0.8),
    ],
)
def test_the_plain_energy_score_is_gamed_by_too_little_spread(by_spread, law, k, spread):
    """Its optimum in many dimensions: s / sqrt(1 + s²) = (1 - 1/k) / sqrt(2), which is 0.69 for 5
    and 0.79 for 8."""
    count = 200 if law == "independent pixels" else 1000
    plain, fair = (
        by_spread(metric, law, k, count)
        for metric in (energy_score.metric, fair_energy_score.metric)
    )
    assert best(plain) == spread
    assert gain(plain, spread) > CLEARLY
    assert best(fair) == 1
    assert gain(fair, spread) < -CLEARLY


def test_the_plain_crps_of_torchmetrics_is_gamed_by_too_little_spread():
    paint, d = LAWS["independent pixels"]
    pixels = paint(normal(200, 5, d)).flatten(2).transpose(1, 2)
    truth, draws = pixels[..., 0].flatten(), pixels[..., 1:].flatten(0, 1)
    plain = {s: float(continuous_ranked_probability_score(s * draws, truth)) for s in SPREADS}
    assert min(plain, key=plain.get) == 0.7
    assert plain[0.7] < 0.98 * plain[1.0]


def test_few_draws_cost_the_law_itself_in_the_plain_energy_score(by_spread):
    """1 + 1 / k times the fair one in many dimensions: plain scores of different k don't compare."""
    for k in (2, 5, 10):
        plain, fair = (
            by_spread(metric, "256 numbers", k, 100, (1.0,))[1.0].mean()
            for metric in (energy_score.metric, fair_energy_score.metric)
        )
        assert plain / fair == pytest.approx(1 + 1 / k, rel=0.01)
