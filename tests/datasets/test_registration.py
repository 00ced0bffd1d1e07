"""What the shelf registers, and that registering it is light."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from bench.contracts import Dataset

MODULES = {
    "folder": "folder",
    "lfw": "lfw",
    "church": "church",
    "imagenet_val": "imagenet-val",
    "demo": "demo",
}
HEAVY = "torch numpy PIL lmdb skimage sklearn scipy"


@pytest.mark.parametrize("module", MODULES)
def test_importing_and_registering_is_light(module):
    code = (
        f"import sys; from bench.datasets import {module} as m; list(m.bench_register_datasets()); \
        print(*set(sys.modules) & set('{HEAVY}'.split()))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


@pytest.mark.parametrize(("module", "name"), MODULES.items())
def test_the_spec_is_complete_and_its_factory_only_stores(module, name):
    specs = list(import_module(f"bench.datasets.{module}").bench_register_datasets())
    assert [spec.name for spec in specs] == ([name, "lfw-funneled"] if name == "lfw" else [name])
    for spec in specs:
        assert spec.summary
        assert spec.licence
        dataset = spec.load()(path=None, home=None)
        assert isinstance(dataset, Dataset)
        assert vars(dataset) == {"path": None, "home": None}


def test_the_facts_of_the_paper_are_declared():
    specs = {
        s: next(iter(import_module(f"bench.datasets.{m}").bench_register_datasets()))
        for m, s in MODULES.items()
    }
    assert {
        s: (d.authors_crop, d.keep_grey) for s, d in specs.items() if d.authors_crop or d.keep_grey
    } == {"lfw": (200, True)}
    totals = {
        s: d.reference_statistics["total variance"]
        for s, d in specs.items()
        if d.reference_statistics
    }
    assert totals == {"lfw": 73.3, "church": 84.2, "imagenet-val": 124.2}
    assert specs["lfw"].reference_statistics == {
        "total variance": 73.3,
        "variance of component 1": 17.77,
        "variance of component 20": 0.474,
        "share of the first 20": 0.716,
        "mean a": 6.2,
        "mean b": 10.3,
    }
