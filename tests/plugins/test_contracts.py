"""Data that travels between shelves says what it is; protocols are compared by all their choices."""

from dataclasses import fields, replace

import pytest
import torch

from bench.contracts import ColorDistribution, Method, SampleSet
from bench.errors import BenchError
from bench.protocol import make_paper, make_square


def test_a_sample_set_takes_five_axes_with_two_channels():
    assert SampleSet(torch.zeros(3, 5, 2, 4, 4), "iid", torch.ones(3, 5) / 5, 5).n_drawn == 5
    for shape in [(3, 2, 4, 4), (3, 5, 3, 4, 4)]:
        with pytest.raises(ValueError, match=r"\(B, k, 2, h, w\)"):
            SampleSet(torch.zeros(shape), "iid")


def test_a_sample_set_is_of_a_known_kind_and_its_weights_fit():
    with pytest.raises(ValueError, match="kind"):
        SampleSet(torch.zeros(1, 1, 2, 4, 4), "guess")
    with pytest.raises(ValueError, match="weights"):
        SampleSet(torch.zeros(3, 5, 2, 4, 4), "modes", torch.ones(5, 3))


def test_what_a_distribution_does_not_offer_is_refused_by_name():
    class OnlyPresents(ColorDistribution):
        def present(self, k):
            return SampleSet(torch.zeros(1, k, 2, 4, 4), "point")

    for ask in (
        lambda d: d.sample(2),
        lambda d: d.mean(),
        lambda d: d.log_prob(torch.zeros(1, 2, 4, 4)),
    ):
        with pytest.raises(BenchError, match="OnlyPresents"):
            ask(OnlyPresents())


def test_a_method_without_fit_can_not_be_made():
    with pytest.raises(TypeError, match="fit"):
        type("Half", (Method,), {"save": None, "load": None, "predict": None})()


PAPER = make_paper(antialias=False)


@pytest.mark.parametrize("choice", [field.name for field in fields(PAPER)])
def test_protocols_that_differ_in_any_choice_have_other_digests(choice):
    value = getattr(PAPER, choice)
    other = not value if isinstance(value, bool) else value + ("x" if isinstance(value, str) else 1)
    assert replace(PAPER, **{choice: other}).digest != PAPER.digest


def test_equal_protocols_have_equal_digests_and_the_two_built_in_ones_do_not():
    assert make_paper(antialias=False).digest == PAPER.digest
    assert make_square(antialias=True).digest != make_paper(antialias=True).digest


def test_preparation_holds_what_arrays_depend_on_and_nothing_else():
    assert (
        replace(PAPER, k=9, split_seed=4, weights="joint64", test_size=3).preparation
        == PAPER.preparation
    )
    assert replace(PAPER, antialias=True).preparation != PAPER.preparation
    assert replace(PAPER, crop="square").preparation != PAPER.preparation
