"""One generator a photograph: draws depend on its seed only."""

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import seeds
from bench.contracts import SampleSet, ScoreContext
from bench.datasets.drawn import Dice
from bench.extend import training
from bench.fitted import colorize
from bench.methods import cheat_model
from bench.metrics.law import generalised_energy_distance
from bench.metrics.ranks import RankHistogram
from bench.protocol import make_paper
from bench.scores.scoring import HeldOut
from bench.testing import metric_subject, toy
from bench.testing.rules import draw_rules

from .test_asking import Noise, asking

DRAWS = pytest.mark.parametrize("draw", [seeds.normal, seeds.uniform], ids=["normal", "uniform"])
SEEDS = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=5, unique=True)
INNER = st.lists(st.integers(1, 9), max_size=3)


@DRAWS
@settings(max_examples=30, deadline=None)
@given(given_seeds=SEEDS, count=st.integers(1, 5), inner=INNER)
def test_the_same_seeds_give_the_same_draws(draw, given_seeds, count, inner):
    first = draw(given_seeds, (count, *inner))
    assert first.shape == (len(given_seeds), count, *inner)
    assert first.dtype == torch.float32
    assert torch.equal(first, draw(given_seeds, (count, *inner)))


@DRAWS
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**63 - 1), inner=INNER)
def test_the_first_five_of_ten_draws_are_the_five(draw, seed, inner):
    assert torch.equal(draw([seed], (10, *inner))[:, :5], draw([seed], (5, *inner)))


@DRAWS
@settings(max_examples=30, deadline=None)
@given(given_seeds=SEEDS, random=st.randoms(use_true_random=False))
def test_draws_do_not_depend_on_the_batch_or_its_order(draw, given_seeds, random):
    alone = {seed: draw([seed], (3, 2, 17))[0] for seed in given_seeds}
    order = random.sample(given_seeds, len(given_seeds))
    assert all(torch.equal(row, alone[seed]) for seed, row in zip(order, draw(order, (3, 2, 17))))


@DRAWS
def test_the_global_generator_is_untouched(draw):
    before = torch.get_rng_state()
    draw([1, 2], (3, 40))
    assert torch.equal(before, torch.get_rng_state())


@DRAWS
def test_the_global_generator_has_no_influence(draw):
    torch.manual_seed(1)
    first = draw([7], (2, 3))
    torch.manual_seed(2)
    assert torch.equal(first, draw([7], (2, 3)))


def test_draws_of_one_photograph_differ_from_each_other_and_from_another_s():
    draws = seeds.normal([1, 2], (3, 4)).reshape(6, 4)
    assert len({tuple(row.tolist()) for row in draws}) == 6


def test_draws_have_the_distribution_they_are_named_for():
    normal, uniform = seeds.normal(range(200), (2, 50)), seeds.uniform(range(200), (2, 50))
    assert abs(normal.mean()) < 0.03
    assert abs(normal.std() - 1) < 0.03
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 0.01


def test_a_derived_seed_is_the_documented_hash():
    digest = hashlib.sha256(b"0\x1fsample\x1fchurch\x1f00001\x1f0").hexdigest()
    assert seeds.derive(0, "sample", "church", "00001", 0) == int(digest[:16], 16) // 2


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.lists(st.integers(0, 99) | st.text("abc", max_size=3), max_size=4))
def test_a_derived_seed_fits_63_bits(base, purpose):
    assert 0 <= seeds.derive(base, *purpose) < 2**63


def test_any_difference_in_purpose_gives_another_seed():
    found = {
        seeds.derive(base, purpose, image, repeat)
        for base in range(3)
        for purpose in ("sample", "fit")
        for image in ("a", "b", "ab")
        for repeat in range(3)
    }
    assert len(found) == 3 * 2 * 3 * 3
    assert seeds.derive(1, "ab", "c") != seeds.derive(1, "a", "bc")


# What each use draws with, to the bit: other numbers would change all results


