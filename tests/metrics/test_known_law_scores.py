"""On the drawn sets the law itself has the best expected proper scores; error-of-best prefers other
samplers, both ways.

Every sampler is made of the same uniform numbers as the law's draws, and scored on the same truths,
so that differences are paired. Fields are the paper's 8x8 grid only: the same law, at a
sixty-fourth of the time.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from bench import seeds
from bench.contracts import SampleSet
from bench.datasets.choices import Palette
from bench.datasets.law_coupled import LawCoupled
from bench.datasets.law_hue import LawHue
from bench.datasets.law_palette import LawPalette
from bench.datasets.laws import MOST, SceneLaw
from bench.extend.metrics import on
from bench.metrics.crps import FairCrps
from bench.metrics.energy_score import fair_energy_score
from bench.metrics.error_of_best import ErrorOfBest, PixelErrorOfBest
from bench.metrics.variogram_score import fair_variogram_score

SCENES, DRAWS, TRUTHS = 160, 10, 8
FEW = 60, 2
"""Scenes and truths for the variogram score, which takes its time."""
CLEARLY = 3.0
"""Standard errors of the mean difference."""
ENERGY, CRPS, VARIOGRAM = fair_energy_score.metric, FairCrps, fair_variogram_score.metric
SETS = (LawPalette, LawCoupled, LawHue)


@dataclass(frozen=True)
class Sampler:
    """A perturbed law: from scene law and uniform numbers `(n, MOST)` to fields; which scores must
    clearly see it here."""

    draw: object
    seen_by: tuple = (ENERGY, CRPS, VARIOGRAM)
    sets: tuple = SETS


def of_law(law, u):
    return law.paint(law.draw(u))


def scaled(factor):
    return lambda law, u: mean(law) + factor * (of_law(law, u) - mean(law))


def mean(law):
    """The conditional mean `(2, 64, 64)`, from an even grid of quantiles of every choice."""
    even = ((torch.arange(5040, dtype=torch.float64) + 0.5) / 5040)[:, None].expand(-1, MOST)
    colours = torch.stack([c.colours(c.draw(even[:, 0])).mean(0) for c in law.choices])
    return colours[torch.tensor(law.wears)[torch.from_numpy(law.regions)]].permute(2, 0, 1)


def with_choices(change):
    return lambda law, u: of_law(replace(law, choices=tuple(map(change, law.choices))), u)


def sharper(power):
    """Palettes to the power, normalised; hues with their spreads over the power."""

    def change(choice):
        if isinstance(choice, Palette):
            p = np.array(choice.probabilities) ** power
            return replace(choice, probabilities=tuple(p / p.sum()))
        return replace(choice, spreads=tuple(s / power for s in choice.spreads))

    return change


def turned(choice):
    """Palettes with their probabilities in reverse; hues turned by 30 degrees."""
    if isinstance(choice, Palette):
        return replace(choice, probabilities=choice.probabilities[::-1])
    return replace(choice, centres=tuple(c + np.pi / 6 for c in choice.centres))


def uncoupled(law, u):
    """A choice for every region: all marginals of objects are right."""
    return of_law(
        SceneLaw(
            law.regions, tuple(range(len(law.wears))), tuple(law.choices[c] for c in law.wears)
        ),
        u,
    )


def coupled(law, u):
    """One uniform number for all choices: all marginals of objects are right."""
    return of_law(law, u[:, 1:2].expand(-1, MOST))


def speckled(law, u):
    """Every pixel on its own: all marginals of pixels are right."""
    numbers = torch.from_numpy(
        np.random.default_rng(int(u[0, 0] * 2**24)).random((len(u), law.regions.size))
    )
    of_pixel = torch.tensor(law.wears)[torch.from_numpy(law.regions)].flatten()
    fields = torch.empty(len(u), 2, law.regions.size, dtype=torch.float64)
    for c, choice in enumerate(law.choices):
        own = numbers[:, of_pixel == c]
        fields[:, :, of_pixel == c] = (
            choice.colours(choice.draw(own.flatten())).unflatten(0, own.shape).permute(0, 2, 1)
        )
    return fields.unflatten(-1, law.regions.shape)


SAMPLERS = {
    "mean only": Sampler(scaled(0)),
    "under-dispersed": Sampler(scaled(0.6)),
    "over-dispersed": Sampler(scaled(1.4)),
    "flat or wide": Sampler(with_choices(sharper(0.3)), (ENERGY, CRPS)),
    "sharp or narrow": Sampler(with_choices(sharper(4.0)), (ENERGY, CRPS)),
    "turned": Sampler(with_choices(turned)),
    "coupled": Sampler(coupled, (ENERGY,), (LawPalette, LawHue)),
    "uncoupled": Sampler(uncoupled, (ENERGY, VARIOGRAM), (LawCoupled,)),
    "speckled": Sampler(speckled, (ENERGY, VARIOGRAM)),
}


@dataclass(frozen=True)
class Case:
    """The laws of a set's test scenes, truths `(TRUTHS, SCENES, 2, 8, 8)` of which the first are
    the set's own, and uniform numbers `(SCENES, 30, MOST)`."""

    of: type
    laws: list
    truths: torch.Tensor
    uniform: torch.Tensor

    def draws(self, draw, n=DRAWS):
        return torch.stack([draw(law, u[:n]) for law, u in zip(self.laws, self.uniform)])

    def scores(self, metric, ab, context):
        """For each scene its mean over truths."""
        scenes, truths = FEW if metric is VARIOGRAM else (SCENES, TRUTHS)
        samples, grey = (
            SampleSet(ab[:scenes], "iid", n_drawn=ab.shape[1]),
            torch.empty(scenes, 1, 0, 0),
        )
        scored = [
            metric().score(samples, truth[:scenes], context(scenes, grey))
            for truth in self.truths[:truths]
        ]
        return np.mean([scores[0].values for scores in scored], axis=0)


