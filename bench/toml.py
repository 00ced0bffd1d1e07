"""TOML files that people write."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from bench.errors import BenchError


def read(path: Path, absent: str) -> dict[str, Any]:
    """The table of a file; BenchError when it is damaged, or missing: then `absent` says what to do."""
    from bench import records  # most commands read none

    if not os.path.exists(path):
        raise BenchError(f"{path} is missing: {absent}")
    return records.read_toml(path)