def recipe(base, *purpose):
    """The documented hash, by hand."""
    text = "\x1f".join(str(part) for part in (base, *purpose))
    return int(hashlib.sha256(text.encode()).hexdigest()[:16], 16) // 2


@pytest.fixture
def made(monkeypatch):
    """Seeds of the generators that are made."""
    found, real = [], seeds.generator
    monkeypatch.setattr(seeds, "generator", lambda seed: found.append(seed) or real(seed))
    return found


class Recorder:
    """A law, or a distribution, that remembers which seeds it is given."""

    def __init__(self):
        self.seen = []

    def sample(self, n, numbers=(0,)):
        self.seen.append(list(numbers))
        return torch.rand(len(numbers), n, 2, 64, 64)

    def reseeded(self, numbers):
        self.seen.append(list(numbers))
        return SimpleNamespace(
            sample=lambda n: SimpleNamespace(ab=torch.zeros(len(numbers), n, 2, 64, 64))
        )


def asked(name, n):
    """The seeds of the photographs, one list a time that a method is asked."""
    found = []

    class Given(Noise):
        def sample(self, n):
            found.append(list(self.seeds))
            return super().sample(n)

    asking(Given, name, n).answer()
    return found


SECRET = hashlib.sha256(bytes(4 * 2 * 64 * 64)).hexdigest()
"""Of the true colours of a photograph without any."""


@pytest.mark.parametrize(
    ("name", "n", "time", "purpose", "golden"),
    [
        ("present", 5, 0, ("set", "a", 0, SECRET), 5424007679430006127),
        ("draws", 4, 0, ("set", "a", 1, SECRET), 6663509733354347143),
        ("draws", 4, 3, ("set", "a", 4, SECRET), 4912328157335268667),
    ],
)
def test_the_seeds_that_a_method_is_asked_with(name, n, time, purpose, golden):
    assert asked(name, n)[time][0] == recipe(0, "sample", *purpose) == golden


def test_the_seed_that_chooses_the_draws_that_are_repeated(monkeypatch):
    found = []
    monkeypatch.setattr(
        "bench.engine.sampling._later", lambda number, n: found.append(number) or [1]
    )
    asking(Noise).answer()
    assert found == [recipe(0, "again", "a", "b", "c")] == [5669588464911895506]


def test_the_seed_of_a_fit():
    assert seeds.of_fit(3, "lfw", "mdn") == recipe(3, "fit", "lfw", "mdn") == 5456873704441752804


def test_the_seed_of_a_photograph_s_scores():
    prepared = SimpleNamespace(ids=("a", "b"), dataset="lfw", grey=lambda rows: None)
    context = HeldOut(prepared, None, None, 128.0).context([1])
    assert context.seeds == [recipe(0, "score", "lfw", "b")] == [81901553423617999]


def test_the_seed_of_one_s_own_photograph():
    found = []
    method = SimpleNamespace(predict=lambda grey, numbers: found.extend(numbers) or Noise(numbers))
    fitted = SimpleNamespace(protocol=make_paper(antialias=False), method=method)
    black = np.zeros((256, 256, 3), np.uint8)
    next(colorize._one(colorize.Photograph("x", "x.png", None), black, None, fitted, 1, 3))
    assert (
        found
        == [recipe(3, "colorize", hashlib.sha256(bytes(4 * 256 * 256)).hexdigest())]
        == [3433500781266298946]
    )


def test_the_seeds_of_ranks(made):
    fields = torch.zeros(1, 2, 2, 4, 4)
    context = ScoreContext(None, np.zeros(313), 128.0, None, [5], None)
    RankHistogram().score(SampleSet(fields, "iid", n_drawn=2), fields[:, 0], context)
    mean, distance = recipe(5, "mean"), recipe(5, "distance")
    wanted = [
        recipe(5, "ties"),
        recipe(5, "pixel", "a"),
        recipe(5, "pixel", "b"),
        recipe(mean, "ties"),
        recipe(distance, "ties"),
    ]
    assert made == wanted
    assert wanted == [
        8013137567958023178,
        2565985916894899398,
        5169548960663319781,
        5128787860624943946,
        6299427139114004699,
    ]


