"""Data sets: sources of photographs, their known laws, and what became of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import keys
from bench.errors import BenchError
from bench.machine.memory import give_back

if TYPE_CHECKING:
    import numpy as np
    import torch

    from bench.pictures.images import Prepared, Unreadable
    from bench.protocol import Protocol

LEVELS = 65535 / 100
"""L is kept in 16 bits: a step of 0.0015."""


@dataclass(frozen=True)
class Photo:
    """A photograph of a data set: a stable id and the SHA-256 of its source file's bytes."""

    id: str
    digest: str


@dataclass(frozen=True)
class PreparedSet:
    """Photographs of one part of a split, as memory-mapped arrays.

    ab: `(N, 2, 64, 64)` float32, CIELAB units. grey_codes: `(N, 256, 256)` uint16, L in steps of
    0.0015. excluded: id -> reason, for photographs that were left out. grey_only: ids without any
    colour that were kept.
    """

    dataset: str
    key: str
    ids: tuple[str, ...]
    ab: np.ndarray
    grey_codes: np.ndarray
    excluded: dict[str, str]
    grey_only: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def grey(self, index: slice | Sequence[int] | np.ndarray) -> torch.Tensor:
        """L `(B, 1, 256, 256)` of some photographs, 0..100."""
        import numpy as np
        import torch

        light = self.grey_codes[index].astype(np.float32) / np.float32(LEVELS)
        give_back(self.grey_codes)
        return torch.from_numpy(light)[:, None]

    def truth(self, index: slice | Sequence[int] | np.ndarray) -> torch.Tensor:
        """True colour fields `(B, 2, 64, 64)`."""
        import numpy as np
        import torch

        fields = np.array(self.ab[index])
        give_back(self.ab)
        return torch.from_numpy(fields)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What a manifest says of this part."""
        return {
            "photographs": len(self.ids),
            "ids_digest": keys.digest_of(self.ids),
            "excluded": self.excluded,
            "grey_only_kept": list(self.grey_only),
        }


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
        """Read the files of some photographs.

        Parameters
        ----------
        wanted : collection of str
            Their ids.

        Yields
        ------
        tuple of str and bytes
            Id and source bytes, in whatever order is fast. `bench.pictures.images.Unreadable`
            stands in place of bytes that can't be read now.
        """

    def split(self, ids: Sequence[str]) -> tuple[list[str], list[str]] | None:
        """The set's own split.

        Parameters
        ----------
        ids : sequence of str
            Of all photographs that can be opened, sorted.

        Returns
        -------
        tuple of two lists of str, or None
            Ids to train and to test with; None: the protocol splits at random.
        """
        return None

    def place(self) -> Path | None:
        """The file or folder that the photographs lie in; None where there is no such one.
        BenchError when it is not there."""
        return None

    def develop(self, data: bytes, protocol: Protocol, crop: int | None) -> Prepared:
        """Turn a photograph's bytes into lightness and colour field. Several threads call it at the
        same time.

        Parameters
        ----------
        data : bytes
            The source file.
        protocol : Protocol
            How it is cropped and resized.
        crop : int or None
            Side of the authors' centre crop, in source pixels.

        Returns
        -------
        Prepared
            L `(256, 256)`, 0 to 100, and ab `(2, 64, 64)`, float32.

        Raises
        ------
        bench.pictures.images.Unreadable
            Where the bytes are no photograph; it is left out, counted and named.
        """
        from bench.pictures import images

        whole = crop is None or protocol.crop != "authors"
        return images.prepare(images.decode(data, reduce=whole).levels, protocol, crop)

    def law(self, ids: Sequence[str]) -> Law:
        """The known P(C | G) of some photographs, for a set that is drawn.

        Raises
        ------
        BenchError
            Unless the spec says `known_law`.
        """
        raise BenchError(f"{type(self).__name__} has no known law")
