"""Coherent draws: Zhang's marginals exactly, through a smooth field; and zhang's own log
probability and draws."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, kstest, norm

from bench.contracts.colour_weights import bin_centres
from bench.errors import BenchError
from bench.methods import zhang, zhang_coherent
from bench.methods.zhang_coherent_model import CoherentDistribution, bin_order, smooth
from bench.methods.zhang_model import PixelDistribution

(SPEC,) = zhang_coherent.bench_register_methods()
SEEDS = [11, 12, 13, 14]
ROWS = slice(0, 4)


def logits(seed, *shape, spread=2.0):
    return spread * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def pixels(values, seeds=(1,), temperature=1.0):
    return PixelDistribution(values, seeds, temperature, 0.38)


def coherent(values, seeds=(1,), temperature=1.0, length=8.0):
    return CoherentDistribution(pixels(values, seeds, temperature), length, seeds)


def bins(fields):
    """Indices of the drawn colours `(...)` of fields `(..., 2)`."""
    where = {tuple(c): i for i, c in enumerate(bin_centres().tolist())}
    return np.array([where[tuple(c)] for c in fields.reshape(-1, 2).tolist()])


def neighbours(ab):
    """Correlation of neighbouring pixels, all fields together, mean over a and b."""
    a = ab.transpose(0, -3).flatten(1, -3).numpy()
    return np.mean([np.corrcoef(c[..., 1:].ravel(), c[..., :-1].ravel())[0, 1] for c in a])


def make(**options):
    return SPEC.load()(**SPEC.resolve(options))


@pytest.fixture(scope="module")
def method(house):
    made = make()
    made.fit(house.train, house.context({"zhang": house.fit("zhang")}))
    return made


def ask(method, house, rows=ROWS, seeds=SEEDS):
    return method.predict(house.test.grey(rows), seeds)


def test_what_it_presents_and_draws(method, house):
    found = ask(method, house)
    for drawn in (found.present(3), found.sample(3)):
        assert (drawn.kind, drawn.ab.shape, drawn.ab.dtype, drawn.n_drawn) == (
            "iid",
            (4, 3, 2, 64, 64),
            torch.float32,
            3,
        )
    part = house.fit("zhang").predict(house.test.grey(ROWS), SEEDS)
    assert torch.equal(found.mean(), part.mean())
    assert torch.equal(found.mode(), part.mode())
    with pytest.raises(BenchError, match="has no density"):
        found.log_prob(house.test.truth(ROWS))
    assert SPEC.role == "control"
    assert not SPEC.density


@pytest.mark.parametrize("name", ["zhang", "zhang-coherent"])
def test_draws_one_at_a_time_in_any_order(method, house, name):
    asked = method if name == "zhang-coherent" else house.fit("zhang")

    def draws(order):
        distribution = ask(asked, house)
        return {j: distribution.reseeded([s + 100 * j for s in SEEDS]).sample(1).ab for j in order}

    forward, backward = draws([0, 1, 2]), draws([2, 0, 1, 2])
    assert all(torch.equal(forward[j], backward[j]) for j in forward)
    assert not torch.equal(forward[0], forward[1])
    assert torch.equal(
        ask(asked, house).reseeded(SEEDS).sample(2).ab, ask(asked, house).sample(2).ab
    )
    assert torch.equal(ask(asked, house).sample(10).ab[:, :5], ask(asked, house).sample(5).ab)


def test_a_photograph_hardly_depends_on_its_neighbours(method, house):
    """A pixel's draw may flip where rounding meets a bound; hardly any does."""
    whole = ask(method, house).sample(2).ab
    alone = torch.cat([ask(method, house, [i], [SEEDS[i]]).sample(2).ab for i in range(4)])
    assert float((whole != alone).float().mean()) < 1e-3


def test_loading_gives_the_same_bits(method, house, tmp_path):
    method.save(tmp_path)
    again = make()
    again.load(tmp_path, house.context({"zhang": house.fit("zhang")}))
    assert torch.equal(ask(again, house).sample(2).ab, ask(method, house).sample(2).ab)


def test_the_declared_length_is_that_of_the_draws(house):
    made, part = make(length=2.0), house.fit("zhang")
    made.fit(house.train, house.context({"zhang": part}))
    expected = CoherentDistribution(part.predict(house.test.grey(ROWS), SEEDS), 2.0, SEEDS)
    assert torch.equal(ask(made, house).sample(1).ab, expected.sample(1).ab)


