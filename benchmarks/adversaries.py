"""The adversary suite: cheats against the true law, on the sets whose law is known.

    python benchmarks/adversaries.py [--limit 200] [--quick]

It is one run of the harness, `true-law` and every `cheat[how=...]`; the table has the paired
difference of every cheat's headline scores from the true law's, times 1,000 (above 0: the cheat is
worse), and what error-of-best, the paper's measure, says of it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import bench
from bench.contracts.execution import Quiet
from bench.scores.intervals import paired_difference

SETS = ("law-palette", "law-coupled", "law-hue")
MEASURES = {
    "fair-energy-score": ("", "draws"),
    "fair-variogram-score": ("", "draws"),
    "error-of-best": ("sum", "draws"),
    "error-of-best-pixel": ("sum", "draws"),
}


def main() -> None:
    """Run, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, help="test scenes of each set [all]")
    parser.add_argument("--out", type=Path, default=Path("runs/adversaries"))
    parser.add_argument("--store", type=Path)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one set, 2 scenes, and two cheats: to see that it works",
    )
    arguments = parser.parse_args()
    from bench.methods.cheat import CHEATS

    cheats: tuple[str, ...] = tuple(CHEATS)
    sets: tuple[str, ...] = SETS
    if arguments.quick:
        cheats, sets, arguments.limit = ("over-dispersed", "repelled"), SETS[:1], 2
    result = bench.run(
        methods=("true-law", *(f"cheat[how={how}]" for how in cheats)),
        datasets=sets,
        limit_test=arguments.limit,
        limit_train=64,
        metrics=tuple(MEASURES),
        out=arguments.out,
        store=arguments.store,
        progress=Quiet(),
        argv=sys.argv,
    )
    for dataset in sets:
        print(f"\n**{dataset}**\n")
        print(
            "| cheat | fair energy score | fair variogram score | error-of-best | error-of-best, "
            "pixel-wise |"
        )
        print("|---|---:|---:|---:|---:|")
        for how in cheats:
            print("| " + " | ".join([how, *row(result, dataset, f"cheat[how={how}]")]) + " |")


def row(result: bench.results.run_folder.Results, dataset: str, method: str) -> list[str]:
    """The cells of one cheat: its mean score minus the true law's, times 1,000, with the interval
    of paired differences."""
    scores = result.scores.query(
        "dataset == @dataset and ask == 'draws' and status == 'done' and region == 'all'"
    )
    cell = next(c for c in result.cells if (c.dataset, c.method) == (dataset, method))
    if cell.status != "done":
        found_out = "must depend on their own seed only" in cell.reason
        return [
            f"refused: {'its draws depend on one another' if found_out else cell.reason}",
            "",
            "",
            "",
        ]
    texts = []
    for metric in MEASURES:
        chosen = scores[scores["metric"] == metric]
        chosen = chosen[chosen["variant"] == chosen["variant"].iloc[0]]
        mine, law = (
            chosen[chosen["method"] == m].set_index("image")["value"].sort_index()
            for m in (method, "true-law")
        )
        difference = paired_difference(mine.to_numpy(), law.to_numpy())
        numbers = [
            f"{1000 * number:+.1f}" for number in (difference.mean, difference.low, difference.high)
        ]
        texts.append(
            "{} [{}, {}] {}".format(*numbers, "**better**" if difference.high < 0 else "").strip()
        )
    return texts


if __name__ == "__main__":
    main()
