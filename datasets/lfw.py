"""Labeled Faces in the Wild, deep-funnelled: the paper's first data set, 13,233 faces of 250x250
pixels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any, ClassVar

from bench.datasets.sources import Archive, SourceDataset, in_home, statistics
from bench.hookspecs import hookimpl
from bench.pictures.folder import Folder, Source
from bench.specs import DatasetSpec, Download

ARCHIVE = "lfw-deepfunneled.tgz"
FUNNELED = "lfw-funneled.tgz"


@hookimpl
def bench_register_datasets() -> Iterable[DatasetSpec]:
    """LFW.

    The paper's counts, 12,233 + 1,000, include the 39 grey-only photographs, so they are kept. The
    crop was recovered from the authors' statistics.
    """
    yield _faces(
        name="lfw",
        summary="Labeled Faces in the Wild, deep-funnelled: 13,233 faces",
        factory="bench.datasets.lfw:Lfw",
        citation="Huang et al. 2007, UMass Amherst TR 07-49; Huang et al. 2012, NIPS (deep "
        "funnelling)",
        reference_statistics=statistics(73.3, 17.77, 0.474, 0.716, 6.2, 10.3),
        download=Download(
            file=ARCHIVE,
            urls=("http://vis-www.cs.umass.edu/lfw/lfw-deepfunneled.tgz",),
            digest="md5:68331da3eb755a505a502b5aacb3c201",
            gigabytes=0.11,
            instead="lfw-funneled",
        ),
    )
    yield _faces(
        name="lfw-funneled",
        summary="Labeled Faces in the Wild, funnelled: the same 13,233 faces, aligned by an older "
        "method; not the paper's",
        factory="bench.datasets.lfw:LfwFunneled",
        citation="Huang et al. 2007, UMass Amherst TR 07-49; Huang et al. 2007, ICCV (funnelling)",
        download=Download(
            file=FUNNELED,
            urls=("https://ndownloader.figshare.com/files/5976015",),
            digest="sha256:b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a",
            gigabytes=0.24,
        ),
    )


def _faces(**own: Any) -> DatasetSpec:
    """What both alignments have in common."""
    terms = "press photographs of real people: research use only"
    return DatasetSpec(licence=terms, authors_crop=200, keep_grey=True, photographs=13_233, **own)


class Lfw(SourceDataset):
    """The folder `lfw-deepfunneled` or `lfw`, or the archive; an id is the file's stem,
    `AJ_Cook_0001`."""

    name: ClassVar[str] = "lfw"
    places: ClassVar[tuple[str, ...]] = ("lfw-deepfunneled", "lfw", ARCHIVE)

    def source(self) -> Source:
        folder, *_, archive = self.places
        path = in_home(self.name, self.home, self.places, f"{archive} (or the folder {folder})")
        return Folder(path) if path.is_dir() else Archive(path)

    def photo_id(self, name: PurePosixPath) -> str:
        return name.stem


class LfwFunneled(Lfw):
    """The same of the funnelled photographs: the folder `lfw_funneled`, or the archive."""

    name = "lfw-funneled"
    places = ("lfw_funneled", FUNNELED)