def test_a_part_without_pixel_distributions_is_refused(house):
    with pytest.raises(BenchError, match="Vae has no distribution for every pixel; take zhang"):
        make().fit(house.train, house.context({"zhang": house.make("vae")}))


@pytest.mark.parametrize(("length", "temperature"), [(8.0, 1.0), (2.0, 0.5), (1000.0, 1.0)])
def test_every_pixels_frequencies_are_the_softmax(length, temperature):
    """At a corner, at an edge and inside, over many draws."""
    values = logits(0, 1, 313, 1, 1)
    drawn = coherent(values.expand(1, 313, 64, 64), temperature=temperature, length=length)
    places = ([0, 0, 31], [0, 33, 40])
    found = torch.cat([drawn.reseeded([s]).sample(100).ab[0][..., *places] for s in range(30)])
    share = (values.flatten() / temperature).double().softmax(0).numpy() * len(found)
    rare = share < 15
    for place in range(3):
        counts = np.bincount(bins(found[..., place]), minlength=313)
        one, other = (np.append(c[~rare], c[rare].sum()) for c in (counts, share))
        assert chisquare(one, other * one.sum() / other.sum()).pvalue > 1e-3


@pytest.mark.parametrize("length", [1e-3, 1.0, 8.0, 1000.0])
def test_the_field_is_standard_normal_everywhere(length):
    """By the filter itself: the variance of a weighted sum of white noise is the sum of the squared
    weights."""
    impulses = torch.eye(64 * 64).reshape(-1, 64, 64)
    variance = smooth(impulses, length).square().sum(0)
    torch.testing.assert_close(
        variance, torch.ones(64, 64, dtype=torch.float64), rtol=1e-12, atol=0
    )


def test_the_fields_correlation_is_the_documented_one():
    noise = torch.randn(1500, 64, 64, generator=torch.Generator().manual_seed(0))
    field = smooth(noise, 4.0)
    assert kstest(field[:, 5, 60].numpy(), norm.cdf).pvalue > 1e-3
    for distance in (1, 4, 8):
        found = float((field[:, 20:44, 20] * field[:, 20:44, 20 + distance]).mean())
        assert found == pytest.approx(np.exp(-(distance**2) / (4 * 4.0**2)), abs=0.03)


def test_a_tiny_length_is_independent_pixels_and_a_huge_one_a_single_number():
    noise = torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(smooth(noise, 1e-3), noise.double())
    shared = smooth(noise, 1e6)
    torch.testing.assert_close(shared, shared[:, :1, :1].expand_as(shared))


def test_draws_are_coherent_and_zhangs_are_not():
    values = logits(1, 1, 313, 8, 8, spread=1.0)
    values = torch.nn.functional.interpolate(values, size=(64, 64), mode="bilinear")
    apart = neighbours(pixels(values).sample(20).ab)
    found = [
        neighbours(coherent(values, length=length).sample(20).ab)
        for length in (1e-3, 2.0, 8.0, 32.0)
    ]
    assert found[0] == pytest.approx(apart, abs=0.03)
    assert apart < 0.2
    assert found == sorted(found)
    assert found[2] > 0.8


def test_the_order_of_the_bins_is_a_path():
    order = bin_order()
    assert sorted(order) == list(range(313))
    path = bin_centres()[order]
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert steps.max() < 60
    assert steps.mean() < 15
    assert np.corrcoef(np.arange(313), path[:, 1])[0, 1] > 0.98


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_zhangs_log_probability_by_a_plain_loop(house, temperature):
    values = logits(4, 2, 313, 6, 7)
    ab = house.test.truth([0, 1])[
        :, :, ::11, ::10
    ]  # colours that exist: outside of the gamut, bins have no straight borders
    found = pixels(values, (1, 2), temperature).log_prob(ab)
    centres = bin_centres().astype(float)
    for i in range(2):
        expected = 0.0
        for y in range(6):
            for x in range(7):
                nearest = np.square(centres - ab[i, :, y, x].double().numpy()).sum(1).argmin()
                raised = np.exp(values[i, :, y, x].double().numpy() / temperature)
                expected += np.log(raised[nearest] / raised.sum())
        assert float(found[i]) == pytest.approx(expected, rel=1e-6)


def test_zhang_declares_its_density(house):
    (spec,) = zhang.bench_register_methods()
    assert "log_prob" in spec.capabilities
    assert spec.density
    found = ask(house.fit("zhang"), house).log_prob(house.test.truth(ROWS))
    assert found.shape == (4,)
    assert (found < 0).all()
    assert (found > -64 * 64 * 30).all()
