"""bfloat16 inside networks: float32 outside, and the same measures within a per cent."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.contracts import SampleSet
from bench.errors import BenchError
from bench.extend.precision import with_precision
from bench.machine import precision
from bench.plugins import loader
from bench.scores.metrics import load_metrics
from bench.scores.scoring import HeldOut
from bench.seeds import derive

STEPS = {"zhang": 20, "vae": 40, "mdn": 30, "cvae": 30}
NEAR = {"chroma-speckle": 1e-3, "rank-histogram": 0.005, "coverage": 0.005}
"""What is small beside 1: of speckle photographs have 1, these fields a hundredth of it; the others
are shares of all pixels."""
APART = {
    ("chroma-speckle", "ratio", "set"): 0.02,
    ("rank-histogram", "rank-pixel-a", "all"): 0.03,
    ("rank-histogram", "rank-pixel-b", "all"): 0.03,
}
"""Rounding adds 1e-4 of speckle (an AMD EPYC with AVX512-BF16), and these smooth test pictures, which the ratio divides by, have
0.009 of it. A pixel's rank is a whole number of about 5, and there are few of them: two may change."""


@pytest.fixture(scope="module")
def fitted(house):
    """Methods that have learnt something, and the same weights loaded for either precision."""
    made = {}

    def parts(name, kind):
        names = {"mdn": {"features": "zhang", "vae": "vae"}, "cvae": {"features": "zhang"}}.get(
            name, {}
        )
        return {part: made[of][kind] for part, of in names.items()}

    for name, steps in STEPS.items():
        context = house.context(parts(name, "float32"))
        method = house.fit_again(name, context, steps=steps, batch=16)
        folder = house.folder / f"precision-{name}"
        folder.mkdir()
        method.save(folder)
        made[name] = {}
        for kind in ("float32", "bfloat16"):
            made[name][kind] = twin = house.make(name, steps=steps, batch=16)
            twin.load(folder, replace(house.context(parts(name, kind)), precision=kind))
    return made


def measures(house, method, name, ask):
    """Means over the photographs of every standard metric, by name, variant and region."""
    data, registry = house.train, loader.registry()
    rows = range(len(data))
    seeds = [derive(3, data.ids[i]) for i in rows]
    held_out = HeldOut(data, house.colours, np.full(313, 1 / 313), house.protocol.scale)
    if ask == "reconstruct":
        samples = method.reconstruct(data.truth(list(rows)), seeds)
    else:
        law = method.predict(data.grey(list(rows)), seeds)
        samples = law.present(5) if ask == "present" else law.sample(10)
    assert samples.ab.dtype == torch.float32
    samples = SampleSet(samples.ab.cpu(), samples.kind, samples.weights, samples.n_drawn)
    found = {}
    for metric in load_metrics((), registry):
        if metric.refusal(ask, samples, False) == "":
            made = metric.new()
            columns = made.score(samples, data.truth(list(rows)), held_out.context(rows))
            values = {c.variant: np.asarray(c.values) for c in columns if c.region == "all"}
            found |= {
                (metric.spec.name, name, "set"): float(value)
                for name, value in made.combine(values).items()
            }
            found |= {
                (metric.spec.name, c.variant, c.region): float(np.nanmean(c.values))
                for c in columns
                if not c.variant.startswith("part-")
            }
    assert found
    return found


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("zhang", "draws"),
        ("vae", "reconstruct"),
        ("mdn", "draws"),
        ("cvae", "draws"),
        pytest.param("mdn", "present", marks=pytest.mark.slow),
        pytest.param("cvae", "present", marks=pytest.mark.slow),
    ],
)
def test_every_metric_agrees_within_a_per_cent(house, fitted, name, ask):
    exact, rough = (
        measures(house, fitted[name][kind], name, ask) for kind in ("float32", "bfloat16")
    )
    assert exact.keys() == rough.keys()
    apart = {
        key: (exact[key], rough[key])
        for key in exact
        if not np.isclose(
            exact[key],
            rough[key],
            rtol=APART.get(key, 0.01),
            atol=NEAR.get(key[0], 1e-6),
            equal_nan=True,
        )
    }
    assert apart == {}
    assert exact != rough


def test_results_are_float32_whatever_is_inside():
    layer = torch.nn.Linear(64, 3)
    given = torch.randn(5, 64)
    rough = with_precision("bfloat16", layer, given)
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, layer(given))
    torch.testing.assert_close(rough, layer(given), rtol=0.05, atol=0.05)
    assert torch.equal(with_precision("float32", layer, given), layer(given))
    assert [
        part.dtype for part in with_precision("bfloat16", lambda x: layer(x).chunk(3, 1), given)
    ] == [torch.float32] * 3


def test_auto_is_what_the_device_is_fast_at(monkeypatch):
    monkeypatch.delenv(precision.VARIABLE, raising=False)
    for has, wanted in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(precision, "has_bfloat16", lambda device, has=has: has)
        assert precision.settled("", "cpu") == precision.settled("auto", "cpu") == wanted
        assert precision.settled("float32", "cpu") == "float32"
    monkeypatch.setenv(precision.VARIABLE, "bfloat16")
    assert precision.settled("", "cpu") == "bfloat16"
    assert precision.settled("auto", "cpu") == "float32"


@pytest.mark.parametrize(
    ("given", "variable", "said"),
    [
        ("half", "", "--precision: unknown precision 'half'"),
        ("", "half", "BENCH_PRECISION: unknown precision 'half'"),
    ],
)
def test_an_unknown_precision_is_one_line(monkeypatch, given, variable, said):
    monkeypatch.setenv(precision.VARIABLE, variable)
    with pytest.raises(BenchError, match=said):
        precision.settled(given, "cpu")
