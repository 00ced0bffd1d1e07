"""The embedded set: crops of six colour photographs that the wheels of scikit-image and
scikit-learn carry.

It demonstrates and proves nothing: six scenes, and the test crops show other regions of the
training scenes. It is there so that everything can be tried without a download.

| photograph | origin | licence |
|---|---|---|
| astronaut | NASA, Great Images: Eileen Collins (https://flic.kr/p/r9qvLn) | public domain |
| chelsea | Stefan van der Walt, in scikit-image | CC0 |
| coffee | Rachel Michetti, courtesy of Pikolo Espresso Bar, in scikit-image | CC0 |
| rocket | SpaceX, DSCOVR on Falcon 9 (https://www.flickr.com/photos/spacexphotos/16511594820/) | public domain |
| china | danielbuechele (https://www.flickr.com/photos/danielbuechele/6061409035/), in scikit-learn | CC BY 2.0 |
| flower | vultilion (https://www.flickr.com/photos/vultilion/6056698931/), in scikit-learn | CC BY 2.0 |

scikit-learn's note on `flower` repeats the name of `china`'s author; its link names vultilion. Left
out: pictures that are no everyday photographs (Hubble's, a retina, stained tissue, a colour wheel)
and the stereo motorcycle, whose source states no licence.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench import keys
from bench.contracts import Dataset
from bench.errors import BenchError
from bench.hookspecs import hookimpl
from bench.specs import DatasetSpec

if TYPE_CHECKING:
    import numpy as np

Part = Literal["train", "test"]

RECIPE = "2"
"""Raise it when ids or pixels of crops change."""
WHEELS = {"skimage": "scikit-image", "sklearn": "scikit-learn"}
SIDES: dict[Part, tuple[int, ...]] = {"train": (96, 144, 208), "test": (96, 128)}
"""Sides of the square crops, in pixels."""
MOST: dict[Part, int] = {"train": 50, "test": 8}
"""At most so many crops of one photograph, so that none dominates."""
TRAIN_SHARE, TEST_SHARE = 0.66, 0.30
"""Of a photograph's columns; the gap between the regions is the rest."""
STEP = 0.6
"""From a crop to the next, in sides: neighbours overlap by at most half."""
LEAST_SATURATION, LEAST_CONTRAST = 20, 12
"""Mean of max(R, G, B) - min(R, G, B), and standard deviation of (R + G + B) / 3, both of 0..255: a
crop below either is colourless or nearly uniform. Not CIELAB, so that whole numbers decide, alike
on every machine."""


@hookimpl
def bench_register_datasets() -> Iterable[DatasetSpec]:
    """The set that needs no download."""
    yield DatasetSpec(
        name="demo",
        summary="embedded crops of six photographs: demonstrates and proves nothing",
        factory="bench.datasets.demo:Demo",
        licence="public domain and CC0; china by danielbuechele and flower by vultilion: CC BY 2.0",
        citation="photographs that scikit-image and scikit-learn carry",
        caution="crops of six photographs, which training and test crops share: this shows how "
        "things work and proves nothing, and "
        "intervals and tests, which take crops for independent photographs, are too sure",
    )


@dataclass(frozen=True)
class Photograph:
    """A file in a package; `test_side` is where the test region lies, chosen for its colours."""

    name: str
    package: str
    file: str
    test_side: Literal["left", "right"]


PHOTOGRAPHS = (
    Photograph("astronaut", "skimage", "data/astronaut.png", "left"),
    Photograph("chelsea", "skimage", "data/chelsea.png", "right"),
    Photograph("coffee", "skimage", "data/coffee.png", "right"),
    Photograph("rocket", "skimage", "data/rocket.jpg", "left"),
    Photograph("china", "sklearn", "datasets/images/china.jpg", "left"),
    Photograph("flower", "sklearn", "datasets/images/flower.jpg", "right"),
)


@dataclass(frozen=True)
class Crop:
    """A square of a photograph, in its pixels; the id's number is the position on the grid of
    candidates."""

    id: str
    left: int
    top: int
    side: int

    def of(self, pixels: np.ndarray) -> np.ndarray:
        """`(side, side, 3)` of `(H, W, 3)`."""
        return pixels[self.top : self.top + self.side, self.left : self.left + self.side]


