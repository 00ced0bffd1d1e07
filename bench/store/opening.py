"""Which store: a folder, or a URL."""

from __future__ import annotations

import os
from pathlib import Path

from bench.store.files import for_tensors
from bench.store.local import Store, cache_folder


def open_store(where: Path | str | None = None) -> Store:
    """The store in a folder, or behind a URL that fsspec knows, as `s3://bucket/store`; None:
    `default_place`."""
    place = located(where) if where else default_place()
    if isinstance(place, Path):
        return Store(for_tensors(place))
    from bench.store.remote import RemoteStore

    return RemoteStore(place)


def default_place() -> Path | str:
    """`$BENCH_STORE`, a folder or a URL, else the platform's cache folder."""
    given = os.environ.get("BENCH_STORE")
    return located(given) if given else cache_folder() / "store"


def located(where: Path | str) -> Path | str:
    """A URL as text, a folder as a path."""
    return where if isinstance(where, str) and "://" in where else Path(where)
