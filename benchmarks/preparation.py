"""How fast photographs are prepared, with one worker and with as many as there are cores.

    python benchmarks/preparation.py [--photographs 300] [--turns 5] [--quick]

JPEGs of three sizes are generated, and prepared into fresh stores as `bench run` does it (digests
of the finished arrays and syncing to the disk included). Then the steps for one photograph are
timed, one after the other in one thread.
"""

from __future__ import annotations

import argparse
import io
import itertools
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from measure import in_turns, machine, quotients, seconds, spread, table

if TYPE_CHECKING:
    from bench.protocol import Protocol

SIZES = ((250, 250), (500, 375), (2048, 1536))
"""LFW's, ImageNet's usual one, and a camera's."""


def main() -> None:
    """Print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--photographs", type=int, default=300, help="of 500x375; fewer of larger ones"
    )
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="10 photographs of 250x250, 1 turn: to see that it works",
    )
    arguments = parser.parse_args()
    count, turns, sizes = (
        (10, 1, SIZES[:1]) if arguments.quick else (arguments.photographs, arguments.turns, SIZES)
    )
    from bench.machine.threads import cores

    several = max(2, cores())
    rows = [_throughput(size, count, turns, several) for size in sizes]
    print(machine(), end="\n\n")
    print(
        table(["JPEG", "photographs/s, 1 worker", f"{several} workers", "times as fast"], rows),
        end="\n\n",
    )
    print(
        table(
            ["JPEG, protocol", "decode", "resize", "CIELAB", "all, ms"],
            itertools.chain(*map(_steps, sizes)),
        )
    )


def _throughput(size: tuple[int, int], count: int, turns: int, several: int) -> list[str]:
    from bench.contracts.execution import Quiet
    from bench.data import prepare
    from bench.data import source as data_source
    from bench.plugins.loader import registry
    from bench.protocol import make_paper
    from bench.store.local import Store

    count = max(10, round(count * min(1, 500 * 375 / (size[0] * size[1]))))
    protocol, spec = make_paper(antialias=False), registry().get("datasets", "folder")
    with tempfile.TemporaryDirectory() as folder:
        photographs, stores = Path(folder) / "photographs", itertools.count()
        photographs.mkdir()
        for number in range(count):
            (photographs / f"{number:05}.jpg").write_bytes(jpeg(*size, number))
        dataset = spec.load()(path=photographs)
        ids = tuple(dataset.files())

        def with_workers(workers: int) -> None:
            store = Store(Path(folder) / f"store-{next(stores)}")
            with patch("bench.machine.threads.cores", return_value=workers):
                prepare.prepare(
                    data_source.Source("made", spec, dataset, "", ids, ()),
                    "train",
                    None,
                    protocol,
                    store,
                    Quiet(),
                )

        with_workers(1)
        found = in_turns(
            {"one": lambda: with_workers(1), "several": lambda: with_workers(several)}, turns
        )
    rates = [spread([count / s for s in found[name]], 0) for name in ("one", "several")]
    return [f"{size[0]}x{size[1]}", *rates, spread(quotients(found["one"], found["several"]))]


def jpeg(width: int, height: int, seed: int) -> bytes:
    """Smooth colours with some noise."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(seed)
    blobs = Image.fromarray(
        rng.integers(0, 256, (height // 32 + 2, width // 32 + 2, 3)).astype(np.uint8)
    )
    smooth = np.asarray(blobs.resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    stream = io.BytesIO()
    noisy = (smooth + rng.integers(-8, 9, smooth.shape)).clip(0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def _steps(size: tuple[int, int]) -> list[list[str]]:
    from bench.protocol import make_paper, make_square

    data = jpeg(*size, 0)
    return [
        [f"{size[0]}x{size[1]}, {p.name}", *_milliseconds(data, p)]
        for p in (make_paper(antialias=False), make_square(antialias=True))
    ]


def _milliseconds(data: bytes, protocol: Protocol) -> list[str]:
    from bench import colour
    from bench.pictures import images

    levels = images.decode(data).levels
    small, large = (images.resize(levels, n, protocol.antialias) for n in (64, 256))
    steps = (
        lambda: images.decode(data),
        lambda: [images.resize(levels, n, protocol.antialias) for n in (64, 256)],
        lambda: (colour.rgb_to_lab(small), colour.rgb_to_lightness(large)),
        lambda: images.prepare(images.decode(data).levels, protocol),
    )
    return [f"{1000 * statistics.median(seconds(step) for _ in range(15)):.1f}" for step in steps]


if __name__ == "__main__":
    main()
