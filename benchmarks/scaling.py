"""How much faster a run is with two workers than with one.

    python benchmarks/scaling.py [--dataset demo] [--preset tiny] [--turns 3] [--quick]

`bench run --executor process[slots=1]` and `process[slots=2]` take turns, each into a fresh store,
and their scores are compared bit for bit. Start, preparation, the set's own scores and the end of a
run are done once, by one process, and are in the times. With `--threads 1` one worker uses one
core; with a thread a core one worker uses all of them already, and two share them.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import in_turns, machine, quotients, spread, table

METHODS = "zhang[steps={steps}],vae[loss=[l2,mah],steps={steps}],mean[features=zhang[steps={steps}]],marginal"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="demo")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="the control marginal, one thread, 1 turn: to see that it works",
    )
    arguments = parser.parse_args()
    from bench.machine.threads import cores

    counts = dict.fromkeys((1, cores()))
    if arguments.quick:
        arguments.turns, counts = 1, dict.fromkeys((1,))
    rows = []
    for threads in counts:
        rows.append(_compare(arguments, threads))
        print(*rows[-1], sep=", ", file=sys.stderr, flush=True)
    print(machine(), end="\n\n")
    print(table(["threads", "slots=1, s", "slots=2, s", "times as fast"], rows))


def _compare(arguments: argparse.Namespace, threads: int) -> list[object]:
    with tempfile.TemporaryDirectory() as folder:
        runs = itertools.count()

        def with_slots(slots: int) -> None:
            place = Path(folder) / str(next(runs))
            place.mkdir()
            methods = "marginal" if arguments.quick else METHODS.format(steps=arguments.steps)
            subprocess.run(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "bench.cli",
                    "run",
                    "-m",
                    methods,
                    "-d",
                    arguments.dataset,
                    "--preset",
                    arguments.preset,
                    "--threads",
                    str(threads),
                    "--executor",
                    f"process[slots={slots}]",
                    "--figures",
                    "none",
                    "--store",
                    "store",
                    "--out",
                    "run",
                ],
                cwd=place,
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

        found = in_turns(
            {"one": lambda: with_slots(1), "two": lambda: with_slots(2)}, arguments.turns
        )
        _see_that_scores_agree(Path(folder))
    return [
        threads,
        spread(found["one"], 1),
        spread(found["two"], 1),
        spread(quotients(found["one"], found["two"])),
    ]


def _see_that_scores_agree(folder: Path) -> None:
    import pandas as pd

    first, *others = (pd.read_parquet(path) for path in sorted(folder.glob("*/run/scores.parquet")))
    for other in others:
        pd.testing.assert_frame_equal(other, first, check_exact=True)


if __name__ == "__main__":
    main()
