"""Controls: grey, training photographs' colours, the mean and its noise, and what oracles are
shown."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, kstest
from torch.nn import functional

from bench.contracts import Law, Revealed
from bench.errors import BenchError
from bench.methods import controls
from bench.methods.controls_model import LawDistribution
from bench.methods.mean_model import Mean
from bench.store.local import Store

SPECS = {s.name: s for s in controls.bench_register_methods()}
LEARNT = ("grey", "mean", "mean-noise", "marginal", "knn")
ALL = (*LEARNT, "truth", "true-law")
OPTIONS = {"knn": {"neighbours": 6}}
SEEDS = [11, 12, 13, 14]
ROWS = slice(0, 4)


class Normal(Law):
    """Independent normal numbers around a field `(B, 2, 64, 64)`."""

    def __init__(self, middle):
        self.middle = middle

    def sample(self, n, seeds):
        rows = [
            torch.randn(n, 2, 64, 64, generator=torch.Generator().manual_seed(s)) for s in seeds
        ]
        return self.middle[:, None] + torch.stack(rows)

    def log_prob(self, ab):
        return (
            torch.distributions.Normal(self.middle[:, None].double(), 1)
            .log_prob(ab.double())
            .sum((2, 3, 4))
        )

    def distance(self, ab):
        raise NotImplementedError


class Controls:
    """Fitted controls, whose context has the store that the photographs were prepared in."""

    def __init__(self, house):
        self.house, self.fitted = house, {}

    def context(self, name):
        parts = {"mean": {"features": "squares"}, "mean-noise": {"mean": "mean"}}.get(name, {})
        squares = self.house.parts("cvae")["features"]
        made = {p: squares if v == "squares" else self.fit(v) for p, v in parts.items()}
        return replace(self.house.context(made), store=Store(self.house.folder / "store"))

    def make(self, name, **options):
        given = SPECS[name].resolve({**OPTIONS.get(name, {}), **options})
        return SPECS[name].load()(**given)

    def fit(self, name, **options):
        key = name, *sorted(options.items())
        if key not in self.fitted:
            method = self.make(name, **options)
            method.fit(self.house.train, self.context(name))
            self.fitted[key] = method
        return self.fitted[key]

    def ask(self, name, rows=ROWS, seeds=SEEDS, **options):
        """The distribution for some test photographs."""
        return self.answer(self.fit(name, **options), rows, seeds)

    def answer(self, method, rows=ROWS, seeds=SEEDS):
        test = self.house.test
        if not SPECS_BY_CLASS[type(method).__name__].sees:
            return method.predict(test.grey(rows), seeds)
        truth = test.truth(rows)
        return method.reveal(Revealed(test.grey(rows), truth, Normal(truth)), seeds)


SPECS_BY_CLASS = {s.factory.split(":")[1]: s for s in SPECS.values()}


@pytest.fixture(scope="module")
def made(house):
    return Controls(house)


@pytest.mark.parametrize("name", ALL)
def test_what_a_control_presents_and_draws(made, name):
    distribution, spec = made.ask(name), SPECS[name]
    shown, drawn = distribution.present(3), distribution.sample(3)
    assert spec.role == "control"
    assert shown.kind == spec.present_kind
    assert shown.ab.shape == (4, 1 if shown.kind == "point" else 3, 2, 64, 64)
    assert (drawn.kind, drawn.ab.shape, drawn.n_drawn) == ("iid", (4, 3, 2, 64, 64), 3)
    for found in (shown, drawn):
        assert found.ab.dtype == torch.float32
        assert torch.isfinite(found.ab).all()


@pytest.mark.parametrize("name", ALL)
def test_draws_one_at_a_time_in_any_order(made, name):
    def draws(order):
        distribution = made.ask(name)
        return {j: distribution.reseeded([s + 100 * j for s in SEEDS]).sample(1).ab for j in order}

    forward, backward = draws([0, 1, 2]), draws([2, 0, 1, 2])
    assert all(torch.equal(forward[j], backward[j]) for j in forward)
    assert torch.equal(made.ask(name).reseeded(SEEDS).sample(1).ab, made.ask(name).sample(1).ab)
    if name not in ("grey", "mean", "truth"):
        assert not torch.equal(forward[0], forward[1])


@pytest.mark.parametrize("name", ALL)
def test_the_first_five_of_ten_are_the_five(made, name):
    distribution = made.ask(name)
    assert torch.equal(distribution.sample(10).ab[:, :5], distribution.sample(5).ab)


@pytest.mark.parametrize("name", ALL)
def test_a_photograph_does_not_depend_on_its_neighbours(made, name):
    whole = made.ask(name)
    for i in range(4):
        alone = made.ask(name, [i], [SEEDS[i]])
        torch.testing.assert_close(alone.sample(2).ab[0], whole.sample(2).ab[i], atol=1e-4, rtol=0)
        torch.testing.assert_close(
            alone.present(2).ab[0], whole.present(2).ab[i], atol=1e-4, rtol=0
        )


@pytest.mark.parametrize("name", ALL)
def test_loading_gives_the_same_bits(made, name, tmp_path):
    method, again = made.fit(name), made.make(name)
    method.save(tmp_path)
    assert {p.suffix for p in tmp_path.iterdir()} <= {".json", ".safetensors"}
    again.load(tmp_path, made.context(name))
    for one, other in zip(
        *((d.sample(3), d.present(3)) for d in (made.answer(method), made.answer(again)))
    ):
        assert torch.equal(one.ab, other.ab)


def test_a_fit_with_training_fields_does_not_copy_them(made, tmp_path):
    made.fit("knn").save(tmp_path)
    size = sum(p.stat().st_size for p in tmp_path.iterdir())
    assert size < 2000 + 36 * 16 * 16 * 4
    other = Store(tmp_path / "other")
    with pytest.raises(BenchError, match="not in the store"):
        made.make("knn").load(tmp_path, replace(made.context("knn"), store=other))


def test_grey_has_no_colour(made):
    assert not made.ask("grey").sample(2).ab.any()


# mean (more in test_mean.py) and its noise


def test_the_deviation_is_that_of_the_residuals(made, house):
    method = made.fit("mean")
    residual = (
        house.train.truth(slice(None))
        - method.predict(house.train.grey(slice(None)), [0] * 36).mean()
    )
    torch.testing.assert_close(
        method.deviation, residual.square().mean((0, 2, 3)).sqrt(), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("scale", [0.0, 0.5, 2.0])
def test_the_noise_is_normal_white_and_of_the_residuals_deviation(made, scale):
    distribution = made.ask("mean-noise", scale=scale)
    noise = distribution.sample(20).ab - made.ask("mean").mean()[:, None]
    wanted = scale * made.fit("mean").deviation
    torch.testing.assert_close(
        noise.square().mean((0, 1, 3, 4)).sqrt(), wanted, rtol=0.02, atol=1e-6
    )
    assert torch.equal(distribution.mean(), made.ask("mean").mean())
    if scale:
        standard = (noise / wanted[:, None, None]).numpy()
        assert kstest(standard[0].ravel()[:5000], "norm").pvalue > 1e-3
        assert abs(np.corrcoef(standard[..., 1:].ravel(), standard[..., :-1].ravel())[0, 1]) < 0.01
        assert abs(np.corrcoef(standard[:, 1:].ravel(), standard[:, :-1].ravel())[0, 1]) < 0.01


def test_what_can_not_be_a_mean_is_refused_in_one_line(made, house):
    with pytest.raises(BenchError, match="parameter mean: Grey has no residuals; take mean"):
        made.make("mean-noise").fit(house.train, house.context({"mean": made.fit("grey")}))
    with pytest.raises(BenchError, match="parameter features: Grey offers no features; take zhang"):
        Mean(features="grey").fit(house.train, house.context({"features": made.fit("grey")}))


# marginal and knn


def places(fields, train):
    """Which training photograph each field `(..., 2, 64, 64)` is of."""
    where = {field.tobytes(): i for i, field in enumerate(train.ab)}
    return np.array([where[f.tobytes()] for f in fields.reshape(-1, 2, 64, 64).numpy()]).reshape(
        fields.shape[:-3]
    )


def test_the_marginal_is_uniform_over_the_training_photographs(made, house):
    counts = np.zeros(36)
    found = made.ask("marginal", [0, 1], [3, 4])
    for rows in places(found.sample(720).ab, house.train):
        counts += np.bincount(rows, minlength=36)
        assert chisquare(np.bincount(rows, minlength=36)).pvalue > 1e-3
    assert chisquare(counts).pvalue > 1e-3


def test_the_marginal_has_the_train_splits_pooled_colours(made, house):
    drawn = made.ask("marginal", [0], [5]).sample(500).ab[0]
    for channel in (0, 1):
        values, truth = (
            drawn[:, channel].flatten(),
            house.train.truth(slice(None))[:, channel].flatten(),
        )
        levels = torch.linspace(0.1, 0.9, 5)
        found = torch.from_numpy(np.quantile(values.numpy(), levels.numpy()))
        wanted = torch.from_numpy(np.quantile(truth.numpy(), levels.numpy()))
        assert (found - wanted).abs().max() < 0.15 * float(truth.std())


def test_the_marginal_does_not_look_at_the_photograph(made, house):
    method = made.fit("marginal")
    one, other = (method.predict(house.test.grey([row]), [7]).sample(5).ab for row in (0, 1))
    assert torch.equal(one, other)


def test_neighbours_are_the_nearest_in_grey(made, house):
    found = places(made.ask("knn").present(6).ab, house.train)
    small = [
        functional.avg_pool2d(s.grey(slice(None)), 16).flatten(1).double()
        for s in (house.test, house.train)
    ]
    for i in range(4):
        distance = [float((small[0][i] - one).norm()) for one in small[1]]
        assert found[i].tolist() == sorted(range(36), key=distance.__getitem__)[:6]
    assert (places(made.ask("knn").present(2).ab, house.train) == found[:, :2]).all()


def test_draws_of_knn_are_any_of_the_neighbours_alike(made, house):
    distribution = made.ask("knn", [0], [8])
    nearest = places(distribution.present(6).ab, house.train)[0]
    drawn = places(distribution.sample(600).ab, house.train)[0]
    counts = [int((drawn == row).sum()) for row in nearest]
    assert sum(counts) == 600
    assert chisquare(counts).pvalue > 1e-3


def test_too_many_or_too_few_neighbours_are_refused(made, house):
    assert made.make("knn", neighbours=36).incompatible("x", 36) is None
    assert "37 neighbours among 36" in made.make("knn", neighbours=37).incompatible("x", 36)
    with pytest.raises(BenchError, match="knn has 6 neighbours and can't present 7"):
        made.ask("knn").present(7)


# oracles


def test_truth_is_the_truth(made, house):
    found = made.ask("truth")
    assert torch.equal(found.present(5).ab[:, 0], house.test.truth(ROWS))
    assert torch.equal(found.sample(2).ab[:, 1], house.test.truth(ROWS))


def test_the_true_law_draws_and_weighs_as_the_law_does(house):
    truth = house.test.truth(ROWS)
    law = Normal(truth)
    found = LawDistribution(law, SEEDS)
    assert torch.equal(found.sample(3).ab, law.sample(3, SEEDS))
    expected = [
        float(torch.distributions.Normal(t.double(), 1).log_prob(t.double() + 1).sum())
        for t in truth
    ]
    np.testing.assert_allclose(found.log_prob(truth + 1), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["truth", "true-law"])
def test_an_oracle_that_is_shown_nothing_says_so(made, house, name):
    method = made.fit(name)
    with pytest.raises(BenchError, match="ask `reveal`"):
        method.predict(house.test.grey(ROWS), SEEDS)
    with pytest.raises(BenchError, match="must be shown"):
        method.reveal(Revealed(house.test.grey(ROWS)), SEEDS)


@pytest.mark.parametrize("name", LEARNT)
def test_other_controls_are_shown_nothing(made, house, name):
    assert not SPECS[name].sees
    with pytest.raises(BenchError, match="shown nothing but the grey photograph"):
        made.fit(name).reveal(Revealed(house.test.grey(ROWS), house.test.truth(ROWS)), SEEDS)
