"""How long the report of a large run takes, in how much memory, and how many bytes its page has.

    python benchmarks/reporting.py [--photographs 1000] [--methods 4] [--data FOLDER] [--quick]

A run folder is made with scores of every metric and, for every method, five colourizations and ten
draws of every photograph: smooth random pictures, or those of a folder with `--data`, repeated as
often as needed. Methods are other photographs' colours, the last one an untrained per-pixel
sampler's speckle, which JPEG compresses worst. Only `bench report` is timed, in a process of its
own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

PEAK = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
    "stdout=sys.stderr); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)
"""A process between this one and the report's: what a process holds when it starts another counts
as the other's memory, too."""


def main() -> None:
    """Make the run, time its report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photographs", type=int, default=1000)
    parser.add_argument("--methods", type=int, default=4)
    parser.add_argument("--data", type=Path, help="folder of photographs [random pictures]")
    parser.add_argument("--keep", type=Path, help="keep the run in this folder")
    parser.add_argument(
        "--quick", action="store_true", help="2 photographs, 2 methods: to see that it works"
    )
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.photographs, arguments.methods = 2, 2
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        run = folder / "run"
        if not run.exists():
            make(folder, arguments.photographs, arguments.methods, arguments.data)
        start = time.perf_counter()
        report = [
            "-P",
            "-m",
            "bench.cli",
            "report",
            os.fspath(run),
            "--store",
            os.fspath(folder / "store"),
        ]
        command = [sys.executable, "-c", PEAK, sys.executable, *report]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        seconds, peak = time.perf_counter() - start, int(done.stdout) / 1024
        size = sum(p.stat().st_size for p in (run / "report").rglob("*") if p.is_file()) / 1e6
        print(
            f"{arguments.photographs:,} photographs x {arguments.methods} methods: {seconds:.1f} "
            f"s, peak {peak:.0f} MiB, "
            f"page {size:.1f} MB"
        )


def make(folder: Path, photographs: int, methods: int, data: Path | None) -> None:
    """A run folder and its store. The samples are made up; the scores are those of the samples."""
    import bench
    from bench.contracts.execution import Quiet

    source = data or _drawn(folder / "drawn", 200)
    chosen = _folder(
        folder / "photographs", source, 5 * photographs
    )  # of 5,000 and more, test_size are for testing
    labels = (*(f"knn[neighbours={5 + i}]" for i in range(methods - 1)), "zhang[steps=2,batch=8]")
    result = bench.run(
        methods=labels,
        datasets=(os.fspath(chosen),),
        protocol=f"paper[test_size={photographs}]",
        preset="tiny",
        store=folder / "store",
        out=folder / "run",
        limit_train=500,
        duplicates="keep",
        progress=Quiet(),
    )
    _as_colourizers(result.folder)


def _folder(target: Path, source: Path, count: int) -> Path:
    target.mkdir(parents=True)
    files = sorted(p for p in source.rglob("*") if p.suffix.lower() in (".jpg", ".png"))
    for i in range(count):
        os.symlink(
            files[i % len(files)].resolve(), target / f"{i:05}{files[i % len(files)].suffix}"
        )
    return target


def _drawn(folder: Path, count: int) -> Path:
    """Smooth random pictures."""
    from PIL import Image

    folder.mkdir(parents=True)
    for i in range(count):
        small = Image.fromarray(
            np.random.default_rng(i).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        )
        small.resize((256, 256), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    return folder


def _as_colourizers(folder: Path) -> None:
    """Controls rank apart; here they stand for methods."""
    import pandas as pd

    from bench.store.files import read_json, write_json

    manifest: dict[str, Any] = read_json(folder / "manifest.json", newest=99)
    for cell in manifest["cells"]:
        cell["role"] = "colourizer"
    write_json(folder / "manifest.json", manifest)
    for name in ("scores.parquet", "set_scores.parquet"):
        table = pd.read_parquet(folder / name)
        table["role"] = np.array(["colourizer"]).repeat(len(table))
        table.to_parquet(folder / name, index=False)


if __name__ == "__main__":
    main()
