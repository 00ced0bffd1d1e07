"""The job that imports a plugin's registering module and calls its hooks, in a process that has
imported nothing else."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from bench.hookspecs import GROUP
from bench.plugins import local
from bench.plugins.decorated import registered

HEAVY = (
    "torch",
    "lightning",
    "pandas",
    "sklearn",
    "skimage",
    "seaborn",
    "matplotlib",
    "tensorflow",
    "jax",
)
"""What takes a second or more to import, and what `bench list` can't wait for."""


def register(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Import what a plugin's entry point names (in a local one: below `root`) and call its
    registration hooks; report which heavy modules that imported."""
    from bench.plugins.loader import KINDS

    plugin = _local(job) if job["root"] else EntryPoint(job["name"], job["value"], GROUP).load()
    for kind, type_ in KINDS.items():
        list(registered(plugin, kind, type_))
    return {"heavy": [name for name in HEAVY if name in sys.modules]}


def _local(job: dict[str, Any]) -> object:
    found = local.find(Path(job["root"]))
    return next(one for one in found if one.name == job["name"]).load()