def test_the_seeds_of_the_law_s_draws_in_the_energy_distance():
    law = Recorder()
    fields, context = torch.zeros(1, 2, 2, 64, 64), ScoreContext(None, None, 128.0, None, [5], law)
    generalised_energy_distance.metric().score(
        SampleSet(fields, "iid", n_drawn=2), fields[:, 0], context
    )
    assert law.seen == [[recipe(5, "ged")]] == [[7217005483145864875]]


def test_the_numbers_of_a_drawn_scene():
    found = Dice("law-palette", 7).uniform(2, "down")
    assert (
        found
        == (recipe(0, "law-palette", "1", 7, 2, "down") + 0.5) / 2**63
        == (1964303908641286682 + 0.5) / 2**63
    )


def test_the_seed_of_a_training_step(monkeypatch):
    monkeypatch.setattr(training, "place", lambda: (1, 2))
    module = training._Module(SimpleNamespace(), training.Schedule(9, 0.1), 5, 2)
    module.start, module.objective = 3, lambda batch: {"loss": batch["x"].sum()}
    with training.seeded(0):
        module.training_step({"x": torch.ones(1, 1)}, 0)
        assert torch.initial_seed() == recipe(5, "step", 3, 1) == 8517553569176596030


@pytest.mark.parametrize(
    ("how", "purpose", "golden"),
    [
        ("mean-shift", "chance", 3597330323350536411),
        ("one-perfect", "garbage", 6234366461978508647),
        ("noise", "noise", 5184534353660972884),
        ("speckle", "speckle", 1309205704756122634),
    ],
)
def test_the_seeds_of_cheats(made, how, purpose, golden):
    law = Recorder()
    cheat_model.Tricks(law, torch.zeros(1, 2, 64, 64), [9], how).sample(1)
    assert law.seen == [[recipe(9, "many")]] == [[8363232058485355911]]
    assert made[0] == recipe(9, purpose) == golden


def test_the_seeds_of_cheats_that_draw_twice():
    law = Recorder()
    cheat_model.Tricks(law, torch.zeros(1, 2, 64, 64), [9], "halves").sample(1)
    assert law.seen[1:] == [[9], [recipe(9, "second")]] == [[9], [2398560362382053958]]


def test_the_seeds_of_the_conformance_kit(monkeypatch):
    law, given = Recorder(), Recorder()
    context = SimpleNamespace(law=law)
    ground = SimpleNamespace(
        test=SimpleNamespace(truth=lambda rows: torch.zeros(len(rows), 2, 64, 64))
    )
    subject = SimpleNamespace(
        session=SimpleNamespace(ground=ground),
        held=SimpleNamespace(context=lambda rows: context),
        spec=SimpleNamespace(needs={"law"}, least=1),
    )
    metric_subject.MetricSubject.shown(subject, "point", rows=[4])
    assert law.seen == [[recipe(7, "check", 4)]] == [[5141871853549732928]]
    draw_rules._draw(given, 2)
    assert given.seen == [[recipe(seed, "draw", 2) for seed in draw_rules.SEEDS]]
    assert given.seen[0][0] == 1647416155639382278
    repeated = []
    draw_rules._repeated(
        SimpleNamespace(distribution=lambda rows, numbers: repeated.extend(numbers)), {}
    )
    assert repeated == [recipe(i, "repetition") for i in range(draw_rules.REPEATS)]
    assert repeated[1] == 833026923835849526
    seen, real = [], np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda seed: seen.append(seed) or real(seed))
    toy.Photograph("00")
    assert seen == [recipe(0, "conformance-toy", "00")] == [6058771426744437395]
