"""Methods: what they are given, and what they are asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, reason
from bench.store.stored import AGAIN

if TYPE_CHECKING:
    import torch

    from bench.contracts.colour_weights import ColourWeights
    from bench.contracts.datasets import Law, PreparedSet
    from bench.contracts.execution import Progress
    from bench.contracts.samples import ColorDistribution, SampleSet
    from bench.protocol import Protocol
    from bench.store.local import Store


@dataclass(frozen=True)
class FitContext:
    """What `Method.fit` gets beside the training photographs.

    parts: fitted methods by the name of the parameter that requires them. part_keys: of their fits
    in the store, by the same names: what is derived from a part, and kept, is kept by its key.
    seed: of everything random. notes: facts about the fit that are kept with it and shown (final
    losses, active dimensions, ...); one named `caution` is also among what a report says before any
    table.

    precision: `float32` or `bfloat16`, what networks compute with inside. devices, nodes, strategy:
    how many accelerators a training uses on each of how many machines, and how (names of
    Lightning's; 1, 1 and `auto` in most runs). work: a folder of this fit's own that outlives a
    kill, for checkpoints of the training; it is gone once the fit is stored. cache_budget: bytes of
    disk that features and the like may take before they are computed again instead.
    """

    seed: int
    device: str
    protocol: Protocol
    weights: ColourWeights
    parts: Mapping[str, Method]
    part_keys: Mapping[str, str] = field(kw_only=True)
    store: Store
    progress: Progress
    notes: dict[str, Any] = field(default_factory=dict)
    precision: str = "float32"
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
    work: Path | None = None
    cache_budget: int = 24 * 2**30

    def __post_init__(self) -> None:
        for name in self.parts:
            if not self.part_keys.get(name):
                raise ValueError(
                    f"part {name} has no key: FitContext.part_keys names the fit of every part"
                )


@dataclass(frozen=True)
class Revealed:
    """What a method is shown that `sees` more than a photograph's lightness: L `(B, 1, 256, 256)`,
    and of truth `(B, 2, 64, 64)`, law and ids what its spec names (`identity`: the photographs'
    ids)."""

    grey: torch.Tensor
    truth: torch.Tensor | None = None
    law: Law | None = None
    ids: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Wanted:
    """What a method that sees the identity of photographs will be asked for.

    digest: of the data set's content. ids: of the test photographs; listed: of the whole test part,
    before a limit and before any was left out. The protocol says how they were prepared, and has
    `k` and `draws`.
    """

    dataset: str
    digest: str
    ids: tuple[str, ...]
    listed: tuple[str, ...]
    protocol: Protocol


class Method(ABC):
    """A conditional distribution over colour fields, fitted and then asked.

    The constructor stores the declared parameters and does nothing else::

        class Grey(Method):
            def __init__(self, *, level: float = 0.0) -> None:
                self.level = level

            def fit(self, train, context): ...

            def predict(self, grey, seeds):
                return GreyDistribution(grey, self.level)

            def save(self, folder): ...

            def load(self, folder, context): ...
    """

    def incompatible(self, dataset: str, count: int) -> str | None:
        """Why this method can't be fitted, or None.

        Parameters
        ----------
        dataset : str
            Name of the data set.
        count : int
            How many training photographs it has.
        """
        return None

    def lacking(self, wanted: Wanted) -> str | None:
        """What is missing of what a method that sees `identity` brings with it, or None; asked
        before anything is sampled."""
        return None

    @abstractmethod
    def fit(self, train: PreparedSet, context: FitContext) -> None:
        """Learn from the training photographs.

        Parameters
        ----------
        train : PreparedSet
            Lightness `train.grey(rows)` and colour fields `train.truth(rows)`, read from the disk
            as they are asked for.
        context : FitContext
            The seed of all that is random, the device, the fitted parts, the store and more.

        Raises
        ------
        BenchError
            With one line that says what is wrong and what to do. The cell is then a row that says
            so; the other methods go on.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what `fit` learnt.

        Parameters
        ----------
        folder : Path
            An empty folder. The store refuses files that do not end in `.safetensors`, `.json` or
            `.npy`; `bench.extend.save_weights` writes a network.
        """

    @abstractmethod
    def load(self, folder: Path, context: FitContext) -> None:
        """Read what `save` wrote, onto `context.device`.

        Parameters
        ----------
        folder : Path
            What `save` was given. Nothing in it is ever unpickled.
        context : FitContext
            As `fit` had it.
        """

    @abstractmethod
    def predict(self, grey: torch.Tensor, seeds: Sequence[int]) -> ColorDistribution:
        """The distribution of colour fields for some grey photographs.

        Parameters
        ----------
        grey : Tensor `(B, 1, 256, 256)`
            Lightness L, 0 to 100, float32.
        seeds : sequence of int
            One a photograph: the only source of randomness.

        Returns
        -------
        ColorDistribution
            Its fields are `(2, 64, 64)`, a and b in CIELAB units.
        """

    def reveal(self, shown: Revealed, seeds: Sequence[int]) -> ColorDistribution:
        """`predict` for a method whose spec says that it `sees` more: the truth, the law, the
        identity of photographs."""
        raise BenchError(f"{type(self).__name__} is shown nothing but the grey photograph")

    def reconstruct(self, ab: torch.Tensor, seeds: Sequence[int]) -> SampleSet:
        """What a codec makes of true colour fields.

        Parameters
        ----------
        ab : Tensor `(B, 2, 64, 64)`
            The truth, in CIELAB units.
        seeds : sequence of int
            One a photograph.

        Returns
        -------
        SampleSet
            Fields `(B, 1, 2, 64, 64)` of kind `reconstruction`.
        """
        raise BenchError(f"{type(self).__name__} does not reconstruct")


def restore(method: Method, folder: Path, context: FitContext) -> None:
    """Have a method read what it saved. BenchError where it can't, of whatever kind its own error
    is."""
    try:
        method.load(folder, context)
    except BenchError:
        raise
    except Exception as error:
        raise BenchError(
            f"{type(method).__name__} can't read what it learned from {folder} ({reason(error)}): "
            f"{AGAIN}"
        ) from error
