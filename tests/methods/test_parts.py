"""What one fit derives from another's: each from its own, whatever the part's class looks like."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

import bench
from bench.methods.mean_model import Mean
from bench.plugins.loader import use
from bench.plugins.selection import Switches


class Squares:
    """Features without a word about a key: lightness, 16 x 16."""

    feature_shape = (4, 8, 8)

    def features(self, grey):
        return functional.pixel_unshuffle(functional.adaptive_avg_pool2d(grey - 50, 16), 2)


class Upside(Squares):
    """Others of the same shape."""

    def features(self, grey):
        return super().features(grey.flip(2))


def test_two_extractors_never_share_features(house):
    made = {}
    context = house.context()
    for part in (Squares(), Upside()):
        own = house.context({"features": part})
        method = Mean(features="")
        method.fit(house.train, replace(own, store=context.store))
        made[type(part)] = method.weights
    assert len(list(context.store.all("features"))) == 2
    assert not torch.equal(made[Squares], made[Upside])


@pytest.mark.parametrize("keys", [{}, {"features": ""}, {"other": "a"}])
def test_a_part_without_a_key_is_an_error(house, keys):
    with pytest.raises(ValueError, match="part features has no key"):
        replace(house.context({"features": Squares()}), part_keys=keys)


PLUGIN = """
import json
from bench.contracts import ColorDistribution, Method, SampleSet
from bench.hookspecs import hookimpl
from bench.specs import MethodSpec, Parameter


@hookimpl
def bench_register_methods():
    yield MethodSpec(name="keyed", summary="one tint", factory=":Keyed", role="control", capabilities=frozenset({"sample"}),
                     parameters=(Parameter("key", "str", "red", "of its palette"),))


class Keyed(Method):
    __slots__ = ("key",)

    def __init__(self, *, key):
        self.key = key

    def fit(self, train, context):
        pass

    def save(self, folder):
        (folder / "tint.json").write_text(json.dumps(self.key))

    def load(self, folder, context):
        assert json.loads((folder / "tint.json").read_text()) == self.key

    def predict(self, grey, seeds):
        return Tints(len(grey), {"red": 40.0, "blue": -40.0}[self.key], seeds)


class Tints(ColorDistribution):
    def __init__(self, count, a, seeds):
        self.count, self.a, self.seeds = count, a, seeds

    def sample(self, n):
        import torch
        return SampleSet(torch.full((self.count, n, 2, 64, 64), self.a), "iid", n_drawn=n)

    def present(self, k):
        return self.sample(k)
"""


def test_what_a_method_calls_key_stays_its_own(tmp_path):
    (tmp_path / "keyed.py").write_text(PLUGIN)
    use(Switches(paths=(tmp_path / "keyed.py",)))
    try:
        result = bench.run(
            methods=("keyed", "keyed[key=blue]"),
            limit_train=4,
            limit_test=4,
            metrics=("absolute-error",),
            store=tmp_path / "store",
            out=tmp_path / "run",
            figures=("none",),
        )
    finally:
        use(None)
    assert [cell.reason for cell in result.cells] == ["", ""]
