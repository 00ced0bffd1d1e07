"""Ranks, coverage and spread against plain loops, and on simulated laws that are calibrated or not."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.errors import BenchError
from bench.metrics.ranks import Coverage, RankHistogram, intervals
from bench.metrics.spread_skill import SpreadSkill
from bench.plugins.loader import registry
from bench.scores.intervals import flatness

SCALE = 128.0
METRICS = (RankHistogram, Coverage, SpreadSkill)
ONE_A_PHOTOGRAPH = ("rank-pixel-a", "rank-pixel-b", "rank-mean-a", "rank-mean-b", "rank-distance")
ALL = "all"


@pytest.fixture(
    params=[(1, 2, 64, torch.float32), (3, 10, 16, torch.float64), (2, 100, 8, torch.float32)],
    ids=str,
)
def batch(request, fields):
    count, m, side, dtype = request.param
    return fields(1, count, m, 2, side, side).to(dtype), fields(2, count, 2, side, side).to(dtype)


@pytest.fixture(scope="module")
def simulated():
    """`simulated(count, m, spread)`: truths of a coupled law around a centre, and draws with
    `spread` times its width."""

    def make(count, m, spread=1.0, side=8, seed=0):
        numbers = torch.Generator().manual_seed(seed)
        centre = 20 * torch.randn(count, 1, 2, 1, 1, generator=numbers)
        noise = 8 * torch.randn(count, m + 1, 2, side, side, generator=numbers)
        noise += 12 * torch.randn(count, m + 1, 2, 1, 1, generator=numbers)
        return centre + spread * noise[:, 1:], (centre + noise[:, :1])[:, 0]

    return make


def test_ranks_are_a_plain_loop(score, batch):
    ab, truth = batch
    found, m = score(RankHistogram(), ab, truth), ab.shape[1]
    assert {variant for variant, _ in found} == {
        *ONE_A_PHOTOGRAPH,
        *(f"bin-{b}" for b in range(m + 1)),
    }
    for photo in range(len(ab)):
        draws, true = ab[photo].numpy().astype(float), truth[photo].numpy().astype(float)
        counts = np.zeros(m + 1)
        for place in np.ndindex(true.shape):
            counts[sum(draw[place] < true[place] for draw in draws)] += 1
        assert [found[f"bin-{b}", ALL][photo] for b in range(m + 1)] == pytest.approx(
            counts / true.size, rel=1e-12
        )
        fields = [*draws, true]
        apart = [sum(np.sqrt(((one - other) ** 2).sum()) for other in fields) for one in fields]
        assert found["rank-distance", ALL][photo] == sum(value < apart[-1] for value in apart[:-1])
        for c, name in enumerate("ab"):
            assert found[f"rank-mean-{name}", ALL][photo] == sum(
                draw[c].mean() < true[c].mean() for draw in draws
            )
            assert found[f"rank-pixel-{name}", ALL][photo] in np.flatnonzero(counts)


@pytest.mark.parametrize(
    ("m", "levels"), [(2, {33: 1}), (5, {67: 1}), (10, {82: 1, 45: 3}), (100, {98: 1, 50: 25})]
)
def test_coverage_is_a_plain_loop(score, fields, m, levels):
    ab, truth = fields(1, 2, m, 2, 16, 16), fields(2, 2, 2, 16, 16)
    found = score(Coverage(), ab, truth)
    assert found.keys() == {(f"{c}-{level}", ALL) for c in "ab" for level in levels}
    ordered = np.sort(ab.numpy(), axis=1)
    for level, i in levels.items():
        inside = (ordered[:, i - 1] < truth.numpy()) & (truth.numpy() < ordered[:, m - i])
        for c, name in enumerate("ab"):
            assert found[f"{name}-{level}", ALL] == pytest.approx(
                inside[:, c].mean((1, 2)), rel=1e-12
            )


def test_intervals_are_not_empty_and_about_a_half():
    for m in range(2, 101):
        widest, *half = intervals(m)
        assert widest == 1
        assert all(1 < i <= m - i for i in half)
        assert 1 - 2 * [widest, *half][-1] / (m + 1) == pytest.approx(
            0.5, abs=1 / (m + 1) + 1e-9
        )  # no other is nearer


def test_spread_and_skill_are_a_plain_loop(score, batch):
    ab, truth = batch
    found, m = score(SpreadSkill(), ab, truth), ab.shape[1]
    draws, true = ab.numpy().astype(float) / SCALE, truth.numpy().astype(float) / SCALE
    for photo in range(len(ab)):
        spread = skill = 0.0
        for place in np.ndindex(true[photo].shape):
            values = [draw[place] for draw in draws[photo]]
            mean = sum(values) / m
            spread += sum((v - mean) ** 2 for v in values) / (m - 1) * (m + 1) / m
            skill += (mean - true[photo][place]) ** 2
        assert found["spread", ALL][photo] == pytest.approx(spread / true[photo].size, rel=1e-6)
        assert found["skill", ALL][photo] == pytest.approx(skill / true[photo].size, rel=1e-6)


def ratio(score, context, ab, truth):
    found = score(SpreadSkill(), ab, truth, context(len(ab), torch.zeros(1)))
    return SpreadSkill().combine({variant: values for (variant, _), values in found.items()})[
        "ratio"
    ]


@pytest.mark.parametrize("m", [2, 3, 10, 30])
def test_the_ratio_is_1_for_the_law_itself_whatever_the_number_of_draws(
    score, context, simulated, m
):
    assert ratio(score, context, *simulated(2000, m)) == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize(("spread", "low", "high"), [(0.5, 0, 0.7), (2.0, 1.4, 2.1)])
def test_the_ratio_shows_too_little_and_too_much_spread(
    score, context, simulated, spread, low, high
):
    assert low < ratio(score, context, *simulated(1000, 10, spread)) < high


def test_the_ratio_is_taken_of_means_and_over_leading_axes():
    columns = {
        "spread": np.array([[1.0, 3.0], [2.0, 2.0]]),
        "skill": np.array([[4.0, 4.0], [0.0, 0.0]]),
    }
    both = SpreadSkill().combine(columns)["ratio"]
    assert both == pytest.approx([2**-0.5, np.nan], nan_ok=True)
    assert SpreadSkill().combine({name: rows[0] for name, rows in columns.items()})[
        "ratio"
    ] == pytest.approx(2**-0.5)


def p_values(score, context, ab, truth):
    """Of every column with one rank a photograph, as a report tests it."""
    found = score(RankHistogram(), ab, truth, context(len(ab), torch.zeros(1)))
    return {variant: flatness(found[variant, ALL], ab.shape[1] + 1) for variant in ONE_A_PHOTOGRAPH}


def test_ranks_of_the_law_itself_are_flat(score, context, simulated):
    """200 sets of 60 photographs: a report's χ² test raises false alarms in 5 % of them, within 3
    standard errors."""
    ab, truth = simulated(200 * 60, 4, seed=2)
    found = score(RankHistogram(), ab, truth, context(len(ab), torch.zeros(1)))
    for variant in ONE_A_PHOTOGRAPH:
        alarms = np.mean(
            [flatness(part, 5).p < 0.05 for part in found[variant, ALL].reshape(200, 60)]
        )
        assert 0.05 - 0.046 <= alarms <= 0.05 + 0.046, variant


def test_ranks_of_too_little_spread_are_a_bowl_and_of_too_much_a_hill(score, context, simulated):
    for spread, outer in ((0.4, True), (2.5, False)):
        tests = p_values(score, context, *simulated(600, 10, spread))
        assert all(found.p < 1e-4 for found in tests.values())
        for variant in ONE_A_PHOTOGRAPH[:4]:
            counts = tests[variant].counts
            assert (counts[0] + counts[10] > 4 * (counts[4] + counts[6])) == outer
            assert (counts[0] + counts[10] < (counts[4] + counts[6]) / 4) != outer
        apart = tests["rank-distance"].counts
        assert (apart[10] > 300) == outer
        assert (apart[0] > 300) != outer


def test_a_rank_of_distances_sees_what_pixels_and_means_do_not(score, context, simulated):
    """Each channel's own law is right, and so are pixels; but the draws take one channel from
    another draw's field."""
    ab, truth = simulated(600, 11, seed=3)
    truth = truth.clone()
    truth[:, 1] = 20 + truth[:, 0]
    ab[:, :, 1] = 20 + ab[:, :, 0].roll(1, 1)  # a's law for b, but of another draw
    tests = p_values(score, context, ab[:, :10], truth)
    assert min(tests[variant].p for variant in ONE_A_PHOTOGRAPH[:4]) > 0.01
    assert tests["rank-distance"].p < 1e-6