@pytest.fixture(scope="module", params=SETS, ids=lambda of: of.name)
def case(request):
    of = request.param
    ids = of().split(of().files())[1][:SCENES]
    read = dict(of().read(ids))
    own = torch.from_numpy(np.stack([of().develop(read[i], None, None).ab for i in ids]))
    more = torch.cat([of().law([i]).sample(TRUTHS - 1, [seeds.derive(1, "truth", i)]) for i in ids])
    truths = on("grid", torch.cat([own[:, None], more], 1)).transpose(0, 1)
    laws = [replace(law, regions=on("grid", law.regions)) for law in of().law(ids).scenes]
    uniform = seeds.uniform([seeds.derive(1, "draw", i) for i in ids], (30, MOST)).double() + 2**-25
    return Case(of, laws, truths, uniform)


def standard_errors(differences):
    """The mean of paired differences in its standard errors; 0 where all are 0."""
    return differences.mean() / max(differences.std(ddof=1) / len(differences) ** 0.5, 1e-15)


def test_nobody_beats_the_law_on_a_proper_score(case, context):
    law = case.draws(of_law)
    best = {metric: case.scores(metric, law, context) for metric in (ENERGY, CRPS, VARIOGRAM)}
    for name, sampler in SAMPLERS.items():
        if case.of in sampler.sets:
            ab = case.draws(sampler.draw)
            for metric, base in best.items():
                worse = standard_errors(case.scores(metric, ab, context) - base)
                assert worse > (CLEARLY if metric in sampler.seen_by else -CLEARLY), (
                    name,
                    metric.__name__,
                )


def test_marginal_scores_are_blind_to_coupling_and_speckle(case, context):
    base = case.scores(CRPS, case.draws(of_law), context)
    for draw in (uncoupled if case.of is LawCoupled else coupled, speckled):
        assert abs(standard_errors(case.scores(CRPS, case.draws(draw), context) - base)) < CLEARLY


def worse_by(metric, case, change, k, context):
    """How much worse than the law's a sampler of changed choices looks, in standard errors."""
    of_others, of_laws = (
        case.scores(metric, case.draws(draw, k), context) for draw in (with_choices(change), of_law)
    )
    return standard_errors(of_others - of_laws)


@pytest.mark.parametrize("case", [LawHue], indirect=True)
def test_error_of_best_is_gamed_by_too_little_spread(case, context):
    """Best of the paper's 5: hues of two thirds of the true spread look better than the law's own."""
    assert worse_by(ErrorOfBest, case, sharper(1.5), 5, context) < -CLEARLY
    assert worse_by(ErrorOfBest, case, sharper(0.7), 5, context) > CLEARLY


@pytest.mark.parametrize(
    ("case", "metric"),
    [(LawCoupled, ErrorOfBest), (LawPalette, PixelErrorOfBest)],
    indirect=["case"],
)
def test_error_of_best_is_gamed_by_too_much_spread(case, metric, context):
    """Best of 10: flattened palettes find the rare colours, and nothing is paid for the draws that
    they waste."""
    assert worse_by(metric, case, sharper(0.3), 10, context) < -CLEARLY
    assert worse_by(metric, case, sharper(2.0), 10, context) > CLEARLY
