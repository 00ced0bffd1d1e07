"""In how many bits copies of photographs differ, and which pairs of photographs lie near each
other.

    python benchmarks/copies.py DATASET [--data-home DIR] [--photographs 150] [--quick]

The hashes are those of `--near-duplicates` (`bench.data.duplicates`). Some test photographs are
copied in several ways: in 95 % of copies so many bits differ at most. Of training and test
photographs of the default split the pairs within 32 bits are counted, and the next one is named.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measure import table
from PIL import Image, ImageEnhance, ImageOps

from bench.contracts import PreparedSet
from bench.contracts.datasets import LEVELS
from bench.contracts.execution import Quiet
from bench.contracts.request import Request
from bench.data import duplicates, prepare
from bench.exchange import export
from bench.pictures import images
from bench.protocol import Protocol
from bench.store.opening import open_store

NEAR = 32
Copy = Callable[[Image.Image], Image.Image]


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("--data-home", type=Path)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--photographs", type=int, default=150, help="how many are copied")
    parser.add_argument(
        "--quick", action="store_true", help="3 test photographs: to see that it works"
    )
    asked = parser.parse_args()
    limit, copied = (3, 3) if asked.quick else (None, asked.photographs)
    request = Request(
        datasets=(asked.dataset,), data_home=asked.data_home, store=asked.store, limit_test=limit
    )
    protocol, source, test = export.test_part(request, Quiet())
    names = sorted(test.ids)[:copied]
    pictures = [
        images.decode(data).levels
        for _, data in source.dataset.read(names)
        if isinstance(data, bytes)
    ]
    rows = [
        [name, f"{np.percentile(bits(pictures, copy, protocol), 95):.0f}"]
        for name, copy in COPIES.items()
    ]
    print(f"{source.name}: {len(pictures)} photographs of {len(test)} to test with\n")
    print(table(["copy", "bits that differ in 95 % of copies"], rows), end="\n\n")
    train = prepare.prepare(source, "train", limit, protocol, open_store(asked.store), Quiet())
    print(
        table(["train x test", f"pairs within {NEAR} bits", "the next pair"], [pairs(train, test)])
    )


def bits(pictures: list[np.ndarray], copy: Copy, protocol: Protocol) -> np.ndarray:
    """In how many bits copies differ from their photographs."""
    sides = pictures, [np.asarray(copy(Image.fromarray(levels))) for levels in pictures]
    before, after = (
        duplicates.hashes(np.stack([codes(levels, protocol) for levels in side])) for side in sides
    )
    return np.unpackbits(before ^ after, axis=1).sum(1)


def codes(levels: np.ndarray, protocol: Protocol) -> np.ndarray:
    """The lightness as it is kept."""
    return np.round(images.prepare(levels, protocol).grey * LEVELS).clip(0, 65535).astype(np.uint16)


def pairs(train: PreparedSet, test: PreparedSet) -> list[object]:
    """Training and test photographs; how many of the first lie near one of the second; the nearest
    beyond."""
    some, others = (
        np.concatenate(
            [
                duplicates.hashes(np.array(part.grey_codes[i : i + 64]))
                for i in range(0, len(part), 64)
            ]
        )
        for part in (train, test)
    )
    found = sorted(
        (apart, train.ids[row], test.ids[column])
        for row, column, apart in duplicates.nearest(some, others, duplicates.BITS)
    )
    near = [pair for pair in found if pair[0] <= NEAR]
    apart, one, other = found[len(near)]
    return [f"{len(train):,} x {len(test):,}", len(near), f"{apart}: {one}, {other}"]


def saved(picture: Image.Image, quality: int) -> Image.Image:
    """Saved as JPEG, and read again."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.fromarray(images.decode(stream.getvalue()).levels)


def cut(picture: Image.Image, pixels: int) -> Image.Image:
    """Without its border."""
    return picture.crop((pixels, pixels, picture.width - pixels, picture.height - pixels))


COPIES: dict[str, Copy] = {
    "JPEG of quality 50": lambda picture: saved(picture, 50),
    "JPEG of quality 20": lambda picture: saved(picture, 20),
    "halved": lambda picture: picture.reduce(2),
    "contrast times 1.3": lambda picture: ImageEnhance.Contrast(picture).enhance(1.3),
    "cut by 2 pixels on each side": lambda picture: cut(picture, 2),
    "cut by 12": lambda picture: cut(picture, 12),
    "mirrored": ImageOps.mirror,
}

if __name__ == "__main__":
    main()
