"""Cheats: small methods that try to win a metric without a better conditional distribution."""

from __future__ import annotations

from collections.abc import Iterable

from bench.hookspecs import hookimpl
from bench.specs import MethodSpec, Parameter

CHEATS = {
    "over-dispersed": "draws of the law, one and a half times as far from its mean",
    "under-dispersed": "draws of the law, half as far from its mean",
    "repeated": "one draw of the law, given every time",
    "mean-only": "the law's mean, given every time",
    "mean-shift": "the law's mean, moved by one of five fixed colours",
    "blend": "the average of two draws of the law: duller, but plausible everywhere",
    "likeliest": "the likeliest of many draws of the law, given every time",
    "sharpened": "the likelier of two draws of the law",
    "hedge": "the law's mean half of the time, else a draw of the law",
    "marginal": "the truth of another photograph",
    "permuted": "the photograph's own truth, its quarters exchanged",
    "one-perfect": "the truth once in five times, else random colours",
    "noise": "the law's mean with independent noise of the law's own variance at every pixel",
    "speckle": "every pixel from another draw of the law: the right marginals, no coherence",
    "halves": "the left half from one draw of the law, the right half from another",
    "centroids": "ten k-means centroids of draws of the law, handed out in turn as if they were "
    "draws",
    "repelled": "draws of the law pushed away from those that were made before",
    "mirrored": "every second draw is the one before it, mirrored at the law's mean",
}
"""What `how` may be. The last three make draws that depend on one another."""


@hookimpl
def bench_register_methods() -> Iterable[MethodSpec]:
    """All cheats are one method with a parameter."""
    yield MethodSpec(
        name="cheat",
        summary="sees the law and the truth, and misuses them to win a metric: none may rank above "
        "true-law",
        factory="bench.methods.cheat_model:Cheat",
        parameters=(
            Parameter(
                "how",
                "str",
                "over-dispersed",
                "the trick; `bench show cheat` explains them",
                tuple(CHEATS),
            ),
        ),
        role="control",
        present_kind="iid",
        capabilities=frozenset({"sample"}),
        sees=frozenset({"truth", "law"}),
        licence="Apache-2.0",
        citation="own work: no publication",
    )
