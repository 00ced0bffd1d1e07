"""Methods fitted for a few steps: saved, loaded, fitted again, and made to fail. What holds for
every method is checked by the conformance kit (`tests/conformance`)."""

import numpy as np
import pytest
import torch

from bench.errors import BenchError
from bench.methods import cvae_model, mdn_model, vae_model, zhang_model

NAMES = ("zhang", "vae", "mdn", "cvae")
MODELS = {"zhang": zhang_model, "vae": vae_model, "mdn": mdn_model, "cvae": cvae_model}
SEEDS = [11, 12, 13, 14]


def ask(method, house, rows=slice(0, 4), seeds=SEEDS, k=3):
    if isinstance(method, vae_model.Vae):
        return method.reconstruct(house.test.truth(rows), seeds)
    return method.predict(house.test.grey(rows), seeds).present(k)


def same(one, other):
    return torch.equal(one.ab, other.ab) and (
        one.weights is None or torch.equal(one.weights, other.weights)
    )


def state(method):
    return method.network.state_dict()


@pytest.mark.parametrize("name", ["zhang", "mdn", "cvae"])
def test_photographs_get_their_own_colours(house, name):
    found = ask(house.fit(name), house).ab
    assert (found[0] - found[1]).abs().max() > 1e-3
    assert (found[0, 0] - found[0, 1]).abs().max() > 1e-2


@pytest.mark.parametrize("name", NAMES)
def test_loading_gives_the_same_bits(house, name, tmp_path):
    method = house.fit(name)
    method.save(tmp_path)
    assert {p.suffix for p in tmp_path.iterdir()} == {".json", ".safetensors"}
    again = house.make(name)
    again.load(tmp_path, house.context(house.parts(name)))
    assert same(ask(again, house), ask(method, house))
    assert state(again).keys() == state(method).keys()


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_gives_one_fit(house, name):
    method, again = house.fit(name), house.fit_again(name)
    for key, value in state(method).items():
        assert torch.equal(value, state(again)[key]), key
    other = house.fit_again(name, house.context(house.parts(name), seed=6))
    assert any(not torch.equal(value, state(other)[key]) for key, value in state(method).items())


@pytest.mark.parametrize("name", NAMES)
def test_a_fit_does_not_depend_on_the_random_state_around_it(house, name):
    with torch.random.fork_rng():
        torch.manual_seed(99)
        again = house.fit_again(name)
    for key, value in state(house.fit(name)).items():
        assert torch.equal(value, state(again)[key]), key


@pytest.mark.parametrize("name", NAMES)
def test_a_loss_that_is_not_finite_is_an_error(house, name, monkeypatch):
    house.parts(name)
    objective = MODELS[name]._Objective
    real = objective.forward
    monkeypatch.setattr(
        objective, "forward", lambda self, batch: {"loss": real(self, batch)["loss"] * float("nan")}
    )
    with pytest.raises(BenchError, match="loss became nan at step 0: lower `rate`"):
        house.fit_again(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_rate_that_is_far_too_high_is_an_error(house, name):
    with pytest.raises(BenchError, match=r"the training loss became (nan|inf)"):
        house.fit_again(name, rate=1e30)


@pytest.mark.parametrize("name", NAMES)
def test_one_step_that_ruins_the_network_is_an_error(house, name):
    with pytest.raises(BenchError, match="held-out"):
        house.fit_again(name, rate=1e30, steps=1)


@pytest.mark.parametrize("name", NAMES)
def test_a_held_out_loss_that_is_never_finite_is_an_error(house, name, monkeypatch):
    house.parts(name)
    objective = MODELS[name]._Objective
    real = objective.forward

    def forward(self, batch):
        return {"loss": real(self, batch)["loss"] * (1 if self.training else float("nan"))}

    monkeypatch.setattr(objective, "forward", forward)
    with pytest.raises(BenchError, match="held-out"):
        house.fit_again(name)


@pytest.mark.parametrize("name", NAMES)
def test_notes_tell_how_the_fit_went(house, name):
    context = house.context(house.parts(name))
    house.fit_again(name, context)
    assert context.notes["steps"] == 8
    assert np.isfinite(context.notes["best_held_out_loss"])
    assert np.isfinite(context.notes["last_train_loss"])
    expected = {
        "vae": {"d", "kl_weight", "active_dimensions"},
        "cvae": {"kl_weight", "active_dimensions"},
        "mdn": {"components_in_use", "residual_variance"},
        "zhang": set(),
    }
    assert expected[name] <= context.notes.keys()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vae", {"loss": "l2", "d": 5, "kl": "auto"}),
        ("vae", {"loss": "mah", "norm": "root"}),
        ("vae", {"norm": "root", "mix": 0.5, "weight_scale": "raw"}),
        ("mdn", {"sigma2": "fit", "loss": "exact", "start": "random"}),
        ("cvae", {"loss": "l2", "kl": 1e-4, "d": 3}),
        ("zhang", {"mirror": False, "rebalance": 0.0, "temperature": 0.5}),
    ],
)
def test_declared_choices_are_trained_and_loaded(house, name, options, tmp_path):
    method = house.fit_again(name, **options)
    method.save(tmp_path)
    again = house.make(name, **options)
    again.load(tmp_path, house.context(house.parts(name)))
    assert same(ask(again, house), ask(method, house))


