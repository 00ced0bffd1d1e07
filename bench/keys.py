"""Keys of stored things: SHA-256 of canonical JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

SCHEMA = 1
"""Version of the store's layout; part of every key."""


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; raises TypeError for what JSON can't hold and ValueError for NaN.

    >>> canonical({"b": 1, "a": [1.0, None]})
    '{"a":[1.0,null],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def key(kind: str, **parts: Any) -> str:
    """The key, 64 hexadecimal digits, of a thing of some kind described by JSON-able parts."""
    return sha256(canonical({"schema": SCHEMA, "kind": kind, **parts}))


def sha256(data: str | bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def digest_of(items: Iterable[str]) -> str:
    """Digest of an ordered list of strings."""
    return sha256(canonical(list(items)))
