"""A metric that is one decorated function."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from bench.contracts import KINDS, Metric, SampleSet
from bench.extend import metric
from bench.plugins import loader
from bench.plugins.selection import Switches
from bench.specs import Parameter

GREY = '''
from bench.extend import metric

@metric(
    unit="share",
    direction="none",
    accepts={"iid", "modes"},
    gaming="A method that gives grey has the most.",
)
def grey_share(ab):
    """Share of pixels that are nearly grey.

    Mean over pixels and samples of [chroma < LEVEL].
    """
    return ab.square().sum(2) < LEVEL**2

LEVEL = 5
'''


@metric(unit="ab", direction="none", regions=("all", "grid"))
def level_of_a(ab):
    """Mean of a."""
    return ab[:, :, 0]


@metric(
    unit="ab",
    direction="down",
    variants={"nearest": "of the k", "mean": "over the k"},
    parameters=(Parameter("power", "float", 2.0, "of the differences"),),
)
def distance(truth, samples, context, *, power):
    """Distance from the truth."""
    each = (samples.ab - truth[:, None]).abs().pow(power).mean((2, 3, 4)) / context.scale
    return {"nearest": each.amin(1), "mean": each}


@metric(unit="x", direction="up")
def misshapen(ab):
    """Wrong."""
    return ab


def samples(weights=None):
    ab = torch.randn(2, 3, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    return SampleSet(ab, "modes", weights)


class Context:
    scale = 128.0


def load(*paths):
    return loader.load(
        c for c in loader.candidates(Switches(paths=tuple(paths))) if c.plugin.content
    )


def test_a_value_a_sample_is_averaged_by_weights_and_one_a_pixel_over_the_region():
    weights = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]])
    given = samples(weights)
    found = level_of_a.metric().score(given, given.ab[:, 0], None)
    a = given.ab[:, :, 0].double().numpy()
    wanted = {"all": a.mean((2, 3)), "grid": a[..., 1::2, 1::2].mean((2, 3))}
    assert [(s.variant, s.region) for s in found] == [("value", "all"), ("value", "grid")]
    for score in found:
        np.testing.assert_allclose(score.values, (wanted[score.region] * weights.numpy()).sum(1))


def test_a_dictionary_gives_variants_and_a_parameter_arrives():
    given = samples()
    found = distance.metric(power=3.0).score(given, torch.zeros(2, 2, 16, 16), Context())
    each = (abs(given.ab.numpy()) ** 3).mean((2, 3, 4)) / 128
    np.testing.assert_allclose(found[0].values, each.min(1), rtol=1e-6)
    np.testing.assert_allclose(found[1].values, each.mean(1), rtol=1e-6)
    assert [s.variant for s in found] == ["nearest", "mean"]
    assert found[0].values.dtype == np.float64


def test_a_photograph_with_a_sample_that_is_not_finite_has_no_value():
    given = samples()
    given.ab[1, 2, 0, 3, 3] = torch.nan
    (score,) = distance.metric(power=1.0).score(given, given.ab[:, 0], Context())[:1]
    assert np.isfinite(score.values).tolist() == [True, False]


def test_another_shape_is_refused_in_one_line():
    with pytest.raises(
        ValueError, match=r"^misshapen gave values \(2, 3, 2, 16, 16\) of 2 photographs with 3 samp"
    ):
        misshapen.metric().score(samples(), None, None)


def test_the_function_stays_a_function_and_the_class_can_be_pickled():
    assert level_of_a(torch.ones(1, 1, 2, 8, 8)).shape == (1, 1, 8, 8)
    made = distance.metric(power=2.0)
    assert isinstance(made, Metric)
    again = pickle.loads(pickle.dumps(made))
    assert type(again) is distance.metric
    assert again.parameters == {"power": 2.0}


def test_the_spec_is_made_of_the_function():
    spec = distance.spec
    assert (spec.name, spec.summary) == ("distance", "Distance from the truth")
    assert (spec.headline, spec.accepts, spec.citation) == ("nearest", frozenset(KINDS), "own work")
    assert level_of_a.spec.variants == {"value": "Mean of a"}
    assert spec.load() is distance.metric


def test_all_of_a_file_are_registered_beside_those_of_a_hook(tmp_path):
    more = """
