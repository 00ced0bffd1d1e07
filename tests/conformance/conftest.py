"""The mutants, loaded as a local plugin, and one session for all tests."""

import importlib
from pathlib import Path

import pytest

from bench.plugins import loader, local
from bench.plugins.selection import Switches
from bench.testing import suite
from bench.testing.session import Session

from ..patience import LONG

HERE = Path(__file__).parent
MUTANTS = HERE / "mutants"
(LOCAL,) = local.find(MUTANTS)
mutants = LOCAL.load()


@pytest.fixture(scope="module")
def with_mutants():
    """A registry with the mutants in it."""
    loader.use(Switches(paths=(MUTANTS, HERE / "heavy_plugin.py")))
    yield importlib.import_module(mutants.__name__)
    loader.use(None)


@pytest.fixture(scope="session")
def session():
    """One for all: to begin one, PyTorch has to be imported."""
    made = Session(LONG)
    yield made
    made.close()


@pytest.fixture
def shared(session, monkeypatch):
    """The same, also where none is named."""
    monkeypatch.setattr(suite, "shared_session", lambda: session)
