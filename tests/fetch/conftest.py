"""Where a file is fetched to, and no waiting between tries."""

import pytest

from bench.fetch import downloads


@pytest.fixture
def path(tmp_path):
    return tmp_path / "home" / "body.bin"


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(downloads.time, "sleep", lambda seconds: None)
