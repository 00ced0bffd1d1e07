"""Metrics against a known law: plain loops, simulation, and what each must see or forgive."""

import numpy as np
import pytest
import torch

from bench import seeds
from bench.contracts import KINDS, SampleSet
from bench.datasets.law_coupled import LawCoupled
from bench.datasets.law_hue import LawHue
from bench.datasets.law_palette import LawPalette
from bench.datasets.laws import DrawnLaw, SceneLaw
from bench.errors import BenchError
from bench.metrics import law as metrics
from bench.metrics.energy_score import fair_energy
from bench.metrics.law import (
    DRAWS,
    generalised_energy_distance,
    law_distance,
    mode_coverage,
    mode_precision,
)
from bench.plugins.decorated import registered
from bench.specs import MetricSpec

ALL = (
    mode_coverage.metric,
    mode_precision.metric,
    generalised_energy_distance.metric,
    law_distance.metric,
)
DISCRETE = (LawPalette, LawCoupled)
MASS, COUNT, EXPECTED, FIELD = (
    ("mass", "all"),
    ("count", "all"),
    ("expected", "all"),
    ("field", "all"),
)


def some_law(of, count, first=0):
    return of().law(of().files()[first : first + count])


def uncoupled(law):
    """Draws from the right marginals, region by region, `(n, 2, 64, 64)`."""
    free = SceneLaw(
        law.regions, tuple(range(len(law.wears))), tuple(law.choices[c] for c in law.wears)
    )
    return lambda n, seed: free.paint(
        free.draw(torch.from_numpy(np.random.default_rng(seed).random((n, 5))))
    ).float()


