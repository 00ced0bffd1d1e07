"""Labeled Faces in the Wild, deep-funnelled: the paper's first data set, 13,233 faces of 250x250 pixels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from bench.datasets.sources import Folder, Source, SourceDataset, Tar, in_home, statistics
from bench.hookspecs import hookimpl
from bench.specs import DatasetSpec

ARCHIVE = "lfw-deepfunneled.tgz"


@hookimpl
def bench_register_datasets() -> Iterable[DatasetSpec]:
    """LFW.

    The paper's counts, 12,233 + 1,000, include the 39 grey-only photographs, so they are kept. The crop was
    recovered from the authors' statistics.
    """
    yield DatasetSpec(
        name="lfw",
        summary="Labeled Faces in the Wild, deep-funnelled: 13,233 faces",
        factory="bench.datasets.lfw:Lfw",
        licence="press photographs of real people: research use only",
        citation="Huang et al. 2007, UMass Amherst TR 07-49; Huang et al. 2012, NIPS (deep funnelling)",
        authors_crop=200,
        keep_grey=True,
        reference_statistics=statistics(73.3, 17.77, 0.474, 0.716, 6.2, 10.3),
    )


class Lfw(SourceDataset):
    """The folder `lfw-deepfunneled` or `lfw`, or the archive; an id is the file's stem, `AJ_Cook_0001`."""

    name = "lfw"

    def source(self) -> Source:
        names = ("lfw-deepfunneled", "lfw", ARCHIVE)
        path = in_home(self.name, self.home, names, f"{ARCHIVE} (or the folder lfw-deepfunneled)")
        return Folder(path) if path.is_dir() else Tar(path)

    def photo_id(self, name: PurePosixPath) -> str:
        return name.stem
