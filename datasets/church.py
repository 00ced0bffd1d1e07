"""LSUN church outdoor: the paper's second data set, the 126,227 photographs of the training list."""

from __future__ import annotations

from collections.abc import Iterable

from bench.datasets.sources import Lmdb, SourceDataset, in_home, statistics
from bench.hookspecs import hookimpl
from bench.pictures.folder import Folder, Source
from bench.specs import DatasetSpec, Download

DATABASE = "church_outdoor_train_lmdb"


@hookimpl
def bench_register_datasets() -> Iterable[DatasetSpec]:
    """LSUN church outdoor; the statistics are the authors'."""
    yield DatasetSpec(
        name="church",
        summary="LSUN church outdoor, training list: 126,227 photographs, or a folder 'church' of "
        "images",
        factory="bench.datasets.church:Church",
        licence="photographs from the web, no licence stated: research use only",
        citation="Yu et al. 2015, arXiv:1506.03365",
        reference_statistics=statistics(84.2, 24.56, 0.455, 0.705, 1.0, 0.0),
        photographs=126_227,
        download=Download(
            file=f"{DATABASE}.zip",
            urls=(f"http://dl.yf.io/lsun/scenes/{DATABASE}.zip",),
            gigabytes=2.5,
            folder=DATABASE,
        ),
    )


class Church(SourceDataset):
    """The official LMDB, whose ids are its keys; or images in a folder, whose ids are relative
    paths."""

    name = "church"

    def source(self) -> Source:
        names = (DATABASE, "church", "church_outdoor_train", "church_outdoor")
        path = in_home(
            self.name, self.home, names, f"the unzipped {DATABASE} (or a folder 'church' of images)"
        )
        return Lmdb(path) if (path / "data.mdb").is_file() else Folder(path)
