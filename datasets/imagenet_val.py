"""ILSVRC validation: the paper's third data set, 50,000 photographs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from bench.datasets.sources import Archive, SourceDataset, in_home, statistics
from bench.hookspecs import hookimpl
from bench.pictures.folder import Folder, Source
from bench.specs import DatasetSpec, Download

ARCHIVE = "ILSVRC2012_img_val.tar"
OFFICIAL = "ILSVRC2012_val_"


@hookimpl
def bench_register_datasets() -> Iterable[DatasetSpec]:
    """ILSVRC validation; the statistics are the authors'."""
    yield DatasetSpec(
        name="imagenet-val",
        summary="ILSVRC 2012-2015 validation: 50,000 photographs",
        factory="bench.datasets.imagenet_val:ImagenetVal",
        licence="ImageNet terms: non-commercial research and education",
        citation="Russakovsky et al. 2015, doi:10.1007/s11263-015-0816-y",
        reference_statistics=statistics(124.2, 38.43, 0.532, 0.678, 2.0, 8.6),
        photographs=50_000,
        download=Download(
            file=ARCHIVE,
            digest="md5:29b22e2961454d5413ddabcf34fc5622",
            gigabytes=6.7,
            steps="ask for an account at https://image-net.org, accept its terms, and download "
            f"'Validation images (all tasks)' of ILSVRC2012, {ARCHIVE}",
        ),
    )


class ImagenetVal(SourceDataset):
    """The official tar, or a folder of its images, flat or by class.

    An id is the official stem, `ILSVRC2012_val_00000001`, wherever the file lies, so that all
    layouts split alike; an image of another name has its relative path without the suffix.
    """

    name = "imagenet-val"

    def source(self) -> Source:
        names = ("imagenet-val", "ILSVRC2012_img_val", "val", ARCHIVE)
        path = in_home(
            self.name, self.home, names, f"{ARCHIVE} (or a folder imagenet-val of its images)"
        )
        return Folder(path) if path.is_dir() else Archive(path)

    def photo_id(self, name: PurePosixPath) -> str:
        return name.stem if name.stem.startswith(OFFICIAL) else str(name.with_suffix(""))
