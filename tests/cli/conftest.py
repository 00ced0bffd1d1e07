"""A folder of small colourful photographs, and the command as a function."""

import os

import numpy as np
import pytest
from PIL import Image

from bench.cli import main


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
def bench(tmp_path, monkeypatch, capsys, store):
    """Run `bench ...` in an empty folder; gives (exit status, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_STORE", os.fspath(store))
    monkeypatch.setenv("BENCH_DATA", os.fspath(tmp_path / "no-data"))

    def call(*arguments):
        try:
            main([str(a) for a in arguments])
            status = 0
        except SystemExit as error:
            status = int(error.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return call
