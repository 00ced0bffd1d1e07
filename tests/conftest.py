"""The command as a function. Runs of tests are in this process, in float32, unless a test says
otherwise."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

from bench.cli import main

from .patience import LONG
from .server import serving

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as in a shell's background jobs; Ctrl-C is tested here and in children
    signal.signal(signal.SIGINT, signal.default_int_handler)
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
