"""The forms of files that are read by modules which import nothing heavy: a protocol's choices, and
a plugin's `pyproject.toml`.

A field that no form has is dropped when a file is read.
"""

from __future__ import annotations

from typing import Annotated, Literal, Required, TypedDict

from msgspec import Meta

from bench.store.records import Count, Positive, Small


class Choices(TypedDict, total=False):
    """Of a protocol (`bench.protocol.Protocol`); all of them say how results compare, and these are
    used."""

    name: Required[str]
    crop: Literal["authors", "square"]
    antialias: bool
    k: Required[Small]
    draws: Small
    test_size: Positive
    test_share: Annotated[float, Meta(gt=0, le=1)]
    small_set: Count
    split_seed: Count
    weights: Required[str]
    weight_floor: Required[Annotated[float, Meta(gt=0, le=1)]]
    ab_size: Annotated[int, Meta(ge=1, le=4096)]
    grey_size: Annotated[int, Meta(ge=1, le=4096)]
    scale: Required[Annotated[float, Meta(gt=0, le=1e9)]]
    version: str


Project = TypedDict(
    "Project", {"name": str, "version": str, "entry-points": dict[str, dict[str, str]]}, total=False
)
"""What is read of a plugin's `[project]`."""


class PyProject(TypedDict, total=False):
    """A `pyproject.toml`."""

    project: Project
