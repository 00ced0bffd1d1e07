"""Every built-in keeps the rules of the conformance kit."""

import warnings

import lightning.pytorch  # noqa: F401 - now, so that the processes that fit need not begin anew when a method imports it
import pytest
import torch

from bench.plugins.loader import registry
from bench.testing import suite

from .references import REFERENCES, Pooled, write_alexnet

BUILT_IN = {
    kind: sorted(n for n in specs if registry().owner(kind, n).distribution == "huebench")
    for kind, specs in registry().specs.items()
}
FILES = {"lpips": "alexnet.pth", "lpips-pairwise": "alexnet.pth", "fid": "pooled.pt"}
SLOW = ("fid", "lpips", "lpips-pairwise")
"""Tens of seconds each; by default only what they accept is checked."""
EXPECTED = {
    "lpips-pairwise": {
        "order-of-samples-changes-nothing": "pairwise-consecutive names its pairs by their places"
    }
}
"""Where a rule does not hold, and why that is right."""
SKIPS = {
    "other-seed-other-samples": {"grey", "mean", "truth", "vae"},  # without spread, or no draws
    "draws-are-independent": {"grey", "mean", "truth", "vae"},
    "fits": set(),
    "direction-is-right": {
        "chroma-speckle",
        "colour-entropy",
        "colourfulness",
        "colourfulness-abs",
        "coverage",
        "effective-modes",
        "lpips-pairwise",
        "pairwise-distance",
        "rank-histogram",
        "spread-skill",
        "variance",
    },
    "photographs-in-units": {"church", "folder", "imagenet-val", "lfw", "lfw-funneled"},  # not here
    "law-fits-its-photographs": {"church", "demo", "folder", "imagenet-val", "lfw", "lfw-funneled"},
}
"""What these checks can't be made of; everything else they have to see."""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_alexnet(folder / "alexnet.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(Pooled()).save(folder / "pooled.pt")
    return folder


@pytest.fixture(autouse=True)
def empty_data_home(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))


def check(name, kind, session, reference=None):
    expected = EXPECTED.get(name.partition("[")[0], {})
    checkings = [c for c in suite.checkings([name], session, reference) if c.subject.kind == kind]
    results = {r.check: suite.expecting(r, expected) for c in checkings for r in c.results()}
    assert [r.message for r in results.values() if not r.ok] == []
    assert {r.check for r in results.values() if r.status == "expected failure"} == set(expected)
    for rule, names in SKIPS.items():
        if (
            rule in results and name != "precomputed"
        ):  # without a folder of its own, only its spec can be checked
            assert (results[rule].status == "skipped") == (name.partition("[")[0] in names), (
                rule,
                results[rule].seen,
            )
    return results


@pytest.mark.parametrize("name", BUILT_IN["methods"])
def test_methods_conform(session, name):
    results = check(name, "method", session)
    assert name == "precomputed" or results["works-in-a-fresh-process"].status == "passed"


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in BUILT_IN["metrics"]]
)
def test_metrics_conform(session, files, name):
    call = f"{name}[weights={files / FILES[name]}]" if name in FILES else name
    results = check(call, "metric", session, REFERENCES.get(name))
    assert (results["agrees-with-reference"].status == "passed") == (name in REFERENCES)


@pytest.mark.parametrize("name", SLOW)
def test_slow_metrics_accept_what_they_declare(session, files, name):
    (checking,) = suite.checkings([f"{name}[weights={files / FILES[name]}]"], session)
    for rule in (
        "names-its-source",
        "parameters-round-trip",
        "documents-itself",
        "accepts-what-it-declares",
    ):
        assert checking.result(rule).status == "passed"


OTHERS = ("datasets", "reports", "protocols", "executors")


@pytest.mark.parametrize(("kind", "name"), [(kind, n) for kind in OTHERS for n in BUILT_IN[kind]])
def test_the_others_conform(session, kind, name):
    check(name, kind.removesuffix("s"), session)


@pytest.mark.parametrize("how", ["mirrored", "repelled"])
def test_cheats_with_dependent_draws_are_caught(session, how):
    (checking,) = suite.checkings([f"cheat[how={how}]"], session)
    assert [result.check for result in checking.results() if not result.ok] == [
        "draws-depend-on-their-own-seed"
    ]
