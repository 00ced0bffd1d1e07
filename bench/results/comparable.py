"""Whether runs can be compared: they were made under one protocol, on the same photographs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from bench.errors import NotComparable
from bench.results.run_folder import Results
from bench.store.records import Scalar


class Photographs(Protocol):
    """One part of a data set."""

    @property
    def ids_digest(self) -> str | None: ...


class Measured(Protocol):
    """A data set that was measured on."""

    @property
    def digest(self) -> str | None: ...
    @property
    def train(self) -> Photographs: ...
    @property
    def test(self) -> Photographs: ...


class Made(Protocol):
    """What results were made under: a run's manifest, or a baseline's."""

    @property
    def protocol(self) -> Mapping[str, Scalar]: ...
    @property
    def datasets(self) -> Mapping[str, Measured]: ...


def check_comparable(results: Sequence[Results], strict: bool = False) -> None:
    """Refuse runs under different protocols, or on different photographs under one name; `strict`:
    as `differences` says."""
    for other in results[1:]:
        if differ := differences(results[0].manifest, other.manifest, strict):
            raise NotComparable(
                f"runs {results[0].folder} and others are not comparable: {'; '.join(differ)}"
            )


def differences(first: Made, second: Made, strict: bool = False) -> list[str]:
    """All that keeps two runs from being comparable: protocols, and test photographs under one
    name; `strict`: also training photographs, and files that changed under their names."""
    before, after = first.protocol, second.protocol
    differ = [
        f"{k}: {before.get(k)} and {after.get(k)}"
        for k in {**after, **before}
        if before.get(k) != after.get(k)
    ]
    for name, data in second.datasets.items():
        if same := first.datasets.get(name):
            moved = ["test photographs"] * (same.test.ids_digest != data.test.ids_digest)
            if strict and same.train.ids_digest != data.train.ids_digest:
                moved.append("training photographs")
            changed = strict and not moved and (same.digest or "") != (data.digest or "")
            differ += [f"{word} of {name}" for word in moved or ["source files"] * changed]
    return differ
