"""Energy score, CRPS, variogram score and log density against scoringrules, torchmetrics and plain
loops."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import scoringrules
import torch
from torchmetrics.functional.regression import continuous_ranked_probability_score

from bench.contracts import SampleSet
from bench.errors import BenchError
from bench.extend.metrics import on
from bench.metrics.crps import FairCrps, fair_crps
from bench.metrics.energy_score import energy_score, fair_energy, fair_energy_score, weighted_energy
from bench.metrics.negative_log_likelihood import negative_log_likelihood
from bench.metrics.variogram_score import fair_variogram_score, variogram_score
from bench.plugins.loader import registry

SCALE = 128.0
FIELD, GRID = ("field", "all"), ("grid", "all")
FAIR = {fair_energy_score.metric: FIELD, FairCrps: ("ab", "all"), fair_variogram_score.metric: GRID}
PLAIN = {energy_score.metric: FIELD, variogram_score.metric: GRID}
NAMES = {
    "fair-energy-score",
    "energy-score",
    "fair-crps",
    "fair-variogram-score",
    "variogram-score",
    "negative-log-likelihood",
}


@pytest.fixture(
    params=[
        (1, 2, 64, torch.float32),
        (3, 3, 16, torch.float64),
        (2, 10, 64, torch.float64),
        (16, 10, 16, torch.float32),
        (1, 37, 8, torch.float64),
        (2, 100, 16, torch.float32),
    ],
    ids=str,
)
def batch(request, fields):
    """Samples and truth, and the same as float64 arrays of one row a field."""
    count, k, side, dtype = request.param
    ab, truth = (
        fields(1, count, k, 2, side, side).to(dtype),
        fields(2, count, 2, side, side).to(dtype),
    )
    rows = ab.numpy().astype(np.float64).reshape(count, k, -1) / SCALE
    return ab, truth, rows, truth.numpy().astype(np.float64).reshape(count, -1) / SCALE


def some_weights(count, k):
    rows = np.random.default_rng(8).gamma(1.0, size=(count, k))
    return rows / rows.sum(1, keepdims=True)


def on_grid(ab):
    """Rows of 128 numbers, at the scale."""
    return on("grid", ab).numpy().astype(np.float64).reshape(*ab.shape[:-3], -1) / SCALE


def test_fair_energy_score_is_scoringrules(score, batch):
    ab, truth, rows, true = batch
    wanted = (
        scoringrules.es_ensemble(true, rows, estimator="fair", backend="numpy")
        / rows.shape[-1] ** 0.5
    )
    assert score(fair_energy_score.metric(), ab, truth)[FIELD] == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("weighted", [True, False])
def test_energy_score_is_scoringrules(score, batch, weighted):
    ab, truth, rows, true = batch
    weights = some_weights(*ab.shape[:2])
    given = {"ens_w": weights} if weighted else {}
    wanted = scoringrules.es_ensemble(true, rows, backend="numpy", **given) / rows.shape[-1] ** 0.5
    samples = SampleSet(
        ab, "centroids", torch.from_numpy(weights).to(ab.dtype) if weighted else None
    )
    assert score(energy_score.metric(), samples, truth)[FIELD] == pytest.approx(wanted, rel=1e-6)


def test_fair_crps_is_scoringrules(score, batch):
    ab, truth, rows, true = batch
    found = score(FairCrps(), ab, truth)
    wanted = scoringrules.crps_ensemble(
        true, rows, m_axis=1, estimator="fair", backend="numpy"
    ).reshape(truth.shape)
    grid = on("grid", torch.from_numpy(wanted)).numpy()
    for region, values in (("all", wanted), ("grid", grid)):
        assert found["ab", region] == pytest.approx(values.mean((1, 2, 3)), rel=1e-6)
        assert found["a", region] == pytest.approx(values[:, 0].mean((1, 2)), rel=1e-6)
        assert found["b", region] == pytest.approx(values[:, 1].mean((1, 2)), rel=1e-6)


def test_fair_crps_is_torchmetrics_once_its_bias_is_taken_off(score, batch):
    """torchmetrics divides the sum over pairs by 2 M², the fair form by 2 M (M - 1)."""
    ab, truth, rows, true = batch
    m = ab.shape[1]
    for found, draws, y in zip(score(FairCrps(), ab, truth)["ab", "all"], rows, true):
        biased = float(
            continuous_ranked_probability_score(torch.from_numpy(draws.T), torch.from_numpy(y))
        )
        assert found == pytest.approx((m * biased - np.abs(draws - y).mean()) / (m - 1), rel=1e-6)


def of_pairs(summed):
    """scoringrules sums over i and j both, diagonal and all; here it is a mean over i < j."""
    return summed / (128 * 127)


def test_fair_variogram_score_is_scoringrules(score, batch):
    """Pair of draws by pair of draws, as it holds all pairs of draws by all pairs of numbers in
    memory."""
    ab, truth = batch[0][-1:], batch[1][-1:]
    draws, true = on_grid(ab)[0], on_grid(truth)[0]
    wanted = [
        scoringrules.vs_ensemble(true, draws[[i, j]], estimator="fair", backend="numpy")
        for i, j in itertools.combinations(range(len(draws)), 2)
    ]
    assert score(fair_variogram_score.metric(), ab, truth)[GRID] == pytest.approx(
        [of_pairs(np.mean(wanted))], rel=1e-6
    )


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0])
def test_variogram_scores_of_other_powers(score, fields, p):
    ab, truth = fields(1, 2, 5, 2, 16, 16), fields(2, 2, 2, 16, 16)
    for metric, estimator in (
        (fair_variogram_score.metric(p=p), "fair"),
        (variogram_score.metric(p=p), "nrg"),
    ):
        wanted = scoringrules.vs_ensemble(
            on_grid(truth), on_grid(ab), p=p, estimator=estimator, backend="numpy"
        )
        assert score(metric, ab, truth)[GRID] == pytest.approx(of_pairs(wanted), rel=1e-6)


@pytest.mark.parametrize("weighted", [True, False])
def test_variogram_score_is_scoringrules(score, batch, weighted):
    ab, truth, *_ = batch
    weights = some_weights(*ab.shape[:2])
    given = {"ens_w": weights} if weighted else {}
    wanted = scoringrules.vs_ensemble(on_grid(truth), on_grid(ab), backend="numpy", **given)
    samples = SampleSet(ab, "modes", torch.from_numpy(weights).to(ab.dtype) if weighted else None)
    assert score(variogram_score.metric(), samples, truth)[GRID] == pytest.approx(
        of_pairs(wanted), rel=1e-6
    )


def test_variogram_scores_are_plain_loops_over_pairs(score, fields):
    ab, truth = (
        fields(1, 1, 3, 2, 64, 64).numpy().astype(float),
        fields(2, 1, 2, 64, 64).numpy().astype(float),
    )
    points = [
        (c, row, column) for c in range(2) for row in range(4, 64, 8) for column in range(4, 64, 8)
    ]
    plain = fair = 0.0
    for i, j in itertools.combinations(points, 2):
        true = (abs(truth[0][i] - truth[0][j]) / SCALE) ** 0.5
        drawn = [(abs(ab[0, m][i] - ab[0, m][j]) / SCALE) ** 0.5 for m in range(3)]
        plain += (true - np.mean(drawn)) ** 2
        fair += (true - np.mean(drawn)) ** 2 - ((drawn - np.mean(drawn)) ** 2).sum() / 2 / 3
    pairs = len(points) * (len(points) - 1) // 2
    for metric, total in ((variogram_score.metric(), plain), (fair_variogram_score.metric(), fair)):
        assert score(metric, torch.tensor(ab), torch.tensor(truth))[GRID] == pytest.approx(
            [total / pairs], rel=1e-6
        )


@pytest.mark.parametrize(
    ("fair", "plain", "column"),
    [
        (fair_energy_score.metric, energy_score.metric, FIELD),
        (fair_variogram_score.metric, variogram_score.metric, GRID),
    ],
)
def test_the_expectation_of_a_fair_score_does_not_depend_on_the_number_of_draws(
    score, context, fair, plain, column
):
    """The same independent draws are scored whole and in twos or threes, so differences are paired."""
    numbers, count = torch.Generator().manual_seed(4), 100
    ab = 20 * torch.randn(count, 13, 2, 8, 8, generator=numbers) + 15 * torch.randn(
        count, 13, 2, 1, 1, generator=numbers
    )
    truth, draws, grey = ab[:, 0], ab[:, 1:], torch.zeros(count, 1, 1, 1)

    def in_groups(metric, of):
        return np.mean(
            [
                score(metric(), part, truth, context(count, grey))[column]
                for part in draws.split(of, 1)
            ],
            axis=0,
        )

    for few in (2, 3):
        difference = in_groups(fair, few) - in_groups(fair, 12)
        error = difference.std(ddof=1) / count**0.5
        assert abs(difference.mean()) < 3 * error
        assert (
            in_groups(plain, few) - in_groups(plain, 12)
        ).mean() > 10 * error  # what the correction takes off


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_that_nearly_agree_keep_their_digits(fields, dtype):
    """Far from 0 and a hair apart: through squares of norms nothing would be left of their
    distances."""
    base, noise = 1000 + fields(1, 2, 1, 2, 16, 16).to(dtype), fields(2, 2, 5, 2, 16, 16).to(dtype)
    ab = base + noise * (1e-5 if dtype == torch.float32 else 1e-9)
    rows = ab.numpy().astype(np.float64).reshape(2, 5, -1)
    truth = base[:, 0]
    y = truth.numpy().astype(np.float64).reshape(2, 1, -1)
    to_truth = np.sqrt(((rows - y) ** 2).mean(2))
    between = np.array([[[np.sqrt(((i - j) ** 2).mean()) for i in of] for j in of] for of in rows])
    assert (between[:, 0, 1] > 0).all()
    assert fair_energy(ab, truth).numpy() == pytest.approx(
        to_truth.mean(1) - between.sum((1, 2)) / 40, rel=1e-6
    )
    weights = some_weights(2, 5)
    plain = (weights * to_truth).sum(1) - np.einsum("bi,bj,bij->b", weights, weights, between) / 2
    assert weighted_energy(ab, truth, torch.from_numpy(weights)).numpy() == pytest.approx(
        plain, rel=1e-6
    )
    apart = np.abs(rows[:, :, None] - rows[:, None]).sum((1, 2))
    crps = np.abs(rows - y).mean(1) - apart / 40
    assert fair_crps(ab, truth).numpy().reshape(2, -1) == pytest.approx(
        crps, rel=1e-6, abs=1e-6 * np.abs(crps).max()
    )


@pytest.mark.parametrize("k", [2, 5, 100])
def test_draws_alike_have_their_distance_from_the_truth(score, fields, k):
    one, truth = fields(1, 2, 1, 2, 16, 16), fields(2, 2, 2, 16, 16)
    difference = ((one[:, 0].double() - truth) / SCALE).numpy()
    ab = one.expand(-1, k, -1, -1, -1)
    distance = np.sqrt((difference**2).mean((1, 2, 3)))
    assert score(fair_energy_score.metric(), ab, truth)[FIELD] == pytest.approx(distance, rel=1e-12)
    assert score(energy_score.metric(), ab, truth)[FIELD] == pytest.approx(distance, rel=1e-12)
    assert score(FairCrps(), ab, truth)["ab", "all"] == pytest.approx(
        np.abs(difference).mean((1, 2, 3)), rel=1e-12
    )
    alone = score(variogram_score.metric(), one, truth)[GRID]
    assert score(variogram_score.metric(), ab, truth)[GRID] == pytest.approx(alone, rel=1e-12)
    assert score(fair_variogram_score.metric(), ab, truth)[GRID] == pytest.approx(alone, rel=1e-12)
    for metric, column in {**FAIR, **PLAIN}.items():
        assert score(metric(), ab, one[:, 0])[column] == pytest.approx([0, 0], abs=1e-12)


def test_one_draw_is_refused_by_fair_scores_and_scored_by_plain_ones(score, fields):
    ab, truth = fields(1, 2, 1, 2, 16, 16), fields(2, 2, 2, 16, 16)
    for metric in FAIR:
        with pytest.raises(BenchError, match=r"at least 2 draws .* there is 1"):
            score(metric(), ab, truth)
    distance = (((ab[:, 0].double() - truth) / SCALE) ** 2).mean((1, 2, 3)).sqrt().numpy()
    assert score(energy_score.metric(), SampleSet(ab, "point"), truth)[FIELD] == pytest.approx(
        distance, rel=1e-12
    )


def test_fields_of_no_weight_do_not_count_and_equal_weights_are_none(score, fields):
    ab, truth = fields(1, 2, 4, 2, 16, 16), fields(2, 2, 2, 16, 16)
    for metric, column in PLAIN.items():
        half = SampleSet(ab, "modes", torch.tensor([[0.5, 0, 0.5, 0]]).expand(2, 4))
        wanted = score(metric(), SampleSet(ab[:, ::2], "modes"), truth)[column]
        assert score(metric(), half, truth)[column] == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("where", ["ab", "truth"])
def test_a_number_that_is_not_finite_gives_no_score(score, fields, where):
    for bad in (float("nan"), float("inf")):
        ab, truth = fields(1, 2, 4, 2, 16, 16), fields(2, 2, 2, 16, 16)
        (ab[1, 2] if where == "ab" else truth[1])[1, 3, 5] = (
            bad  # on the grid: the variogram score reads nothing else
        )
        for metric in {**FAIR, **PLAIN}:
            for (variant, _), values in score(metric(), ab, truth).items():
                assert np.isfinite(values[0])
                assert np.isfinite(values[1]) == (variant == "a"), (metric, variant, bad)


def test_the_batch_the_order_and_the_scale(score, fields, context):
    ab, truth = fields(1, 3, 7, 2, 16, 16), fields(2, 3, 2, 16, 16)
    for metric in {**FAIR, **PLAIN}:
        whole, turned = score(metric(), ab, truth), score(metric(), ab.flip(1), truth)
        doubled = score(metric(), 2 * ab, 2 * truth, replace(context(3), scale=2 * SCALE))
        for column, values in whole.items():
            assert turned[column] == pytest.approx(values, rel=1e-12)
            assert doubled[column] == pytest.approx(values, rel=1e-12)
            assert score(metric(), ab[1:2], truth[1:2])[column] == pytest.approx(
                values[1:2], rel=1e-12
            )


def test_negative_log_likelihood_is_the_methods_own_in_nats(score, fields):
    ab = fields(1, 3, 2, 2, 8, 8)
    samples = SampleSet(ab, "iid", log_prob=torch.tensor([-3.5, 12.25, -torch.inf]))
    found = score(negative_log_likelihood.metric(), samples, ab[:, 0])["photograph", "all"]
    assert found.tolist() == [3.5, -12.25, np.inf]  # the harness calls what is not finite undefined
    with pytest.raises(BenchError, match="no density"):
        score(negative_log_likelihood.metric(), ab, ab[:, 0])


def test_fair_scores_accept_independent_draws_only_and_plain_ones_no_reconstruction():
    specs = {name: registry().get("metrics", name) for name in NAMES}
    for name, spec in specs.items():
        independent = name.startswith("fair-") or name == "negative-log-likelihood"
        assert spec.accepts == ({"iid"} if independent else {"iid", "modes", "centroids", "point"})
        assert spec.least == (2 if name.startswith("fair-") else 1)
        assert spec.direction == "down"
        assert all(
            (spec.unit, spec.variants, spec.formula, spec.gaming, spec.checked, spec.citation)
        ), name
        assert spec.headline in {"", *spec.variants}
    assert specs["negative-log-likelihood"].needs == {"log_prob"}
