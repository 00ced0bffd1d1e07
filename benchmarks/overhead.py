"""How much of a run is not the methods' own work.

    python benchmarks/overhead.py [--methods mdn,cvae,zhang] [--dataset demo] [--preset small] [--quick]

`bench run` (with all metrics and reports) in a fresh store, as a process of its own with the
executor `serial`, in which the steps have clocks. A method's own work is fitting it (its batches
and checkpoints included) and answering what it is asked for; seeds, checks, the store, scores and
reports are the harness'.
"""

from __future__ import annotations

import argparse
import functools
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import machine, table

METHODS = "mdn,cvae,zhang"
PARTS = ("zhang", "vae")
"""What these need, and fit."""
ROWS = {
    "fitting": "methods: fitting",
    "drawing": "methods: drawing",
    "preparing": "preparing photographs",
    "asking": "seeds, checks, keeping samples",
    "scoring": "scoring",
    "reporting": "reports",
    "rest": "start, planning, store",
}
OWN = ("fitting", "drawing")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default=METHODS)
    parser.add_argument("--dataset", default="demo")
    parser.add_argument("--preset", default="small")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="the control marginal, 8 test photographs: to see that it works",
    )
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.quick:
        asked.preset, asked.methods = "tiny", "marginal"
    if asked.child:
        print(json.dumps(_clocked(asked)))
        return
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        dataset = (
            str(Path(asked.dataset).resolve()) if Path(asked.dataset).is_dir() else asked.dataset
        )
        command = [
            sys.executable,
            str(Path(__file__).resolve()),
            "--child",
            "--methods",
            asked.methods,
            "--dataset",
            dataset,
            "--preset",
            asked.preset,
            *(["--quick"] if asked.quick else []),
        ]
        done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    total = time.perf_counter() - start
    seconds: dict[str, float] = defaultdict(float, json.loads(done.stdout.splitlines()[-1]))
    seconds["rest"] = total - sum(seconds.values())
    own = sum(seconds[name] for name in OWN)
    print(f"{machine()}; {asked.methods} on {asked.dataset}, preset {asked.preset}", end="\n\n")
    rows = [
        [label, f"{seconds[name]:.1f}", f"{100 * seconds[name] / total:.1f}"]
        for name, label in ROWS.items()
    ]
    print(table(["step", "s", "%"], [*rows, ["all", f"{total:.1f}", "100"]]))
    print(f"\nHarness: {100 * (total - own) / total:.1f} % of the run")


def _clocked(asked: argparse.Namespace) -> dict[str, float]:
    """Seconds of each step of a run in this process, without the steps inside it."""
    import bench
    from bench.engine import plan, sampling, work
    from bench.plugins.loader import registry
    from bench.results import report
    from bench.scores import scoring

    seconds: dict[str, float] = defaultdict(float)
    inside = [0.0]  # seconds of the steps within the one that is under way, innermost last

    def clock(owner: Any, name: str, step: str) -> None:
        def timed(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
            inside.append(0.0)
            start = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                whole = time.perf_counter() - start
                seconds[step] += whole - inside.pop()
                inside[-1] += whole

        function = getattr(owner, name)
        setattr(owner, name, functools.wraps(function)(lambda *a, **n: timed(function, *a, **n)))

    clock(plan, "make", "preparing")
    clock(work.Work, "_make", "asking")
    clock(scoring, "keep_scores", "scoring")
    clock(work.Work, "_write", "scoring")  # the table; reports are clocked on their own
    clock(report, "write", "reporting")
    for name in dict.fromkeys((*asked.methods.split(","), *PARTS)):
        clock(registry().get("methods", name).load(), "fit", "fitting")
    clock(sampling.Asking, "_asked", "drawing")
    clock(sampling.Asking, "_distribution", "drawing")
    clock(sampling.Asking, "_checked", "asking")
    clock(sampling.Asking, "_seeds", "asking")
    bench.run(
        methods=tuple(asked.methods.split(",")),
        datasets=(asked.dataset,),
        preset=asked.preset,
        executor="serial",
        store=Path("store"),
        out="run",
        limit_test=8 if asked.quick else None,
    )
    return dict(seconds)


if __name__ == "__main__":
    main()
