"""`bench.extend`: its names exist, its examples hold, and naming it imports nothing heavy."""

import doctest
import subprocess
import sys
from importlib import import_module

import pytest

from bench import extend

from ..patience import LONG


@pytest.mark.parametrize("name", extend._LAZY)
def test_what_it_offers_exists_and_is_described(name):
    thing = getattr(extend, name)
    assert thing.__module__ == f"bench.extend.{extend._LAZY[name]}"
    assert thing.__doc__.strip()


def test_what_it_does_not_offer_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"'bench\.extend' has no attribute 'trian'"):
        _ = extend.trian


def test_examples_in_docstrings_hold():
    done = [
        doctest.testmod(import_module(f"bench.extend.{module}"))
        for module in set(extend._LAZY.values())
    ]
    assert sum(result.failed for result in done) == 0
    assert sum(result.attempted for result in done) > 10


def test_naming_it_imports_nothing_heavy():
    check = "import bench.extend, sys; print([m for m in ('torch', 'numpy') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, timeout=LONG, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
