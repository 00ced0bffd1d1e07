"""The mutants, loaded as a local plugin, and one session for all tests of a module."""

import importlib
from pathlib import Path

import pytest

from bench import local_plugins, plugins
from bench.switches import Switches
from bench.testing.session import Session

HERE = Path(__file__).parent
MUTANTS = HERE / "mutants"
(LOCAL,) = local_plugins.find(MUTANTS)
mutants = LOCAL.load()


@pytest.fixture(scope="module")
def with_mutants():
    """A registry with the mutants in it."""
    plugins.use(Switches(paths=(MUTANTS, HERE / "heavy_plugin.py")))
    yield importlib.import_module(mutants.__name__)
    plugins.use(None)


@pytest.fixture(scope="module")
def session():
    made = Session()
    yield made
    made.close()


@pytest.fixture(scope="module")
def hasty():
    """It does not wait long for a fit."""
    made = Session(limit=1.0)
    yield made
    made.close()
