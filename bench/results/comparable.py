"""Whether runs can be compared: they were made under one protocol, on the same photographs."""

from __future__ import annotations

from collections.abc import Sequence

from bench.errors import NotComparable
from bench.results.run_folder import Results


def check_comparable(results: Sequence[Results], strict: bool = False) -> None:
    """Refuse runs under different protocols, or on different photographs under one name; `strict`:
    as `differences` says."""
    for other in results[1:]:
        if differ := differences(results[0], other, strict):
            raise NotComparable(
                f"runs {results[0].folder} and others are not comparable: {'; '.join(differ)}"
            )


def differences(first: Results, second: Results, strict: bool = False) -> list[str]:
    """All that keeps two runs from being comparable: protocols, and test photographs under one
    name; `strict`: also training photographs, and files that changed under their names."""
    mine, other = first.manifest, second.manifest
    before, after = mine["protocol"], other["protocol"]
    differ = [
        f"{k}: {before.get(k)} and {after.get(k)}"
        for k in {**after, **before}
        if before.get(k) != after.get(k)
    ]
    parts = {"test": "test photographs", **({"train": "training photographs"} if strict else {})}
    for name, data in other["datasets"].items():
        if same := mine["datasets"].get(name):
            moved = [
                word
                for part, word in parts.items()
                if same[part].get("ids_digest") != data[part].get("ids_digest")
            ]
            changed = strict and not moved and same.get("digest") != data.get("digest")
            differ += [
                f"{word} of {name}" for word in (moved or (["source files"] if changed else []))
            ]
    return differ
