"""Protocols: the named, hashed choices under which two results may be compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from bench import keys
from bench.errors import BenchError
from bench.hookspecs import hookimpl
from bench.specs import Parameter, ProtocolSpec

if TYPE_CHECKING:
    from bench.store.forms import Choices


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How photographs are prepared, split and scored.

    crop: `authors` (a data set's declared centre crop, else the whole photograph) or `square`
    (centre square). scale: ab is divided by this in reported errors (the paper's range is [-1, 1]).
    test_size: random test photographs; a set smaller than `small_set` gives the share `test_share`
    instead. k: colourizations that a method presents; draws: independent draws of every
    distribution, for fair scores. weights: colour-rarity weights, see
    `bench.contracts.colour_weights`; weight_floor: the smallest probability. version: of the
    preparation; since 2 colour profiles are followed.
    """

    name: str
    crop: Literal["authors", "square"]
    antialias: bool
    k: int = 5
    draws: int = 10
    test_size: int = 1000
    test_share: float = 0.1
    small_set: int = 5000
    split_seed: int = 0
    weights: str = "channel64"
    weight_floor: float = 1e-5
    ab_size: int = 64
    grey_size: int = 256
    scale: float = 128.0
    version: str = "2"

    @classmethod
    def of(cls, described: Mapping[str, Any], place: Path) -> Protocol:
        """The protocol that `describe` gave. BenchError where a file of another version of huebench
        has other choices."""
        from bench.store import forms, records

        if odd := sorted(described.keys() ^ cls.__dataclass_fields__.keys()):
            raise BenchError(
                f"{place} is of another version of huebench (protocol: {', '.join(odd)[:80]}): "
                "make it again"
            )
        return cls(**records.checked(described, forms.Choices, f"{place}: protocol"))

    def describe(self) -> Choices:
        """All choices, JSON-able."""
        return cast("Choices", asdict(self))

    @property
    def digest(self) -> str:
        """Two results are comparable only if this agrees."""
        return keys.key("protocol", **self.describe())

    @property
    def preparation(self) -> dict[str, Any]:
        """The choices that the prepared arrays depend on."""
        return {
            n: getattr(self, n) for n in ("crop", "antialias", "ab_size", "grey_size", "version")
        }


def _parameters(antialias: bool) -> tuple[Parameter, ...]:
    return (
        Parameter(
            "k", "int", 5, "colourizations that a method presents for each photograph", minimum=1
        ),
        Parameter(
            "draws",
            "int",
            10,
            "independent draws of each photograph's distribution, for fair scores",
            minimum=1,
        ),
        Parameter("test_size", "int", 1000, "random test photographs of a large set", minimum=1),
        Parameter("split_seed", "int", 0, "seed of the random split", minimum=0),
        Parameter("antialias", "bool", antialias, "antialiased resizing"),
        Parameter(
            "weights",
            "str",
            "channel64",
            "colour-rarity weights",
            ("channel64", "joint64", "zhang313"),
        ),
        Parameter(
            "weight_floor",
            "float",
            1e-5,
            "smallest probability in a weight 1/p",
            minimum=1e-12,
            maximum=1,
        ),
    )


def make_paper(**parameters: Any) -> Protocol:
    """The paper's preparation (Deshpande et al. 2017, section 7.1; sizes of section 6.1)."""
    return Protocol(name="paper", crop="authors", **parameters)


def make_square(**parameters: Any) -> Protocol:
    """Centre square and antialiased resizing: the practice of later work."""
    return Protocol(name="square", crop="square", **parameters)


@hookimpl
def bench_register_protocols() -> Iterable[ProtocolSpec]:
    """The two built-in protocols."""
    yield ProtocolSpec(
        name="paper",
        summary="as the paper's authors: their crops, 64x64 ab and 256x256 L, bilinear without "
        "antialiasing",
        factory="bench.protocol:make_paper",
        parameters=_parameters(antialias=False),
        citation="Deshpande et al. 2017, arXiv:1612.01958",
    )
    yield ProtocolSpec(
        name="square",
        summary="centre square, antialiased: the practice of later work",
        factory="bench.protocol:make_square",
        parameters=_parameters(antialias=True),
    )
