"""A folder of small colourful photographs, and the command with a store that all tests share."""

import os

import numpy as np
import pytest
from PIL import Image


def photograph(seed, size=80):
    """Smooth random colours."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    return small.resize((size, size), Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """40 photographs."""
    folder = tmp_path_factory.mktemp("photographs")
    for i in range(40):
        photograph(i).save(folder / f"{i:03d}.png")
    return folder


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """One store for all tests: fits are shared."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def bench(tmp_path, monkeypatch, command, store):
    """Run `bench ...` in an empty folder; gives (exit status, standard output, standard error)."""
    monkeypatch.setenv("BENCH_STORE", os.fspath(store))
    monkeypatch.setenv("BENCH_DATA", os.fspath(tmp_path / "no-data"))
    return command
