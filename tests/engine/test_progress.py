"""The plain log of a run: how far a step is, and how long it still takes."""

from types import SimpleNamespace

import pytest

from bench.engine import progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when the test says so."""
    found = SimpleNamespace(now=100.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: found.now))
    return found


def test_lines_tell_every_ten_seconds_how_long_a_step_still_takes(clock, capsys):
    with progress.Lines().task("fitting mdn", 40) as bar:
        for passed, steps, note in (
            (4, 8, "loss 9"),
            (6, 12, "loss 5"),
            (9, 1, ""),
            (1, 9, ""),
            (10, 15, "late"),
        ):
            clock.now += passed
            bar.advance(steps, note)
    assert capsys.readouterr().err.splitlines() == [
        "fitting mdn: 20/40, about 10 s left; loss 5",
        "fitting mdn: 30/40, about 7 s left",
        "fitting mdn: 45/40, about 0 s left; late",
        "fitting mdn: done in 30.0 s",
    ]
