"""What writing colour fields as pictures costs: the error that the truth itself has after it went
through a file.

    python benchmarks/precomputed.py [--dataset demo] [--protocol paper] [--limit 100] [--data-home ...] [--quick]

Mean over photographs of the mean over pixels of |Δa| + |Δb|, in ab units; divide by 128 for the
scale of reports.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from bench.colour import picture
from bench.contracts.execution import Quiet
from bench.contracts.request import Request
from bench.exchange import export, field_files
from bench.pictures import images
from bench.protocol import Protocol

Writer = Callable[[Path, np.ndarray, np.ndarray], Path]
"""Writes a colour field `(2, 64, 64)` of a lightness `(256, 256)` and returns the file."""


def main() -> None:
    """Write, read, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="demo")
    parser.add_argument("--protocol", default="paper")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--data-home", type=Path)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--quick", action="store_true", help="2 photographs: to see that it works")
    given = parser.parse_args()
    limit = 2 if given.quick else given.limit
    request = Request(
        datasets=(given.dataset,),
        protocol=given.protocol,
        limit_test=limit,
        data_home=given.data_home,
        store=given.store,
    )
    protocol, source, test = export.test_part(request, Quiet())
    print(
        f"{source.name}, protocol {protocol.name}, {len(test)} photographs; grey has "
        f"{np.abs(test.ab).sum(1).mean():.2f}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, write in WRITERS.items():
            errors = list(
                _errors(
                    Path(folder), write, test.ab, test.grey(slice(None))[:, 0].numpy(), protocol
                )
            )
            print(f"{name:24} {np.mean(errors):.3f}")


def _errors(
    folder: Path, write: Writer, fields: np.ndarray, light: np.ndarray, protocol: Protocol
) -> Iterator[float]:
    for ab, lightness in zip(fields, light, strict=True):
        yield float(
            np.abs(field_files.read(write(folder, np.array(ab), lightness), protocol) - ab)
            .sum(0)
            .mean()
        )


def _array(folder: Path, ab: np.ndarray, light: np.ndarray) -> Path:
    np.save(folder / "0.npy", ab)
    return folder / "0.npy"


def _half(folder: Path, ab: np.ndarray, light: np.ndarray) -> Path:
    return _array(folder, ab.astype(np.float16), light)


def _small(folder: Path, ab: np.ndarray, light: np.ndarray) -> Path:
    return _large(folder, ab, images.resize(light[..., None], ab.shape[-1], antialias=True)[..., 0])


def _large(folder: Path, ab: np.ndarray, light: np.ndarray) -> Path:
    Image.fromarray(picture(light, ab)).save(folder / "0.png")
    return folder / "0.png"


WRITERS: dict[str, Writer] = {
    "float32 array, 64x64": _array,
    "float16 array, 64x64": _half,
    "picture, 64x64": _small,
    "picture, 256x256": _large,
}

if __name__ == "__main__":
    main()
