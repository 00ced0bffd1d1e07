"""`--dataset PATH`: all images below a folder."""

from __future__ import annotations

from collections.abc import Iterable

from bench.datasets.sources import SourceDataset
from bench.errors import BenchError
from bench.hookspecs import hookimpl
from bench.pictures.folder import Folder, Source
from bench.specs import DatasetSpec


@hookimpl
def bench_register_datasets() -> Iterable[DatasetSpec]:
    """Any folder of images."""
    yield DatasetSpec(
        name="folder",
        summary="all images below a folder (--dataset PATH), at any depth",
        factory="bench.datasets.folder:FolderOfImages",
        licence="whatever the images' own is",
    )


class FolderOfImages(SourceDataset):
    """Images below `path`; an id is the path relative to it, such as `cats/tom.jpg`."""

    name = "folder"

    def source(self) -> Source:
        if self.path is None:
            raise BenchError("dataset folder needs the path of a folder of images: --dataset PATH")
        if not self.path.is_dir():
            what = "is a file" if self.path.exists() else "does not exist"
            raise BenchError(f"dataset {self.path} {what}: give a folder that holds images")
        return Folder(self.path)
