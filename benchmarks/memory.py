"""Peak memory of a run against the number of test photographs.

    python benchmarks/memory.py [--photographs 1000,10000,100000] [--methods marginal] [--quick]

Every run is a process of its own with the executor `serial`, so that preparing, fitting, sampling,
scoring and reports are all in one process, whose largest resident size is printed. Photographs are
generated: 64 for training, the rest for the test. What they take of the disk is given back at the
end.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import machine, seconds, table

VARIABLE = "HUEBENCH_GENERATED"
PLUGIN = f'''
"""Generated photographs, as many as ${VARIABLE} says: ramps of lightness and colour."""
import os
import numpy as np
from bench.contracts import Dataset
from bench.hookspecs import hookimpl
from bench.pictures.images import Prepared
from bench.specs import DatasetSpec
RAMP = np.linspace(0, 1, 256, dtype=np.float32)
class Generated(Dataset):
    def __init__(self, home=None): self.count = int(os.environ["{VARIABLE}"])
    def signature(self): return str(self.count)
    def files(self): return [f"{{n:07d}}" for n in range(self.count)]
    def read(self, wanted):
        for name in sorted(wanted): yield name, name.encode()
    def split(self, ids): return list(ids[:64]), list(ids[64:])
    def develop(self, data, protocol, crop):
        rng = np.random.default_rng(int(data))
        a, b, c, d, e = rng.uniform(0, 1, 5).astype(np.float32)
        light = 100 * (a * RAMP + (1 - a) * b * RAMP[:, None])
        ramp = RAMP[::4]
        ab = np.stack([80 * (c - 0.5) * (1 + ramp + 0 * ramp[:, None]), 80 * (d - 0.5) * (1 + e * ramp[:, None] + 0 * ramp)])
        return Prepared(light, ab, is_grey=False)
@hookimpl
def bench_register_datasets():
    yield DatasetSpec(name="generated", summary="ramps", factory=":Generated", licence="CC0-1.0")
'''


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photographs", default="1000,10000,100000")
    parser.add_argument("--methods", default="marginal")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="20 photographs: to see that it works")
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(_measured(asked.child, asked.methods)))
        return
    counts = [20] if asked.quick else [int(n) for n in asked.photographs.split(",")]
    found = []
    for count in counts:
        command = [sys.executable, __file__, "--child", str(count), "--methods", asked.methods]
        found.append(
            json.loads(
                subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            )
        )
        print(f"{count}: {found[-1]}", file=sys.stderr, flush=True)
    rows = [
        [
            f"{n:,}",
            f"{f['peak']:.0f}",
            f"{f['peak'] / found[0]['peak']:.2f}",
            f"{f['seconds']:.0f}",
            f"{f['report']:.0f}",
        ]
        for n, f in zip(counts, found, strict=True)
    ]
    print(f"{machine()}; {asked.methods}", end="\n\n")
    print(table(["test photographs", "peak, MiB", "over the first", "s", "run folder, MiB"], rows))


def _measured(count: int, methods: str) -> dict[str, float]:
    """The largest resident size (MiB), seconds, and the run folder's size (MiB) of a run in a child
    process."""
    import resource

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "generated.py").write_text(PLUGIN)
        command = [
            sys.executable,
            "-P",
            "-m",
            "bench.cli",
            "run",
            "-m",
            methods,
            "-d",
            "generated",
            "--preset",
            "tiny",
            "-k",
            "2",
            "--draws",
            "2",
            "--executor",
            "serial",
            "--plugin",
            "generated.py",
            "--store",
            "store",
            "--out",
            "run",
        ]
        taken = seconds(
            lambda: subprocess.run(
                command,
                cwd=folder,
                check=True,
                stdout=subprocess.DEVNULL,
                env=os.environ | {VARIABLE: str(count + 64)},
            )
        )
        size = sum(
            path.stat().st_size for path in (Path(folder) / "run").rglob("*") if path.is_file()
        )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # KiB on Linux
    return {"peak": peak / 1024, "seconds": taken, "report": size / 2**20}


if __name__ == "__main__":
    main()
