"""TOML files that people write."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from bench.errors import BenchError


def read(path: Path, absent: str) -> dict[str, Any]:
    """The table of a file; BenchError when it is damaged, or missing: then `absent` says what to do."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BenchError(f"{path} is missing: {absent}") from None
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} can't be read: {error}") from error