@pytest.mark.parametrize("m", [2, 3, 10])
def test_coverage_of_the_law_itself_is_nominal(score, context, simulated, m):
    ab, truth = simulated(3000, m)
    found = score(Coverage(), ab, truth, context(3000, torch.zeros(1)))
    for (variant, _), values in found.items():
        nominal = {"33": 1 / 3, "50": 1 / 2, "82": 9 / 11, "45": 5 / 11}[variant[2:]]
        assert abs(values.mean() - nominal) < 3 * values.std() / 3000**0.5


def test_one_pixel_is_chosen_at_random_by_the_seed(score, context):
    """The truth's rank is the pixel's number: 64 draws of one colour each stand between the truth's
    64."""
    count, m = 1300, 63
    levels = torch.arange(64.0)
    ab = levels[1:, None, None, None].expand(count, m, 2, 8, 8) - 0.5
    truth = levels.reshape(8, 8).expand(count, 2, 8, 8)
    found = score(RankHistogram(), ab, truth, context(count, torch.zeros(1)))
    a, b = (found[f"rank-pixel-{name}", ALL] for name in "ab")
    for pixels in (a, b):
        assert flatness(pixels, 64).p > 0.001
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.09  # each channel has its own


def test_ties_are_broken_at_random_the_same_way_for_the_same_seed(score, context):
    """Grey repeated, of a grey truth: any rank is as likely as another. Of another truth: never
    inside."""
    count, m = 1500, 10
    grey, truth = torch.zeros(count, m, 2, 8, 8), torch.zeros(count, 2, 8, 8)
    given = context(count, torch.zeros(1))
    ranks, covered = (
        score(RankHistogram(), grey, truth, given),
        score(Coverage(), grey, truth, given),
    )
    for variant in ONE_A_PHOTOGRAPH:
        assert flatness(ranks[variant, ALL], m + 1).p > 0.001
    assert [ranks[f"bin-{b}", ALL].mean() for b in range(m + 1)] == pytest.approx(
        [1 / 11] * 11, rel=0.02
    )
    for name in "ab":
        assert covered[f"{name}-82", ALL].mean() == pytest.approx(9 / 11, abs=0.005)
        assert covered[f"{name}-45", ALL].mean() == pytest.approx(5 / 11, abs=0.005)
    again = score(RankHistogram(), grey, truth, context(count, torch.zeros(1)))
    other = score(
        RankHistogram(),
        grey,
        truth,
        replace(context(count, torch.zeros(1)), seeds=range(count, 2 * count)),
    )
    for column, values in ranks.items():
        assert (again[column] == values).all()
        assert (other[column] != values).any()
    missed = score(Coverage(), grey, truth + 1e-3, context(count, torch.zeros(1)))
    assert all((values == 0).all() for values in missed.values())