def mixed(law, n, seed):
    """Uncoupled draws, then draws of the law; of both, in turn, one object grey, all speckled,
    blurred, and left alone."""
    from torch.nn.functional import avg_pool2d

    ab = torch.cat([uncoupled(law)(n // 2, seed), DrawnLaw([law]).sample(n - n // 2, [seed])[0]])
    for i in range(n):
        if i % 4 == 0:
            ab[i][:, torch.from_numpy(law.regions == 1)] = 0.0
        if i % 4 == 1:
            ab[i] += 15 * torch.randn(ab[i].shape, generator=torch.Generator().manual_seed(i))
        if i % 4 == 2:
            ab[i] = avg_pool2d(ab[i], 3, 1, 1, count_include_pad=False)
    return ab


def mode_of(field, law):
    """The colour number of every choice, None where one of its objects is far from all its colours.
    Plain loops."""
    numbers = {}
    for region, choice in enumerate(law.wears):
        inside = np.argwhere(law.regions == region)
        rms = []
        for a, b in law.choices[choice].ab:
            total = sum(
                (float(field[0, r, c]) - a) ** 2 + (float(field[1, r, c]) - b) ** 2
                for r, c in inside
            )
            rms.append((total / len(inside)) ** 0.5)
        if min(rms) > 16 or numbers.setdefault(choice, int(np.argmin(rms))) != int(np.argmin(rms)):
            return None
    return tuple(numbers[c] for c in range(len(law.choices)))


@pytest.mark.parametrize("of", DISCRETE)
def test_modes_against_plain_loops(of, score, context):
    laws = some_law(of, 3, first=40)
    ab = torch.stack([mixed(s, 8, number) for number, s in enumerate(laws.scenes)])
    coverage = score(mode_coverage.metric(), ab, ab[:, 0], context(3, law=laws))
    precision = score(mode_precision.metric(), ab, ab[:, 0], context(3, law=laws))
    for b, law in enumerate(laws.scenes):
        found = [mode_of(field.numpy(), law) for field in ab[b]]
        probability = {
            m: np.prod([c.probabilities[i] for c, i in zip(law.choices, m)])
            for m in found
            if m is not None
        }
        assert 0 < len(probability) <= 6
        count = np.prod([len(c.ab) for c in law.choices])
        assert coverage[MASS][b] == pytest.approx(sum(probability.values()), rel=1e-9)
        assert coverage[COUNT][b] == pytest.approx(len(probability) / count, rel=1e-9)
        assert precision[FIELD][b] == pytest.approx(
            np.mean([m is not None for m in found]), rel=1e-9
        )


def test_expected_coverage_is_what_the_law_has(score, context):
    laws, errors = some_law(LawPalette, 8), []
    for run in range(40):
        found = score(
            mode_coverage.metric(),
            laws.sample(5, range(8 * run, 8 * run + 8)),
            None,
            context(8, law=laws),
        )
        errors += [*(found[MASS] - found[EXPECTED])]
    assert abs(np.mean(errors)) < 3 * np.std(errors) / len(errors) ** 0.5 < 0.03


def test_all_modes_have_coverage_one_and_a_repeated_one_its_own(score, context):
    laws = some_law(LawCoupled, 4)
    for b, (fields, probabilities) in enumerate(laws.modes()):
        one = DrawnLaw(laws.scenes[b : b + 1])
        assert score(mode_coverage.metric(), fields[None], None, context(1, law=one))[
            MASS
        ] == pytest.approx([1])
        repeated = fields[None, -1:].expand(-1, 7, -1, -1, -1)
        assert score(mode_coverage.metric(), repeated, None, context(1, law=one))[
            MASS
        ] == pytest.approx([float(probabilities[-1])])
        assert score(mode_precision.metric(), repeated, None, context(1, law=one))[
            FIELD
        ] == pytest.approx([1])


def test_partners_of_different_colour_are_on_no_mode(score, context):
    laws = some_law(LawCoupled, 16)
    ab = torch.stack([uncoupled(s)(20, number) for number, s in enumerate(laws.scenes)])
    possible = torch.isfinite(laws.log_prob(ab)).double().mean(1)
    assert score(mode_precision.metric(), ab, None, context(16, law=laws))[FIELD] == pytest.approx(
        possible.numpy(), abs=1e-12
    )
    assert float(possible.max()) < 1


def test_precision_counts_samples_by_their_weights(score, context):
    laws = some_law(LawPalette, 1)
    ab = laws.sample(3, [0])
    ab[:, 1] = 0
    weights = torch.tensor([[0.5, 0.3, 0.2]])
    found = score(
        mode_precision.metric(), SampleSet(ab, "modes", weights), None, context(1, law=laws)
    )
    assert found[FIELD] == pytest.approx([0.7])


@pytest.mark.parametrize("k", [2, 5, 100])
@pytest.mark.parametrize("of", [LawPalette, LawHue])
def test_the_generalised_energy_distance_against_plain_loops(of, k, score, context):
    laws, given = some_law(of, 2), context(2, law=some_law(of, 2))
    samples = laws.sample(k, [8, 9]) + 3
    found = score(generalised_energy_distance.metric(), samples, None, given)[FIELD]
    draws = laws.sample(DRAWS, [seeds.derive(s, "ged") for s in given.seeds]).numpy().astype(float)
    for b in range(2):
        s, y = samples[b].numpy().astype(float), draws[b]
        to_law = np.mean([distance(x, other) for x in s for other in y])
        within = [
            np.mean([distance(v[i], v[j]) for i in range(len(v)) for j in range(i)]) for v in (s, y)
        ]
        assert found[b] == pytest.approx(2 * to_law - within[0] - within[1], rel=1e-6, abs=1e-7)


def distance(first, second):
    return np.sqrt(((first - second) ** 2).mean()) / 128


def test_the_generalised_energy_distance_is_twice_the_excess_of_the_energy_score(score, context):
    laws = some_law(LawPalette, 1)
    samples, draws = laws.sample(6, [3]) * 1.3, laws.sample(DRAWS, [seeds.derive(0, "ged")])[0]
    of_samples = fair_energy(samples.expand(DRAWS, -1, -1, -1, -1), draws).mean()
    of_law = np.mean(
        [
            float(fair_energy(draws[None, torch.arange(DRAWS) != i], draws[i : i + 1]))
            for i in range(DRAWS)
        ]
    )
    found = score(generalised_energy_distance.metric(), samples, None, context(1, law=laws))[FIELD]
    assert found == pytest.approx([2 * (float(of_samples) - of_law) / 128], rel=1e-9)


@pytest.mark.parametrize("metric", [generalised_energy_distance.metric, law_distance.metric])
@pytest.mark.parametrize("of", [LawPalette, LawCoupled, LawHue])
def test_the_law_has_no_distance_and_others_have(metric, of, score, context):
    laws = some_law(of, 100)
    drawn = laws.sample(6, range(1000, 1100))
    found = score(metric(), drawn, None, context(100, law=laws))
    (base,) = found.values()
    assert abs(base.mean()) < 3.5 * base.std() / 10
    for wrong in (
        drawn[:, :1].expand(-1, 6, -1, -1, -1),
        0.5 * drawn,
        laws.sample(6, range(1000, 1100)).roll(1, 0),
    ):
        (worse,) = score(metric(), wrong, None, context(100, law=laws)).values()
        assert (worse - base).mean() > 4 * (worse - base).std() / 10


@pytest.mark.parametrize("metric", ALL)
def test_batches_and_precision_change_nothing(metric, score, context):
    laws = some_law(LawPalette, 3)
    ab = laws.sample(4, range(3)) + torch.randn(
        3, 4, 2, 64, 64, generator=torch.Generator().manual_seed(0)
    )
    whole = score(metric(), ab, None, context(3, law=laws))
    double = score(metric(), ab.double(), None, context(3, law=laws))
    first = score(metric(), ab[:1], None, context(1, law=some_law(LawPalette, 1)))
    for column, values in whole.items():
        assert values.dtype == np.float64
        assert double[column] == pytest.approx(values, rel=1e-9, abs=1e-12)
        assert first[column] == pytest.approx(values[:1], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("metric", ALL)
def test_identical_samples_are_defined(metric, score, context):
    laws = some_law(LawPalette, 2)
    for values in score(
        metric(), laws.sample(1, [0, 1]).expand(-1, 5, -1, -1, -1), None, context(2, law=laws)
    ).values():
        assert np.isfinite(values).all()


@pytest.mark.parametrize("metric", [generalised_energy_distance.metric, law_distance.metric])
def test_one_draw_is_refused(metric, score, context):
    laws = some_law(LawPalette, 1)
    with pytest.raises(BenchError, match="needs at least 2 draws"):
        score(metric(), laws.sample(1, [0]), None, context(1, law=laws))


@pytest.mark.parametrize("metric", ALL)
def test_photographs_without_a_law_are_refused(metric, score, context):
    with pytest.raises(BenchError, match="needs a known law"):
        score(metric(), torch.zeros(1, 2, 2, 64, 64), None, context(1))


@pytest.mark.parametrize("metric", [mode_coverage.metric, mode_precision.metric])
def test_a_continuous_law_has_no_modes(metric, score, context):
    laws = some_law(LawHue, 2)
    with pytest.raises(BenchError, match="hues are continuous"):
        score(metric(), laws.sample(3, [0, 1]), None, context(2, law=laws))


def test_modes_are_looked_for_once(context, monkeypatch):
    laws, calls = some_law(LawPalette, 2), []
    monkeypatch.setattr(
        metrics,
        "nearest_mode",
        lambda ab, modes: calls.append(1) or torch.zeros(len(ab), dtype=torch.long),
    )
    given, samples = context(2, law=laws), SampleSet(laws.sample(3, [0, 1]), "iid")
    for metric in (mode_coverage.metric(), mode_precision.metric()):
        metric.score(samples, None, given)
    assert len(calls) == 2


def test_the_specs_are_complete():
    specs = {s.name: s for s in registered(metrics, "metrics", MetricSpec)}
    assert set(specs) == {"mode-coverage", "mode-precision", "ged", "law-distance"}
    for spec in specs.values():
        assert spec.needs == {"law"}
        assert spec.accepts == ({"iid"} if spec.least == 2 else set(KINDS) - {"reconstruction"})
        assert all(
            (
                spec.summary,
                spec.unit,
                spec.variants,
                spec.formula,
                spec.gaming,
                spec.checked,
                spec.citation,
            )
        )
        assert spec.headline in ("", *spec.variants)
        assert spec.load() in ALL
