"""What is minimised: every objective against plain loops, what the networks are shown, and that
they learn it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from bench.contracts.colour_weights import bin_centres
from bench.methods import cvae_model, mdn_model, vae_model, zhang_model
from bench.methods.nets.losses import DecoderLoss, LossChoice, fit_loss
from bench.methods.zhang_model import rebalancing, soft_prior

L2 = LossChoice("l2", "squared", 0.1, 1e-3, 0.0, "mean")
ALL = slice(None)


def numbers(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Told(nn.Module):
    """A network whose outputs are given."""

    def __init__(self, out):
        super().__init__()
        self.out = out

    def forward(self, *_):
        return self.out


def in_training(objective, batch, seed=0):
    """The loss with random numbers of its own."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return float(objective.train()(batch)["loss"])


def test_zhangs_loss_by_a_loop():
    """Of every fourth pixel: the cross-entropy with its soft encoding, weighted by its nearest bin."""
    rng = np.random.default_rng(0)
    logits, factor = 2 * numbers(0, 2, 313, 3, 3), rng.uniform(0.2, 5, 313)
    ab = rng.uniform(-70, 70, (2, 2, 12, 12)).astype(np.float32)
    objective = zhang_model._Objective(Told(logits), factor, mirror=False)
    found = objective({"grey": torch.zeros(2, 1, 12, 12), "ab": torch.from_numpy(ab)})["loss"]
    centres, total = bin_centres().astype(float), 0.0
    for i, y, x in np.ndindex(2, 3, 3):
        squares = np.square(centres - ab[i, :, 4 * y, 4 * x]).sum(1)
        nearest = np.argsort(squares)[:10]
        share = np.exp(-squares[nearest] / (2 * 5.0**2))
        raised = np.exp(logits[i, :, y, x].double().numpy())
        likelihood = np.log(raised[nearest] / raised.sum())
        total -= factor[nearest[0]] * (share / share.sum() * likelihood).sum()
    assert float(found) == pytest.approx(total / 18, rel=1e-4)


class Reading(nn.Module):
    """Logits that are sure of the bin whose number is the lightness; it remembers what it saw."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, grey):
        self.seen.append(grey[0, 0].tolist())
        return 50 * nn.functional.one_hot(grey[:, 0].long(), 313).permute(0, 3, 1, 2).float()


@pytest.mark.parametrize("mirror", [True, False])
def test_zhang_sees_photographs_and_colours_mirrored_together(mirror):
    grey = torch.tensor([[[[3.0, 100.0, 200.0, 301.0]]]])
    batch = {
        "grey": grey,
        "ab": torch.from_numpy(bin_centres())[grey[:, 0].long()].permute(0, 3, 1, 2),
    }
    objective = zhang_model._Objective(Reading(), np.ones(313), mirror)
    right = float(objective.eval()(batch)["loss"])
    assert [in_training(objective, batch, seed) for seed in range(20)] == [
        pytest.approx(right)
    ] * 20
    mirrored = sum(seen != grey[0, 0].tolist() for seen in objective.network.seen)
    assert 4 < mirrored < 16 if mirror else mirrored == 0
    assert right < float(objective.eval()({"grey": grey.flip(-1), "ab": batch["ab"]})["loss"])


@pytest.mark.parametrize("loss", ["min", "exact"])
def test_the_mixtures_loss_by_loops(loss):
    out, code, variance = numbers(0, 7, 3 * 2 + 3), numbers(1, 7, 2), 0.3
    objective = mdn_model._Objective(mdn_model._Network(Told(out), 3, 2, variance), loss).eval()
    found = objective({"features": code, "mean": code, "deviation": torch.ones(7, 2)})["loss"]
    total = 0.0
    for numbers_out, z in zip(out.double().numpy(), code.double().numpy()):
        means, weights = (
            numbers_out[:6].reshape(3, 2),
            np.exp(numbers_out[6:]) / np.exp(numbers_out[6:]).sum(),
        )
        squares = np.square(z - means).sum(1)
        if loss == "exact":
            total -= np.log(
                (weights * np.exp(-squares / (2 * variance)) / (2 * np.pi * variance)).sum()
            )
        else:
            total += squares.min() / (2 * variance) - np.log(weights[squares.argmin()])
    assert float(found) == pytest.approx(total / 7, rel=1e-5)


def test_the_mixture_learns_from_draws_of_the_posterior():
    """With one component at the posterior's mean, the loss is the posterior's variance over twice
    the component's."""
    mean, deviation = (
        numbers(0, 1, 4).expand(3000, 4),
        torch.tensor([0.1, 0.5, 1.0, 2.0]).expand(3000, 4),
    )
    out = torch.cat([mean, torch.zeros(3000, 1)], dim=1)
    objective = mdn_model._Objective(mdn_model._Network(Told(out), 1, 4, 0.1), "min")
    batch = {"features": mean, "mean": mean, "deviation": deviation}
    assert in_training(objective, batch) == pytest.approx(
        float(deviation[0].square().sum()) / 0.2, rel=0.05
    )
    assert float(objective.eval()(batch)["loss"]) == 0