def test_the_fitted_variance_is_that_of_the_residuals(house):
    method = house.fit_again("mdn", sigma2="fit")
    variance = method.network.variance
    assert variance.shape == (64,)
    assert variance.std() > 0
    mean, _ = method.codec.encode(house.train.truth(slice(None)))
    grey = house.train.grey(slice(None))
    with torch.inference_mode():
        means, _ = method.network(method.extractor.features(grey))
    nearest = (means - mean[:, None]).square().sum(2).argmin(1)
    residual = mean - means[torch.arange(len(mean)), nearest]
    torch.testing.assert_close(variance, residual.square().mean(0) + 1e-6, rtol=0.02, atol=1e-4)


def test_a_cold_zhang_draws_and_means_its_mode(house):
    cold = house.make("zhang", temperature=1e-3, mean_temperature=1.0)
    colder = house.make("zhang", temperature=1.0, mean_temperature=1e-3)
    for method in (cold, colder):
        method.network, method.precision = house.fit("zhang").network, "float32"
    cold, colder = (m.predict(house.test.grey(slice(0, 1)), [1]) for m in (cold, colder))
    assert (
        float((cold.sample(1).ab[:, 0] == cold.mode()).float().mean()) > 0.95
    )  # ties of the upsampling aside
    assert float((colder.mean() - cold.mode()).abs().lt(1).float().mean()) > 0.95
    assert float((colder.sample(1).ab[:, 0] == cold.mode()).float().mean()) < 0.3
    assert float((cold.mean() - cold.mode()).abs().lt(1).float().mean()) < 0.3


def test_a_reconstruction_is_a_decoded_draw_of_the_posterior(house, monkeypatch):
    method, truth = house.fit("vae"), house.train.truth(slice(0, 30))
    mean, deviation = method.encode(truth)
    monkeypatch.setattr(method, "decode", lambda code: code.reshape(-1, 2, 4, 8))
    drawn = (method.reconstruct(truth, range(30)).ab.flatten(1) - mean) / deviation
    assert float(drawn.mean()) == pytest.approx(0, abs=0.07)
    assert float(drawn.std()) == pytest.approx(1, abs=0.05)
    assert abs(np.corrcoef(drawn[0], drawn[1])[0, 1]) < 0.4


def test_the_codec_encodes_and_decodes_in_units_of_ab(house):
    method, truth = house.fit("vae"), house.train.truth(slice(0, 5))
    mean, deviation = method.encode(truth)
    with torch.inference_mode():
        expected, log_variance = method.network.encoder(truth / 128)
        field = method.network.decoder(expected) * 128
    torch.testing.assert_close(mean, expected)
    torch.testing.assert_close(deviation.square(), log_variance.exp())
    torch.testing.assert_close(method.decode(mean), field, rtol=1e-3, atol=1e-2)


def test_what_a_method_can_not_do_is_one_line(house):
    with pytest.raises(BenchError, match="vae does not colourize"):
        house.fit("vae").predict(house.test.grey(slice(0, 1)), [1])
    with pytest.raises(BenchError, match="Vae offers no features; take zhang"):
        house.fit_again("cvae", house.context({"features": house.fit("vae")}))
    with pytest.raises(BenchError, match="Zhang does not encode and decode; take vae"):
        house.fit_again(
            "mdn", house.context({"features": house.fit("zhang"), "vae": house.fit("zhang")})
        )


@pytest.mark.parametrize(
    ("name", "few", "enough"), [("zhang", 3, 4), ("vae", 20, 21), ("cvae", 20, 21), ("mdn", 5, 6)]
)
def test_too_few_photographs_are_told_before_the_fit(house, name, few, enough):
    method = house.make(name)
    assert method.incompatible("x", enough) is None
    assert "at least" in method.incompatible("x", few) or "too few" in method.incompatible("x", few)


@pytest.mark.parametrize("name", ["mdn", "cvae"])
def test_features_of_zhang_are_stored_once(house, name):
    parts = house.parts(name) | {"features": house.fit("zhang")}
    context = house.context(parts)
    method = house.fit_again(name, context)
    house.fit_again(name, context)
    (mark,) = context.store.all("features")
    stored = np.load(context.store.path("features", mark.key) / "features.npy")
    assert stored.shape == (len(house.train), 64, 7, 7)
    direct = parts["features"].features(house.train.grey([0, 5]))
    np.testing.assert_allclose(stored[[0, 5]], direct, atol=2e-3, rtol=2e-3)
    assert torch.isfinite(ask(method, house).ab).all()


def test_the_papers_preset_trains(house):
    method = house.fit_again("vae", preset="paper", steps=2, batch=2)
    assert ask(method, house).ab.shape == (4, 1, 2, 64, 64)
