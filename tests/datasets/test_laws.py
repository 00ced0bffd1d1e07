"""The known P(C | G): its draws, densities, distances and modes against one another and against
arithmetic."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from bench import seeds
from bench.datasets.choices import BANDWIDTH, Hues, Palette
from bench.datasets.law_coupled import LawCoupled
from bench.datasets.law_hue import LawHue
from bench.datasets.law_palette import LawPalette
from bench.datasets.laws import MOST, DrawnLaw, SceneLaw
from bench.errors import BenchError

SETS = [LawPalette, LawCoupled, LawHue]
DISCRETE = SETS[:2]


def scenes(of, count, choices=None):
    """Laws of the first scenes, of those with so many choices beside the backdrop's where that is
    given."""
    laws = of().law(of().files()[:200]).scenes
    return [s for s in laws if choices in (None, len(s.choices) - 1)][:count]


def uncoupled(law):
    """Every region with a choice of its own, and the right marginals."""
    return SceneLaw(
        law.regions, tuple(range(len(law.wears))), tuple(law.choices[c] for c in law.wears)
    )


@pytest.mark.parametrize("of", SETS)
def test_draws_depend_on_their_own_seed_only(of):
    ids = of().files()[:6]
    ten = of().law(ids).sample(10, range(6))
    assert (ten.shape, ten.dtype) == ((6, 10, 2, 64, 64), torch.float32)
    assert torch.equal(of().law(ids).sample(5, range(6)), ten[:, :5])
    assert torch.equal(of().law(ids[3:4]).sample(10, [3]), ten[3:4])
    assert not torch.equal(of().law(ids[3:4]).sample(10, [4]), ten[3:4])


@pytest.mark.parametrize("of", DISCRETE)
def test_draws_of_a_palette_have_the_probabilities_of_its_modes(of):
    for number, law in enumerate(scenes(of, 6)):
        fields, probabilities = law.modes()
        assert len(probabilities) <= 48
        assert float(probabilities.sum()) == pytest.approx(1, abs=1e-12)
        drawn = DrawnLaw([law]).sample(1000, [number])[0]
        key = [hash(f.numpy().tobytes()) for f in fields]
        assert len(set(key)) == len(key)
        found = [key.index(hash(f.numpy().tobytes())) for f in drawn]
        expected = 1000 * probabilities.numpy()
        counts, order = np.bincount(found, minlength=len(key)), np.argsort(expected)
        rare = np.cumsum(expected[order]) < 5  # counted as one
        pooled = [
            [v[order][rare].sum(), *v[order][~rare]][not rare.any() :] for v in (counts, expected)
        ]
        assert stats.chisquare(*pooled).pvalue > 0.001


def test_draws_of_hues_have_their_density():
    for number, law in enumerate(scenes(LawHue, 12, choices=1)):
        drawn = DrawnLaw([law]).sample(800, [number])[0].double()
        angle = law.read(drawn)[1].numpy()
        grid = np.linspace(-np.pi, np.pi, 1001)
        density = np.exp(law.choices[1].log_prob(torch.from_numpy(grid)).numpy())
        share = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)]) * (
            grid[1] - grid[0]
        )
        assert stats.kstest(np.interp(angle, grid, share), "uniform").pvalue > 0.001


@pytest.mark.parametrize("of", DISCRETE)
def test_the_probabilities_of_all_modes_sum_to_one(of):
    for law in scenes(of, 8):
        fields, probabilities = law.modes()
        found = DrawnLaw([law]).log_prob(fields[None])[0]
        assert found.numpy() == pytest.approx(probabilities.log().numpy(), abs=1e-12)
        assert float(found.exp().sum()) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("choices", [1, 2])
def test_the_density_of_hues_integrates_to_one(choices):
    steps = 40 if choices == 1 else 28
    angles = torch.arange(steps, dtype=torch.float64) * (2 * np.pi / steps) - np.pi
    grid = torch.cartesian_prod(*[angles] * choices).reshape(-1, choices)
    for law in scenes(LawHue, 3, choices):
        fields = law.paint([torch.zeros(len(grid), dtype=torch.long), *grid.unbind(-1)])
        density = DrawnLaw([law]).log_prob(fields[None].float()).exp()
        assert float(density.sum()) * (2 * np.pi / steps) ** choices == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("of", SETS)
def test_log_prob_is_finite_near_the_law_only(of):
    ids = of().files()[:5]
    law, drawn = of().law(ids), of().law(ids).sample(3, range(5))
    inside = law.log_prob(drawn)
    assert torch.isfinite(inside).all()
    assert law.log_prob(drawn + 0.3).numpy() == pytest.approx(
        inside.numpy(), abs=0.6 if of is LawHue else 1e-12
    )
    one_pixel, backdrop, blend = drawn.clone(), drawn.clone(), drawn.mean(1, keepdim=True)
    one_pixel[:, :, 0, 20, 20] += 1.5
    for b, scene in enumerate(law.scenes):
        backdrop[b][..., torch.from_numpy(scene.regions == 0)] += 1.0
    assert torch.isinf(law.log_prob(one_pixel)).all()
    assert torch.isinf(law.log_prob(backdrop)).all()
    differs = (drawn - drawn[:, :1]).abs().flatten(1).amax(1) > 3
    assert differs.any()
    assert torch.isinf(law.log_prob(blend))[differs].all()


def test_partners_of_different_colour_are_impossible():
    laws = scenes(LawCoupled, 30)
    drawn = DrawnLaw([uncoupled(s) for s in laws]).sample(20, range(30))
    log_prob, modes = DrawnLaw(laws).log_prob(drawn), DrawnLaw(laws).modes()
    for b in range(30):
        possible = [any(torch.equal(f, m) for m in modes[b][0]) for f in drawn[b]]
        assert torch.isfinite(log_prob[b]).tolist() == possible
    assert 0.2 < float(torch.isinf(log_prob).double().mean()) < 0.8


def brier(categories, probabilities):
    """Fair Brier sum over categories, -1 being one of probability 0; plain loops."""
    n, total = len(categories), 0.0
    for c in set(categories) | set(probabilities):
        share = sum(x == c for x in categories) / n
        total += (share - probabilities.get(c, 0)) ** 2 - share * (1 - share) / (n - 1)
    return total


@pytest.mark.parametrize("of", DISCRETE)
@pytest.mark.parametrize("n", [2, 5, 40])
def test_the_distance_to_palettes_is_a_fair_brier_sum(of, n):
    for number, law in enumerate(scenes(of, 6)):
        ab = DrawnLaw([law]).sample(n, [number])[0]
        ab[1::3] = DrawnLaw([uncoupled(law)]).sample(n, [number + 50])[0][1::3]
        ab[::4, :, torch.from_numpy(law.regions == 1)] = 0.0  # of no palette
        colours = [[nearest(law, r, f) for r in range(len(law.wears))] for f in ab]
        categories = [
            [agreed([row[r] for r, c in enumerate(law.wears) if c == choice]) for row in colours]
            for choice in range(len(law.choices))
        ]
        each = [
            brier(x, dict(enumerate(choice.probabilities)))
            for x, choice in zip(categories, law.choices)
        ]
        joint = {
            tuple(m): np.prod([c.probabilities[i] for c, i in zip(law.choices, m)])
            for m in itertools.product(*(range(len(c.probabilities)) for c in law.choices))
        }
        expected = (np.mean(each) + brier(list(zip(*categories)), joint)) / 2
        found = DrawnLaw([law]).distance(ab[None])
        assert found.numpy() == pytest.approx([expected], rel=1e-9, abs=1e-12)


def nearest(law, region, field):
    """Colour number of a region, -1 where none is within RMS 16."""
    colours = np.array(law.choices[law.wears[region]].ab)
    pixels = field.numpy().astype(float)[:, law.regions == region].T
    rms = [np.sqrt(((pixels - c) ** 2).sum(1).mean()) for c in colours]
    return int(np.argmin(rms)) if min(rms) <= 16 else -1


def agreed(numbers):
    return numbers[0] if len(set(numbers)) == 1 else -1


def test_the_distance_to_hues_is_that_of_its_kernel():
    def wrapped(x):
        return sum(np.exp(-((x + 2 * np.pi * j) ** 2) / 2 / BANDWIDTH**2) for j in range(-6, 7))

    grid = (np.arange(400) + 0.5) * (2 * np.pi / 400)
    for number, law in enumerate(scenes(LawHue, 3, choices=1)):
        density = np.exp(law.choices[1].log_prob(torch.from_numpy(grid)).numpy()) * (
            2 * np.pi / 400
        )
        ab = DrawnLaw([law]).sample(6, [number])[0]
        x = np.array(
            [np.arctan2(*f[::-1, law.regions == 1].mean(-1)) for f in ab.numpy().astype(float)]
        )
        kernel = wrapped(x[:, None] - x) / wrapped(0.0)
        embedding = (wrapped(x[:, None] - grid) / wrapped(0.0)) @ density
        norm = density @ (wrapped(grid[:, None] - grid) / wrapped(0.0)) @ density
        hue = (kernel.sum() - 6) / 30 - 2 * embedding.mean() + norm
        # the backdrop is right: its own distance is 0, and its kernel 1 in the product
        assert DrawnLaw([law]).distance(ab[None]).numpy() == pytest.approx(
            [(hue + hue / 2) / 2], rel=1e-6
        )


@pytest.mark.parametrize("of", SETS)
def test_the_distance_is_without_bias_for_the_law_and_positive_for_others(of):
    laws = [s for s in scenes(of, 200) if len(s.choices) > 2][
        :80
    ]  # at least two choices beside the backdrop's
    drawn = DrawnLaw(laws).sample(6, range(len(laws)))
    base = DrawnLaw(laws).distance(drawn)
    assert abs(float(base.mean())) < 3.5 * float(base.std()) / len(base) ** 0.5
    uniform = seeds.uniform(range(len(laws)), (6, MOST)).double()
    wrong = {
        "another law": DrawnLaw(
            [replace(s, choices=tuple(map(flattened, s.choices))) for s in laws]
        ).sample(6, range(len(laws))),
        "one draw, repeated": drawn[:, :1].expand(-1, 6, -1, -1, -1),
        "the mean": drawn.mean(1, keepdim=True).expand(-1, 6, -1, -1, -1),
        "speckle": drawn
        + 20 * torch.randn(drawn.shape, generator=torch.Generator().manual_seed(0)),
        "wrongly coupled": torch.stack(
            [s.paint(s.draw(u[:, 1:2].expand(-1, MOST))) for s, u in zip(laws, uniform)]
        ),
    } | (
        {"uncoupled": DrawnLaw(list(map(uncoupled, laws))).sample(6, range(len(laws)))}
        if of is LawCoupled
        else {}
    )
    for name, ab in wrong.items():
        found = DrawnLaw(laws).distance(ab)
        assert float(found.mean()) > 3 * float(found.std()) / len(found) ** 0.5, name


def flattened(choice):
    if isinstance(choice, Palette):
        return replace(choice, probabilities=(1 / len(choice.ab),) * len(choice.ab))
    return replace(choice, spreads=tuple(2 * s for s in choice.spreads))


def test_blur_is_forgiven_and_a_blend_is_not():
    law = scenes(LawPalette, 1)[0]
    fields, _ = law.modes()
    blurred = torch.nn.functional.avg_pool2d(fields, 3, 1, 1, count_include_pad=False)
    modes = DrawnLaw([law])
    assert modes.distance(blurred[None]).numpy() == pytest.approx(
        modes.distance(fields[None]).numpy(), abs=1e-12
    )
    assert float(modes.distance(fields.mean(0)[None, None].expand(1, 5, -1, -1, -1))) > 0.5


@pytest.mark.parametrize("of", SETS)
def test_one_draw_has_no_distance(of):
    law = of().law(of().files()[:2])
    with pytest.raises(BenchError, match="at least 2 draws"):
        law.distance(law.sample(1, [0, 1]))


def test_only_palettes_have_modes():
    assert LawHue().law(LawHue().files()[:3]).modes() is None
    assert len(LawCoupled().law(LawCoupled().files()[:3]).modes()) == 3


@pytest.mark.parametrize(
    "choice",
    [
        Palette(((1.0, 2.0), (30.0, 4.0), (-30.0, 9.0)), (0.2, 0.5, 0.3)),
        Hues((0.3, 2.9), (0.3, 0.8), (0.6, 0.4), 28.0),
    ],
)
def test_kernels_are_averages_of_what_they_say(choice):
    """Embedding and norm against the mean over an even grid of quantiles."""
    drawn = choice.draw((torch.arange(40_000, dtype=torch.float64) + 0.5) / 40_000)
    few = choice.draw(torch.tensor([0.05, 0.4, 0.9], dtype=torch.float64))
    kernel = choice.kernel(torch.cat([few, drawn[20::40]]))[:3, 3:]
    assert choice.embedding(few).numpy() == pytest.approx(kernel.mean(1).numpy(), abs=1e-3)
    assert choice.norm() == pytest.approx(float(choice.embedding(drawn).mean()), abs=1e-4)
    assert choice.kernel(few).diagonal().tolist() == pytest.approx([1, 1, 1])
