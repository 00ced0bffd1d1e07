"""The contracts between the core and the shelves.

Units everywhere: CIELAB (D65, sRGB, scikit-image's convention), float32; L in 0..100, ab unscaled.
Shapes: B photographs, k colourizations, h = w = 64 unless said otherwise.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from bench.errors import BenchError
from bench.specs import PRESENTED, Kind

if TYPE_CHECKING:
    import numpy as np
    import torch

    from bench.contracts.colour_weights import ColourWeights
    from bench.data.prepare import PreparedSet
    from bench.pictures.images import Prepared, Unreadable
    from bench.protocol import Protocol as BenchProtocol
    from bench.store.local import Store

KINDS: tuple[Kind, ...] = (*PRESENTED, "reconstruction")


@dataclass(frozen=True)
class Photo:
    """A photograph of a data set: a stable id and the SHA-256 of its source file's bytes."""

    id: str
    digest: str


@dataclass(frozen=True)
class SampleSet:
    """Colour fields for a batch of photographs, and what they are.

    ab: `(B, k, 2, h, w)` float32, CIELAB units. kind: `iid` draws from one distribution, `modes` of
    it, `centroids` of clustered draws, `point` estimates, or a `reconstruction` made with sight of
    the truth. weights: `(B, k)` summing to 1 over k, or None (equal). n_drawn: draws that stand
    behind the k fields. log_prob: the method's log density `(B,)` of the truth, in nats, where it
    has one.
    """

    ab: torch.Tensor
    kind: Kind
    weights: torch.Tensor | None = None
    n_drawn: int = 0
    log_prob: torch.Tensor | None = None

    def __post_init__(self) -> None:
        if self.ab.ndim != 5 or self.ab.shape[2] != 2:
            raise ValueError(f"SampleSet.ab must be (B, k, 2, h, w), not {tuple(self.ab.shape)}")
        if self.kind not in KINDS:
            raise ValueError(f"SampleSet.kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        if self.weights is not None and self.weights.shape != self.ab.shape[:2]:
            raise ValueError(
                f"SampleSet.weights must be {tuple(self.ab.shape[:2])}, not "
                f"{tuple(self.weights.shape)}"
            )


class ColorDistribution(ABC):
    """P(C | G) for a batch of grey photographs.

    `seeds`, one a photograph, is the only source of randomness: the harness asks for one draw at a
    time through `reseeded`, and then again from the beginning, to see that no draw depends on
    another.
    """

    seeds: Sequence[int]

    @abstractmethod
    def present(self, k: int) -> SampleSet:
        """The k colourizations that the method would show a person."""

    def sample(self, n: int) -> SampleSet:
        """n independent draws, kind `iid`; the first five of ten are the five. BenchError where
        there are none."""
        raise BenchError(f"{type(self).__name__} can't draw independent samples")

    def reseeded(self, seeds: Sequence[int]) -> Self:
        """The same distribution with other seeds, one a photograph."""
        twin = copy.copy(self)
        twin.seeds = seeds
        return twin

    def mean(self) -> torch.Tensor:
        """One point estimate `(B, 2, h, w)`."""
        raise BenchError(f"{type(self).__name__} has no mean")

    def log_prob(self, ab: torch.Tensor) -> torch.Tensor:
        """Log density `(B,)` of colour fields `(B, 2, h, w)`, in nats, in the space that the method
        documents."""
        raise BenchError(f"{type(self).__name__} has no density")


class ProgressTask(Protocol):
    """A running bar."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Some steps are done; `note` is shown beside the bar."""


class Progress(Protocol):
    """What shows people how far things are."""

    def task(self, description: str, total: int) -> AbstractContextManager[ProgressTask]:
        """A bar of `total` steps, for the length of a `with` block."""

    def say(self, line: str) -> None:
        """One line of text."""


class Step(Protocol):
    """Hears of what begins."""

    def __call__(self, what: str, limited: bool, blamed: Sequence[str] = ()) -> None:
        """What, whether the limits hold for it, and metrics or reports that can be left out if it
        passes one."""


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
    protocol: BenchProtocol
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
    protocol: BenchProtocol


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
        """Why this method can't be fitted on `count` training photographs of `dataset`, or None."""
        return None

    def lacking(self, wanted: Wanted) -> str | None:
        """What is missing of what a method that sees `identity` brings with it, or None; asked
        before anything is sampled."""
        return None

    @abstractmethod
    def fit(self, train: PreparedSet, context: FitContext) -> None:
        """Learn from the training photographs."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what `fit` learnt: safetensors and JSON only."""

    @abstractmethod
    def load(self, folder: Path, context: FitContext) -> None:
        """Read what `save` wrote, onto `context.device`; nothing is ever unpickled."""

    @abstractmethod
    def predict(self, grey: torch.Tensor, seeds: Sequence[int]) -> ColorDistribution:
        """The distribution for grey photographs `(B, 1, 256, 256)`, L in 0..100; one seed a
        photograph."""

    def reveal(self, shown: Revealed, seeds: Sequence[int]) -> ColorDistribution:
        """`predict` for a method whose spec says that it `sees` more: the truth, the law, the
        identity of photographs."""
        raise BenchError(f"{type(self).__name__} is shown nothing but the grey photograph")

    def reconstruct(self, ab: torch.Tensor, seeds: Sequence[int]) -> SampleSet:
        """A codec's reconstruction of true colour fields `(B, 2, 64, 64)`, kind `reconstruction`, k
        = 1."""
        raise BenchError(f"{type(self).__name__} does not reconstruct")


@dataclass(frozen=True)
class ScoreContext:
    """What a metric is told beside the samples and the truth, for the same B photographs.

    weights: colour-rarity weights of the train split. prior: its shares of Zhang's 313 bins,
    floored `(313,)`. scale: ab is divided by it in errors. grey: L `(B, 1, 256, 256)`, 0..100.
    seeds: one a photograph, the same for every method. law: the known P(C | G), if any.
    """

    weights: ColourWeights
    prior: np.ndarray
    scale: float
    grey: torch.Tensor
    seeds: Sequence[int]
    law: Law | None = None
    _made: dict[str, Any] = field(default_factory=dict, repr=False)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` returns, made once for these samples: metrics share costly things, such as
        RGB pictures."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]


@dataclass(frozen=True)
class Score:
    """One named column of per-photograph values: region `all` or `grid`; `variant` tells
    conventions apart.

    n: how many of the samples stand behind a value (0: all of them). NaN where a photograph has no
    value, never where something went wrong.
    """

    variant: str
    region: str
    values: np.ndarray
    n: int = 0


@dataclass(frozen=True)
class SetScore:
    """One value of a whole test set, with the metric's own 95 % interval (NaN: none)."""

    variant: str
    value: float
    low: float = float("nan")
    high: float = float("nan")


class Metric(ABC):
    """A function of sample sets and truths that gives one value a photograph.

    The harness makes a new object for every cell, calls `score` for batch after batch, and `finish`
    at the end.
    """

    @abstractmethod
    def score(self, samples: SampleSet, truth: torch.Tensor, context: ScoreContext) -> list[Score]:
        """Scores of a batch; truth `(B, 2, h, w)`. BenchError where these samples have none, with
        the reason."""

    def combine(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Values of the whole set from the metric's own columns over photographs: ratios, distances
        of moments.

        columns: variant -> `(..., N)`, region `all`. Returns variant -> `(...)`: photographs are
        reduced, and the harness takes the interval by resampling them.
        """
        return {}

    def finish(self) -> list[SetScore]:
        """Values of the whole set that a few numbers a photograph don't give; the metric brings its
        own interval."""
        return []


class Law(ABC):
    """The known P(C | G) of B drawn photographs."""

    @abstractmethod
    def sample(self, n: int, seeds: Sequence[int]) -> torch.Tensor:
        """n independent draws `(B, n, 2, 64, 64)`, one seed a photograph; the first five of ten are
        the five."""

    @abstractmethod
    def log_prob(self, ab: torch.Tensor) -> torch.Tensor:
        """Log probability or density `(B, n)` of fields `(B, n, 2, 64, 64)`, in nats; -inf where it
        is 0."""

    @abstractmethod
    def distance(self, ab: torch.Tensor) -> torch.Tensor:
        """An unbiased estimate `(B,)` of a squared distance between this law and the one that the n
        draws `(B, n, 2, 64, 64)` are from, in the law's own coordinates: its expectation is 0 for
        the law alone."""

    def modes(self) -> list[tuple[torch.Tensor, torch.Tensor]] | None:
        """For each photograph its modes `(m, 2, 64, 64)` and their probabilities `(m,)`; None for a
        continuous law."""
        return None


class Dataset(ABC):
    """A source of photographs: it lists them and hands over their bytes; the core decodes and
    prepares."""

    @abstractmethod
    def signature(self) -> str:
        """A cheap fingerprint (names, sizes, times): while it stays the same, stored digests are
        believed."""

    @abstractmethod
    def files(self) -> list[str]:
        """Sorted ids of all photographs, whether they can be read or not. BenchError when there are
        none."""

    def left_out(self) -> Mapping[str, str]:
        """What `files`, which was called before, found and did not list though it may be a
        photograph, or listed though it can't be opened: name or id -> why. The signature follows
        it."""
        return {}

    @abstractmethod
    def read(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes | Unreadable]]:
        """The source bytes of the wanted photographs, in whatever order is fast;
        `bench.pictures.images.Unreadable` in place of those that can't be read now."""

    def split(self, ids: Sequence[str]) -> tuple[list[str], list[str]] | None:
        """The set's own (train, test), or None for the protocol's random split."""
        return None

    def place(self) -> Path | None:
        """The file or folder that the photographs lie in; None where there is no such one.
        BenchError when it is not there."""
        return None

    def develop(self, data: bytes, protocol: BenchProtocol, crop: int | None) -> Prepared:
        """A photograph's source bytes as lightness and colour field. Raises
        `bench.pictures.images.Unreadable`. Several threads call it at the same time."""
        from bench.pictures import images

        whole = crop is None or protocol.crop != "authors"
        return images.prepare(images.decode(data, reduce=whole).levels, protocol, crop)

    def law(self, ids: Sequence[str]) -> Law:
        """The known P(C | G) of some photographs; only where the spec says `known_law`."""
        raise BenchError(f"{type(self).__name__} has no known law")
