"""Reads what another program left in a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from bench.contracts import (
    ColorDistribution,
    FitContext,
    Method,
    PreparedSet,
    Revealed,
    SampleSet,
    Wanted,
)
from bench.errors import BenchError
from bench.exchange import check, field_files, layout
from bench.exchange.colourizations import Colourizations, find
from bench.pictures.images import Unreadable
from bench.protocol import Protocol
from bench.specs import Kind


class Precomputed(Method):
    """Nothing is learnt: the n-th colourization of a photograph is its n-th file. `bench
    export-inputs` writes what the other program needs, and `bench check-outputs` says what is wrong
    with its outputs.

    kind: what the files of a photograph are: `iid`, independent draws (the first ones are also what
    is presented; that they are independent is the claim of whoever made them, and reports say so);
    `modes` or `centroids`, the most important first; or `point`, one file.
    """

    protocol: Protocol

    def __init__(self, *, folder: str, kind: Kind) -> None:
        self.folder = folder
        self.kind = kind

    def lacking(self, wanted: Wanted) -> str | None:
        return check.check(self._path, wanted, self.kind).line() or None

    def fit(self, train: PreparedSet, context: FitContext) -> None:
        self.protocol = context.protocol
        context.notes["kind"] = self.kind
        context.notes["files"] = self._found.count
        if cautions := list(self._cautions()):
            context.notes["caution"] = "; ".join(cautions)

    def save(self, folder: Path) -> None:
        pass

    def load(self, folder: Path, context: FitContext) -> None:
        self.protocol = context.protocol

    def predict(self, grey: Tensor, seeds: Sequence[int]) -> ColorDistribution:
        raise BenchError(
            "precomputed can't tell a photograph by its lightness: ask `reveal`, with ids"
        )

    def reveal(self, shown: Revealed, seeds: Sequence[int]) -> ColorDistribution:
        if shown.ids is None:
            raise BenchError("precomputed must be shown the photographs' ids")
        return Files(shown.ids, self._found, self.kind, self.protocol)

    @property
    def _path(self) -> Path:
        return Path(self.folder).expanduser()

    @cached_property
    def _found(self) -> Colourizations:
        return find(self._path)

    def _cautions(self) -> Iterator[str]:
        if layout.read_record(self._path) is None:
            yield f"no copy of {layout.RECORD} lies beside its files: which inputs they were made from is not checked"
        if self.kind == "iid" and (same := check.repeated(self._found)):
            yield f"identical files are said to be independent draws of {len(same):,} photograph(s), first {same[0]}"


class Files(ColorDistribution):
    """The files of some photographs."""

    seeds: Sequence[int] = ()

    def __init__(
        self, images: Sequence[str], found: Colourizations, kind: Kind, protocol: Protocol
    ) -> None:
        self.images, self.found, self.kind, self.protocol = images, found, kind, protocol

    def present(self, k: int) -> SampleSet:
        """The first k files, with their weights; the only one of a point estimate."""
        count = 1 if self.kind == "point" else k
        return SampleSet(self._first(count), self.kind, self._weights(count), n_drawn=count)

    def sample(self, n: int) -> SampleSet:
        """The first n files, each once."""
        if self.kind != "iid":
            raise BenchError(
                f"the files are stated to be {self.kind}: independent draws are kind=iid"
            )
        return SampleSet(self._first(n), "iid", n_drawn=n)

    def _first(self, count: int) -> Tensor:
        return torch.stack(
            [
                torch.stack([self._read(path) for path in self._paths(image, count)])
                for image in self.images
            ]
        )

    def _paths(self, image: str, count: int) -> list[Path]:
        paths = self.found.paths(image)
        if len(paths) < count:
            raise BenchError(
                f"outputs of {image}: {len(paths)} of {count} files are in {self.found.folder}"
            )
        return paths[:count]

    def _read(self, path: Path) -> Tensor:
        try:
            return torch.from_numpy(field_files.read(path, self.protocol))
        except Unreadable as error:
            raise BenchError(
                f"{path}: {error}; `bench check-outputs` lists all such files"
            ) from error

    def _weights(self, count: int) -> Tensor | None:
        """Of the first files, `(B, count)`, or none: equal."""
        given = [self.found.weights_of(image) for image in self.images]
        if self.kind not in ("modes", "centroids") or None in given:
            return None
        kept = torch.tensor(
            [some[:count] for some in given if some is not None], dtype=torch.float64
        )
        return (kept / kept.sum(1, keepdim=True)).float()
