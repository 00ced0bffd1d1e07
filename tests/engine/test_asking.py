"""Asking methods: draws that depend on one another, wrong kinds and shapes, NaN; and what oracles
are shown."""

from types import SimpleNamespace

import pytest
import torch

from bench.contracts import ColorDistribution, SampleSet
from bench.engine.plan import Ask
from bench.engine.sampling import Asking
from bench.errors import BenchError
from bench.seeds import derive, normal
from bench.specs import MethodSpec

IDS = ("a", "b", "c")
TRUTH = torch.arange(3.0)[:, None, None, None].expand(3, 2, 64, 64)


class Noise(ColorDistribution):
    """Independent noise; `spoil` changes fields on their way out."""

    def __init__(self, seeds, spoil=None, kind="iid"):
        self.seeds, self.spoil, self.kind = seeds, spoil or (lambda ab: ab), kind

    def present(self, k):
        return SampleSet(self.sample(k).ab, self.kind, n_drawn=k)

    def sample(self, n):
        return SampleSet(self.spoil(normal(self.seeds, (n, 2, 64, 64))), "iid", n_drawn=n)

    def log_prob(self, ab):
        return ab.flatten(1).mean(1)


class Repelled(Noise):
    """Every draw is pushed away from those that were made before it."""

    def __init__(self, seeds):
        super().__init__(seeds)
        self.before = []

    def sample(self, n):
        found = super().sample(n).ab
        if self.before:
            found = found + 0.5 * (found - torch.stack(self.before).mean(0))
        self.before.append(found)
        return SampleSet(found, "iid", n_drawn=n)


def asking(
    make, name="draws", n=4, kind="iid", density="", sees=frozenset(), law=None, truth=TRUTH
):
    test = SimpleNamespace(
        ids=IDS,
        grey=lambda rows: torch.zeros(len(rows), 1, 256, 256),
        truth=lambda rows: truth[rows],
    )
    data = SimpleNamespace(test=test, source=SimpleNamespace(name="set"), law=lambda ids: law)
    spec = MethodSpec(
        name="method",
        summary="",
        factory="",
        role="control",
        present_kind=kind,
        density=density,
        sees=sees,
        capabilities=frozenset({"sample", *(["log_prob"] if density else [])}),
    )
    method = SimpleNamespace(
        predict=lambda grey, seeds: make(seeds), reveal=lambda shown, seeds: make(shown)
    )
    return Asking(
        SimpleNamespace(spec=spec, seed=0, parameters={}),
        method,
        data,
        [0, 1, 2],
        Ask(name=name, n=n),
    )


def test_draws_are_independent_and_the_first_of_more_are_the_same():
    four, nine = asking(Noise).answer(), asking(Noise, n=9).answer()
    assert (four.kind, four.ab.shape, four.n_drawn) == ("iid", (3, 4, 2, 64, 64), 4)
    assert torch.equal(nine.ab[:, :4], four.ab)
    flat = nine.ab.flatten(2)
    correlation = torch.stack([torch.corrcoef(photograph) for photograph in flat]) - torch.eye(9)
    assert correlation.abs().max() < 0.06


@pytest.mark.parametrize("n", [2, 5, 10])
def test_draws_that_depend_on_one_another_are_refused(n):
    with pytest.raises(BenchError, match="draws must depend on their own seed only"):
        asking(Repelled, n=n).answer()


def test_a_draw_from_global_state_is_refused():
    with pytest.raises(BenchError, match="drawn alone"):
        asking(lambda seeds: Noise(seeds, lambda ab: torch.randn_like(ab))).answer()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda ab: torch.where(ab > 3, float("nan"), ab), "not finite"),
        (lambda ab: ab[:, :, :, ::2, ::2], r"it gave \(3, 1, 2, 32, 32\)"),
        (lambda ab: ab[:2], r"it gave \(2, 1, 2, 64, 64\)"),
        (lambda ab: torch.cat([ab, ab], 1), "asked for 1 fields"),
    ],
)
def test_what_is_no_field_is_refused(spoil, says):
    with pytest.raises(BenchError, match=says):
        asking(lambda seeds: Noise(seeds, spoil)).answer()