class Demo(Dataset):
    """Square PNG crops, `train/astronaut-0012`; train and test are disjoint regions of each
    photograph."""

    def __init__(self, path: Path | None = None, home: Path | None = None) -> None:
        self.path = path
        self.home = home

    def signature(self) -> str:
        return keys.digest_of(
            ["demo", RECIPE, *(f"{wheel}=={_version(wheel)}" for wheel in WHEELS.values())]
        )

    def files(self) -> list[str]:
        return sorted(
            crop.id
            for photograph in PHOTOGRAPHS
            for crop in crops(photograph, pixels_of(photograph))
        )

    def read(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        left = set(wanted)
        for photograph in PHOTOGRAPHS:
            pixels = pixels_of(photograph)
            for crop in crops(photograph, pixels):
                if crop.id in left:
                    left.remove(crop.id)
                    yield crop.id, _png(crop.of(pixels))
        if left:
            raise BenchError(f"dataset demo has no crop '{min(left)}'")

    def split(self, ids: Sequence[str]) -> tuple[list[str], list[str]] | None:
        """By region; both parts in an order of no meaning, so that every prefix holds all
        photographs."""
        order = sorted(ids, key=keys.sha256)
        return [i for i in order if i.startswith("train/")], [
            i for i in order if i.startswith("test/")
        ]


def crops(photograph: Photograph, pixels: np.ndarray) -> list[Crop]:
    """The crops of both regions, those without colour or contrast left out, evenly thinned to
    `MOST`."""
    found: list[Crop] = []
    for part in SIDES:
        kept = [
            c
            for c in _candidates(photograph, part, *pixels.shape[:2])
            if _is_colourful(c.of(pixels))
        ]
        count = min(len(kept), MOST[part])
        found += [kept[i * len(kept) // count] for i in range(count)]
    return found


def columns(photograph: Photograph, part: Part, width: int) -> tuple[int, int]:
    """First column and end of a part's region."""
    share = TRAIN_SHARE if part == "train" else TEST_SHARE
    on_the_left = (photograph.test_side == "left") == (part == "test")
    extent = int(share * width)
    return (0, extent) if on_the_left else (width - extent, width)


def pixels_of(photograph: Photograph) -> np.ndarray:
    """`(H, W, 3)` uint8, sRGB."""
    from bench.pictures import images

    found = find_spec(photograph.package)
    folders = (found.submodule_search_locations or []) if found else []
    path = next(
        (p for p in (Path(folder, photograph.file) for folder in folders) if p.is_file()), None
    )
    if path is None:
        wheel = WHEELS[photograph.package]
        raise BenchError(
            f"dataset demo: {wheel} lacks {photograph.file} here: reinstall it (pip install "
            f"{wheel})"
        )
    return images.decode(path.read_bytes()).levels


def _candidates(photograph: Photograph, part: Part, height: int, width: int) -> list[Crop]:
    first, end = columns(photograph, part, width)
    squares = [
        (left, top, side)
        for side in SIDES[part]
        for top in _starts(0, height, side)
        for left in _starts(first, end, side)
    ]
    return [Crop(f"{part}/{photograph.name}-{i:04}", *square) for i, square in enumerate(squares)]


def _starts(first: int, end: int, side: int) -> list[int]:
    """Evenly spaced starts from `first` to `end - side`, none if it does not fit."""
    room = end - first - side
    gaps = -(-room // int(STEP * side))
    return [first + room * i // max(gaps, 1) for i in range(gaps + 1)]


def _is_colourful(crop: np.ndarray) -> bool:
    import numpy as np

    values = crop.astype(np.int64)
    saturation = (values.max(axis=-1) - values.min(axis=-1)).mean()
    return bool(saturation >= LEAST_SATURATION and values.sum(axis=-1).std() / 3 >= LEAST_CONTRAST)


def _png(crop: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(crop).save(file, "PNG")
    return file.getvalue()


def _version(wheel: str) -> str:
    try:
        return version(wheel)
    except PackageNotFoundError as error:
        raise BenchError(
            f"dataset demo is made of photographs in {wheel}: pip install {wheel}"
        ) from error
