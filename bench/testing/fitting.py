"""Fitting and loading on the toy photographs: here, and as jobs of another process."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.contracts import FitContext, Method, PreparedSet, colour_weights
from bench.contracts.execution import Quiet
from bench.data import prepare
from bench.data import source as data_source
from bench.machine import threads
from bench.protocol import Protocol, make_paper
from bench.store.local import Store
from bench.testing import child
from bench.testing.answers import Manner, Shown, answers, to_files
from bench.testing.results import describe
from bench.testing.state import stirred
from bench.testing.toy import SPEC, Toy

THREADS = 1
"""Of torch, for all that is checked: the toy photographs are few, and processors are shared."""
ROWS, SEEDS = (0, 1, 2, 3, 4), (11, 12, 13, 14, 15)
"""The photographs that are asked for where nothing else is said, and their seeds."""


@contextmanager
def isolated() -> Iterator[None]:
    """What a check runs in: one thread, as in the other processes and where the harness scores, and
    random states of its own."""
    with threads.pinned(THREADS), stirred():
        yield


@dataclass(frozen=True)
class Recipe:
    """How to make a method and its parts without any registry: JSON-able. key: of its fit in the
    store."""

    factory: str
    parameters: Mapping[str, Any]
    key: str
    parts: Mapping[str, Recipe] = field(default_factory=dict)

    @classmethod
    def read(cls, described: Mapping[str, Any]) -> Recipe:
        """From JSON."""
        return cls(
            **{
                **described,
                "parts": {name: cls.read(part) for name, part in described["parts"].items()},
            }
        )

    def new(self) -> Method:
        """An unfitted method."""
        module, _, name = self.factory.partition(":")
        method: Method = getattr(importlib.import_module(module), name)(**self.parameters)
        return method


@dataclass(frozen=True)
class Ground:
    """The toy photographs in a store, by the keys of the prepared parts, and what is fitted on
    them."""

    store: Store
    train: PreparedSet
    test: PreparedSet

    @classmethod
    def prepare(cls, folder: Path) -> Ground:
        """Draw the photographs into a new store."""
        store, protocol = Store(folder), toy_protocol()
        source = data_source.make_source(SPEC, SPEC.name, Toy(), protocol, store, Quiet())
        return cls(
            store,
            *(
                prepare.prepare(source, part, None, protocol, store, Quiet())
                for part in ("train", "test")
            ),
        )

    @classmethod
    def reopen(cls, folder: str, keys: Sequence[str]) -> Ground:
        """In another process."""
        store = Store(Path(folder))
        return cls(store, *(prepare.reopen(store, SPEC.name, key) for key in keys))

    def shown(self, rows: Sequence[int]) -> Shown:
        """Test photographs, read afresh."""
        law = Toy().law([self.test.ids[row] for row in rows])
        return Shown(self.test.grey(list(rows)), self.test.truth(list(rows)), law)

    def context(self, recipe: Recipe, seed: int, of_parts: int | None = None) -> FitContext:
        """For a fit of a method with a seed; its parts have been fitted with the same one unless
        given."""
        protocol = toy_protocol()
        colours = colour_weights.fit(protocol.weights, self.train.ab, protocol.weight_floor)
        parts = self.parts(recipe, seed if of_parts is None else of_parts)
        keys = {name: part.key for name, part in recipe.parts.items()}
        return FitContext(
            seed, "cpu", protocol, colours, parts, self.store, Quiet(), part_keys=keys
        )

    def load(self, recipe: Recipe, seed: int, folder: Path | None = None) -> Method:
        """A method from the folder where its fit is, by its key unless given; its parts likewise."""
        method = recipe.new()
        method.load(folder or self.store.path("fits", recipe.key), self.context(recipe, seed))
        return method

    def parts(self, recipe: Recipe, seed: int) -> dict[str, Method]:
        """The fitted parts of a method."""
        return {name: self.load(part, seed) for name, part in recipe.parts.items()}


def toy_protocol() -> Protocol:
    """`paper`."""
    return make_paper(antialias=False)


def fit(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Job: fit on the toy photographs, and answer. `started.json` appears before the fit. Notes
    that JSON can't hold, and an error in answering, are told apart from an error in fitting."""
    with threads.pinned(THREADS):
        ground, recipe = Ground.reopen(job["store"], job["prepared"]), Recipe.read(job["recipe"])
        context = ground.context(recipe, job["seed"])
        method = recipe.new()
        child.report(folder, "started", True)
        start = time.monotonic()
        method.fit(ground.train, context)
        seconds = time.monotonic() - start
        return {
            "seconds": seconds,
            "notes": _notes(context.notes),
            "unanswered": _answer(method, job, ground, folder),
        }


def load(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Job: load a fit from the folder `fit`, and answer."""
    with threads.pinned(THREADS):
        ground, recipe = Ground.reopen(job["store"], job["prepared"]), Recipe.read(job["recipe"])
        method = ground.load(recipe, job["seed"], Path(job["fit"]))
        return {"unanswered": _answer(method, job, ground, folder)}


def _answer(method: Method, job: dict[str, Any], ground: Ground, folder: Path) -> str:
    """Write the answers; why there are none, or nothing."""
    from safetensors.torch import save_file

    manner = Manner(job["role"], frozenset(job["sees"]), frozenset(job["capabilities"]))
    try:
        save_file(
            to_files(answers(method, manner, ground.shown(ROWS), SEEDS)),
            folder / "answers.safetensors",
        )
    except Exception as error:  # noqa: BLE001 - reported; another check is about it
        return describe(error)
    return ""


def _notes(notes: dict[str, Any]) -> str:
    """What is wrong with a fit's notes, or nothing."""
    try:
        json.dumps(notes, allow_nan=True)
    except (TypeError, ValueError) as error:
        return describe(error)
    return ""