CODES = (numbers(0, 5, 8), 0.5 * numbers(1, 5, 8))
"""Means and log variances of five posteriors."""


def vae_objective(posterior, kl):
    """Codes are fields; the encoder is given."""
    network = SimpleNamespace(
        encoder=lambda _: posterior, decoder=lambda code: code.reshape(-1, 2, 2, 2)
    )
    return vae_model._Objective(network, DecoderLoss(L2, None, None), kl)


def cvae_objective(posterior, kl):
    """The same; the grey code is a tenth of the features, and is added to the decoder's code."""
    network = SimpleNamespace(
        trunk=lambda features: features / 10,
        encode=lambda _, grey_code: (posterior[0] + grey_code, posterior[1]),
        decode=lambda code, grey_code: (code + grey_code).reshape(-1, 2, 2, 2),
    )
    return cvae_model._Objective(network, DecoderLoss(L2, None, None), kl)


@pytest.mark.parametrize(("made", "features"), [(vae_objective, 0.0), (cvae_objective, 3.0)])
def test_an_autoencoders_loss_by_loops(made, features):
    """The squared error of the decoded mean, and the weighted divergence; fields are ab / 128."""
    ab = 128 * numbers(2, 5, 2, 2, 2)
    found = made(CODES, 0.7).eval()({"ab": ab, "features": torch.full((5, 8), features)})["loss"]
    total = 0.0
    for truth, mean, log_variance in zip(
        ab.flatten(1).double().numpy() / 128, *(c.double().numpy() for c in CODES)
    ):
        mean = mean + features / 10
        total += sum((t - (m + features / 10)) ** 2 for t, m in zip(truth, mean))
        total += 0.7 * sum((m**2 + np.exp(v) - v - 1) / 2 for m, v in zip(mean, log_variance))
    assert float(found) == pytest.approx(total / 5, rel=1e-5)


@pytest.mark.parametrize("made", [vae_objective, cvae_objective])
def test_an_autoencoder_decodes_a_draw_in_training(made):
    """Of a posterior around the truth: the squared error is its variance. The weight that is found
    is twice that per number."""
    deviation = torch.linspace(0.1, 2, 8)
    objective = made((torch.zeros(4000, 8), 2 * deviation.log().expand(4000, 8)), "auto")
    in_training(objective, {"ab": torch.zeros(4000, 2, 2, 2), "features": torch.zeros(4000, 8)})
    assert objective.balance.weight == pytest.approx(
        2 * float(deviation.square().sum()) / 8, rel=0.05
    )


class Caught(Exception):
    """Where a training would begin."""


@pytest.fixture
def begun(house, monkeypatch):
    """`begun(name, model, ...)`: the method, what would be trained, the batches that it would get,
    and the schedule."""

    def begin(name, model, parts=None, **options):
        def stop(objective, fetch, count, schedule, *_):
            caught.extend((objective, fetch, schedule))
            raise Caught

        caught = []
        monkeypatch.setattr(model, "train", stop)
        method = house.make(name, **options)
        with pytest.raises(Caught):
            method.fit(house.train, house.context(house.parts(name) if parts is None else parts))
        return method, *caught

    return begin


ROWS = np.array([3, 8, 20])


def test_zhang_is_shown_photographs_with_their_colours(house, begun):
    _, objective, fetch, schedule = begun("zhang", zhang_model, rebalance=0.2, mirror=False)
    batch = fetch(ROWS)
    assert torch.equal(batch["ab"], house.train.truth(ROWS))
    torch.testing.assert_close(
        batch["grey"].mean((1, 2, 3)), house.train.grey(ROWS).mean((1, 2, 3)), rtol=1e-3, atol=0
    )
    np.testing.assert_allclose(
        objective.factor, rebalancing(soft_prior(house.train, 5), 0.2), rtol=1e-6
    )
    assert not objective.mirror
    assert (schedule.steps, schedule.rate, schedule.betas, schedule.weight_decay) == (
        8,
        1e-3,
        (0.9, 0.99),
        1e-3,
    )


def test_the_cvae_is_shown_features_with_their_colours(house, begun):
    method, objective, fetch, schedule = begun("cvae", cvae_model, kl=0.3, rate=0.02, batch=9)
    batch = fetch(ROWS)
    assert torch.equal(batch["ab"], house.train.truth(ROWS))
    torch.testing.assert_close(
        batch["features"], method.extractor.features(house.train.grey(ROWS)), rtol=1e-3, atol=1e-3
    )
    assert objective.balance.weight == pytest.approx(0.3)
    assert (schedule.steps, schedule.rate, schedule.batch) == (8, 0.02, 9)


class Averages:
    """A codec that knows a field's mean colours, and how sure it is."""

    d = 2

    def encode(self, ab):
        mean = ab.mean((2, 3)) / 10
        return mean, 0.05 + 0.01 * mean.abs()

    def decode(self, code):
        return 10 * code[:, :, None, None].expand(-1, -1, 64, 64)


