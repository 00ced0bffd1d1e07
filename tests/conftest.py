"""A folder of small colourful photographs, and the command as a function, also with a store that all
tests share. Runs of tests are in this process, in float32, unless a test says
otherwise."""

import os
import signal

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

from bench.cli import main

from .patience import LONG
from .server import serving

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background jobs
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Ctrl-C is tested here, in children
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # as below nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.environ.setdefault("BENCH_EXECUTOR", "serial")
os.environ.setdefault("BENCH_PRECISION", "float32")
settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")  # no test depends on how fast a machine is


@pytest.fixture(scope="session")
def patience():
    """Seconds to wait for what is bound to come, for modules that other processes import by their
    name alone."""
    return LONG


@pytest.fixture
def site():
    """A web server on this machine."""
    with serving() as found:
        yield found


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run `bench ...` in an empty folder; gives (exit status, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        try:
            main([str(a) for a in arguments])
            status = 0
        except SystemExit as error:
            status = int(error.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return call


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