@pytest.mark.parametrize(
    ("row", "beyond", "refused"), [(0, 100, True), (0, 60, False), (2, 100, True)]
)
def test_a_field_in_other_units_is_refused_and_a_tail_is_not(row, beyond, refused):
    """1 % of a field's 8,192 values may be beyond the colours of sRGB."""

    def spoil(ab):
        ab = ab.clone()
        ab[row, :, 0].reshape(len(ab[row]), -1)[:, :beyond] = -129
        return ab

    draws = asking(lambda seeds: Noise(seeds, spoil))
    if refused:
        with pytest.raises(
            BenchError, match=f"1% of the values of a field of {IDS[row]} are beyond ±128"
        ):
            draws.answer()
    else:
        assert draws.answer().ab.min() == -129


def test_a_kind_that_was_not_declared_is_refused():
    with pytest.raises(BenchError, match="of kind centroids where iid is declared"):
        asking(lambda seeds: Noise(seeds, kind="centroids"), "present").answer()


def test_weights_that_do_not_sum_to_one_are_refused():
    class Weighed(Noise):
        def present(self, k):
            return SampleSet(self.sample(k).ab, "modes", torch.ones(3, k), n_drawn=k)

    with pytest.raises(BenchError, match="sum to 1"):
        asking(Weighed, "present", kind="modes").answer()


def test_the_density_of_the_truth_goes_with_the_draws():
    assert asking(Noise, density="a space").answer().log_prob.tolist() == [0, 1, 2]
    assert asking(Noise).answer().log_prob is None


@pytest.mark.parametrize("sees", [{"truth"}, {"law"}, {"truth", "law"}])
def test_oracles_are_shown_what_they_declare_and_no_more(sees):
    seen = []

    def make(shown):
        seen.append(shown)
        return Noise([1, 2, 3])

    asking(make, "present", sees=frozenset(sees), law="the law").answer()
    assert (seen[0].truth is not None, seen[0].law is not None) == ("truth" in sees, "law" in sees)
    assert seen[0].ids is None


class Listed(Noise):
    """Fields that were spread beforehand, handed out in turn; `given` at most."""

    def __init__(self, shown, given=9):
        super().__init__([0] * len(shown.ids))
        self.shown, self.given = shown, given

    def sample(self, n):
        spread = torch.linspace(-1, 1, n)[None, :, None, None, None].expand(
            len(self.shown.ids), -1, 2, 64, 64
        )
        return SampleSet(spread[:, : self.given], "iid", n_drawn=n)


def test_a_method_that_knows_the_photograph_is_shown_ids_and_asked_for_its_draws_at_once():
    shown = []
    found = asking(lambda s: shown.append(s) or Listed(s), sees=frozenset({"identity"})).answer()
    assert (shown[0].ids, shown[0].truth, shown[0].law) == (IDS, None, None)
    assert found.ab[0, :, 0, 0, 0].tolist() == pytest.approx([-1, -1 / 3, 1 / 3, 1])
    assert (found.kind, found.n_drawn) == ("iid", 4)


@pytest.mark.parametrize(
    ("given", "says"), [(3, "asked for 4 draws, it gave 3"), (0, "asked for 4 fields")]
)
def test_claimed_draws_are_as_many_as_were_asked_for(given, says):
    with pytest.raises(BenchError, match=says):
        asking(lambda s: Listed(s, given), sees=frozenset({"identity"})).answer()


def test_nobody_can_work_out_beforehand_which_draw_a_seed_stands_for():
    """Else draws of a public set could be spread evenly as a function of their seeds alone, and
    would repeat all the same."""
    seen = []

    class Recorder(Noise):
        def sample(self, n):
            seen.append(tuple(self.seeds))
            return super().sample(n)

    asking(Recorder).answer()
    first, seen[:] = list(seen), []
    known = {derive(0, "sample", "set", name, repeat) for name in IDS for repeat in range(100)}
    assert not known & {seed for seeds in first for seed in seeds}
    asking(Recorder, truth=TRUTH + 1).answer()
    assert not {s for some in first for s in some} & {s for some in seen for s in some}