@pytest.fixture(scope="module")
def averages(house):
    return {"features": house.parts("mdn")["features"], "vae": Averages()}


def test_the_mixture_is_shown_features_with_their_codes(house, begun, averages):
    _, objective, fetch, schedule = begun("mdn", mdn_model, averages, loss="exact", sigma2=0.2)
    batch, (mean, deviation) = fetch(ROWS), Averages().encode(house.train.truth(ROWS))
    torch.testing.assert_close(batch["mean"], mean)
    torch.testing.assert_close(batch["deviation"], deviation)
    torch.testing.assert_close(
        batch["features"],
        averages["features"].features(house.train.grey(ROWS)),
        rtol=1e-3,
        atol=1e-3,
    )
    assert objective.exact
    assert objective.network.variance.tolist() == pytest.approx([0.2, 0.2])
    assert (schedule.steps, schedule.rate) == (8, 5e-4)


class Thirds(Averages):
    """Codes of three kinds."""

    CENTRES = ((-6.0, 1.0), (0.0, -4.0), (5.0, 5.0))

    def encode(self, ab):
        kind = (1000 * ab.mean((1, 2, 3)).abs()).long() % 3
        return torch.tensor(self.CENTRES)[kind], torch.full((len(ab), 2), 0.05)


def test_a_mixture_starts_at_the_centres_of_the_codes_or_anywhere(house, begun, averages):
    """From there the means spread a tenth as far as they would by chance."""
    parts = averages | {"vae": Thirds()}
    kmeans, chance = (
        begun("mdn", mdn_model, parts, components=3, start=s)[0].network.trunk.last
        for s in ("kmeans", "random")
    )
    assert sorted(kmeans.bias[:6].reshape(3, 2).tolist()) == [
        pytest.approx(c) for c in Thirds.CENTRES
    ]
    assert torch.equal(kmeans.bias[6:], chance.bias[6:])
    torch.testing.assert_close(kmeans.weight, 0.1 * chance.weight)
    assert chance.bias.abs().max() < 1


def untrained(house, name, parts=None, **options):
    """As it was before the first step."""
    return house.fit_again(
        name, house.context(parts or house.parts(name)), steps=1, rate=0.0, dropout=0.0, **options
    )


def test_zhang_comes_nearer_to_the_colours(house):
    """In nats a pixel, of which a uniform law has -5.75; norms of the photographs at hand, since
    running averages take longer."""
    some = slice(0, 12)

    def likelihood(method):
        method.network.train()
        return (
            float(
                method.predict(house.train.grey(some), range(12))
                .log_prob(house.train.truth(some))
                .mean()
            )
            / 64**2
        )

    before, after = (
        untrained(house, "zhang"),
        house.fit_again("zhang", batch=12, rate=3e-3, rebalance=1.0),
    )
    assert -5.9 < likelihood(before) < -5.6
    assert likelihood(after) > likelihood(before) + 0.05


@pytest.mark.parametrize("loss", ["min", "exact"])
def test_the_mixture_comes_nearer_to_the_codes(house, averages, loss):
    def likelihood(method):
        return float(
            method.predict(house.train.grey(ALL), range(len(house.train)))
            .log_prob(house.train.truth(ALL))
            .mean()
        )

    given = {"loss": loss, "start": "random", "sigma2": 1.0}
    before = untrained(house, "mdn", averages, **given)
    after = house.fit_again("mdn", house.context(averages), steps=24, batch=8, rate=3e-3, **given)
    assert likelihood(after) > likelihood(before) + 0.2


def reconstructed(method, house):
    """The training fields, encoded and decoded without noise; norms of the photographs at hand."""
    network, truth = method.network.train(), house.train.truth(ALL) / 128
    with torch.inference_mode():
        if isinstance(method, vae_model.Vae):
            return network.decoder(network.encoder(truth)[0])
        grey_code = network.trunk(method.extractor.features(house.train.grey(ALL)))
        return network.decode(network.encode(truth, grey_code)[0], grey_code)


@pytest.fixture(scope="module")
def begin(house):
    """What the untrained networks make of the training fields."""
    return {name: reconstructed(untrained(house, name), house) for name in ("vae", "cvae")}


CHOICES = [
    ("vae", "l2", "squared"),
    ("vae", "mah", "squared"),
    ("vae", "full", "squared"),
    ("vae", "full", "root"),
    ("cvae", "l2", "squared"),
    ("cvae", "full", "root"),
]


@pytest.mark.parametrize(("name", "loss", "norm"), CHOICES)
def test_autoencoders_come_nearer_to_the_fields(house, begin, name, loss, norm):
    measure = fit_loss(
        LossChoice(loss, norm, 0.1, 1e-3, 0.0, "mean"), house.train, house.colours, 5
    )
    after = reconstructed(house.fit_again(name, dropout=0.0, loss=loss, norm=norm), house)
    before, after = (
        float(measure(field, house.train.truth(ALL) / 128).mean()) for field in (begin[name], after)
    )
    assert after < 0.8 * before