def test_among_equal_draws_the_truth_keeps_its_place(score, context):
    """Two draws below, three equal and one above: ranks 2 to 5, and no others."""
    count = 400
    ab = torch.tensor([-1.0, -1, 0, 0, 0, 1])[:, None, None, None].expand(count, 6, 2, 8, 8)
    found = score(RankHistogram(), ab, torch.zeros(count, 2, 8, 8), context(count, torch.zeros(1)))
    shares = [found[f"bin-{b}", ALL].mean() for b in range(7)]
    assert shares == pytest.approx([0, 0, 0.25, 0.25, 0.25, 0.25, 0], abs=0.01)
    assert shares[0] == shares[1] == shares[6] == 0


def test_fields_as_far_from_one_another_are_ties(score, context):
    """The corners of rectangles: each has the same distances, met in another order, to the last
    bit."""
    sides = 5 + 50 * torch.rand(
        30, 1, 2, 1, 1, generator=torch.Generator().manual_seed(5)
    ).repeat_interleave(50, 0)
    corners = torch.tensor([[-1.0, -1], [-1, 1], [1, 1], [1, -1]])[None, :, :, None, None]
    ab = (corners * sides).expand(-1, -1, -1, 8, 8)
    found = score(RankHistogram(), ab[:, 1:], ab[:, 0], context(1500, torch.zeros(1)))[
        "rank-distance", ALL
    ]
    assert all(set(of_one) == {0, 1, 2, 3} for of_one in found.reshape(30, 50))