from bench.hookspecs import hookimpl
from bench.specs import MetricSpec

@hookimpl
def bench_register_metrics():
    yield MetricSpec(name="by-hand", summary="s", factory=":X", unit="", direction="up", accepts=frozenset())

@metric(name="other", unit="", direction="up", summary="another", formula="f", version="3")
def second(truth):
    return truth.mean((1, 2, 3))
"""
    (tmp_path / "grey.py").write_text(GREY + more)
    found = load(tmp_path / "grey.py")
    assert [p.error for p in found.plugins] == [None]
    assert list(found.specs["metrics"]) == ["by-hand", "grey-share", "other"]
    spec = found.get("metrics", "grey-share")
    assert spec.formula == "Mean over pixels and samples of [chroma < LEVEL]"
    assert issubclass(spec.load(), Metric)
    assert found.get("metrics", "other").version == "3"


def test_what_is_imported_from_another_file_is_not_registered_again(tmp_path):
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "__init__.py").write_text('PLUGINS = ("a", "b")')
    (tmp_path / "two" / "a.py").write_text(GREY)
    (tmp_path / "two" / "b.py").write_text("from .a import grey_share")
    found = load(tmp_path / "two")
    assert [p.error for p in found.plugins] == [None, None]
    assert found.owner("metrics", "grey-share").name == "a"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('unit="share"', 'unt="share"', "missing 1 required keyword-only argument: 'unit'"),
        ("gaming=", "gamin=", "unknown option of @metric 'gamin': did you mean 'gaming'?"),
        ('"modes"', '"mode"', "unknown kind of samples 'mode': did you mean 'modes'?"),
        ("accepts=", "regions=('al',), accepts=", "unknown region 'al': did you mean 'all'?"),
        ("(ab)", "(ab, grey)", "ValueError: grey_share takes grey: take some of ab, truth, sam"),
        ("(ab)", "(*ab)", "ValueError: grey_share takes *ab: take some of ab, truth"),
        ("(ab)", "(ab, *, x)", "x must be both behind the * of the function and in parameters="),
        ('"""Share', 'text = """Share', "ValueError: grey_share needs a docstring"),
        ("\n@metric", "\ndef f():\n  return\n@metric", None),
    ],
)
def test_a_mistake_is_the_plugin_s_error_in_one_line(tmp_path, old, new, says):
    assert old in GREY
    (tmp_path / "grey.py").write_text(GREY.replace(old, new, 1))
    error = load(tmp_path / "grey.py").plugins[0].error
    assert error is None if says is None else says in error
    assert "\n" not in (error or "")


def test_a_function_in_a_function_is_refused():
    with pytest.raises(ValueError, match="must stand at the top of its module"):

        @metric(unit="", direction="up")
        def inner(ab):
            """It could not be imported."""


def test_it_keeps_the_rules(command, tmp_path):
    (tmp_path / "grey.py").write_text(GREY)
    status, out, err = command("check", "--plugin", tmp_path / "grey.py", "grey-share")
    assert status == 0, out + err


def test_values_of_older_code_are_not_taken_from_the_store(command, tmp_path):
    path = tmp_path / "grey.py"
    path.write_text(GREY)
    given = ["run", "--plugin", path, "-m", "marginal", "-d", "demo", "--metrics", "grey-share"]
    given += ["--limit-train", "8", "--limit-test", "2", "--store", "store", "--out"]
    assert command(*given, "a")[0] == 0
    path.write_text(GREY.replace("LEVEL = 5", "LEVEL = 500"))
    assert command(*given, "b")[0] == 0
    first, second = (
        pd.read_parquet(f"{run}/scores.parquet").query("status == 'done'")["value"]
        for run in ("a", "b")
    )
    assert len(first) == len(second) > 0
    assert (second > 0.999).all()
    assert (first < 0.999).any()


def test_importing_it_is_light():
    code = (
        "import sys, bench.extend; from bench.extend import metric\n"
        "print({'torch', 'pandas', 'matplotlib', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