def test_the_batch_and_the_order_of_the_draws(score, fields, context):
    ab, truth = fields(1, 3, 7, 2, 16, 16), fields(2, 3, 2, 16, 16)
    for metric in METRICS:
        whole, turned = score(metric(), ab, truth), score(metric(), ab.flip(1), truth)
        alone = score(metric(), ab[1:2], truth[1:2], replace(context(1), seeds=[1]))
        for column, values in whole.items():
            assert turned[column] == pytest.approx(values, rel=1e-12)
            assert alone[column] == pytest.approx(values[1:2], rel=1e-12)


def test_one_draw_is_refused(score, fields):
    for metric in METRICS:
        with pytest.raises(BenchError, match=r"at least 2 draws .* there is 1"):
            score(metric(), fields(1, 2, 1, 2, 8, 8), fields(2, 2, 2, 8, 8))


def test_draws_alike_have_no_spread(score, fields):
    ab, truth = fields(1, 2, 1, 2, 8, 8).expand(-1, 5, -1, -1, -1), fields(2, 2, 2, 8, 8)
    found = score(SpreadSkill(), ab, truth)
    assert found["spread", ALL] == pytest.approx([0, 0], abs=1e-30)
    assert found["skill", ALL] == pytest.approx(
        ((ab[:, 0].double() - truth) / SCALE).square().mean((1, 2, 3)).numpy(), rel=1e-6
    )


@pytest.mark.parametrize("where", ["ab", "truth"])
def test_a_number_that_is_not_finite_gives_no_value(score, fields, where):
    for bad in (float("nan"), float("inf")):
        ab, truth = fields(1, 2, 4, 2, 8, 8), fields(2, 2, 2, 8, 8)
        (ab[1, 2] if where == "ab" else truth[1])[1, 3, 5] = bad
        for metric in METRICS:
            for (variant, _), values in score(metric(), ab, truth).items():
                assert np.isfinite(values[0])
                assert not np.isfinite(values[1]) or (variant, where) == ("spread", "truth"), (
                    metric,
                    variant,
                    bad,
                )


def test_calibration_is_of_independent_draws():
    for name, direction in (
        ("rank-histogram", "none"),
        ("coverage", "target"),
        ("spread-skill", "target"),
    ):
        spec = registry().get("metrics", name)
        assert (spec.accepts, spec.least, spec.direction) == ({"iid"}, 2, direction)
        assert all(
            (spec.unit, spec.variants, spec.formula, spec.gaming, spec.checked, spec.citation)
        ), name
