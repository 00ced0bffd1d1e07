"""How long all metrics without downloaded weights take, and in how much memory.

    python benchmarks/scoring.py [--photographs 1000] [--draws 10] [--quick]

Samples of a known law are put into a store, shard by shard, and scored as `bench score` does it.
The peak of the process' memory is printed for the whole number of photographs and, in a second
process, for a tenth of it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PER_METRIC = "--per-metric"


def main() -> None:
    """Measure here, or in two child processes that print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photographs", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--dataset", default="law-palette")
    parser.add_argument(PER_METRIC, action="store_true", help="time every metric by itself")
    parser.add_argument("--quick", action="store_true", help="32 photographs: to see that it works")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.photographs = 32
    if arguments.child:
        print(
            json.dumps(
                measure(
                    arguments.photographs, arguments.draws, arguments.dataset, arguments.per_metric
                )
            )
        )
        return
    results = [
        _child(count, arguments)
        for count in (arguments.photographs, max(16, arguments.photographs // 10))
    ]
    for found in results:
        print(
            f"{found['photographs']:,} photographs x {arguments.draws} draws: "
            f"{found['seconds']:.1f} s, "
            f"peak {found['peak']:.0f} MiB, {found['values']:,} values"
        )
    for name, seconds in sorted(results[0]["metrics"].items(), key=lambda item: -item[1]):
        print(f"  {name:28} {seconds:6.2f} s")


def _child(count: int, arguments: argparse.Namespace) -> dict[str, Any]:
    more = [PER_METRIC] if arguments.per_metric else []
    command = [
        sys.executable,
        __file__,
        "--child",
        "--photographs",
        str(count),
        "--draws",
        str(arguments.draws),
        "--dataset",
        arguments.dataset,
        *more,
    ]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(photographs: int, draws: int, dataset: str, per_metric: bool) -> dict[str, Any]:
    """Seconds and peak memory in MiB of scoring so many photographs, and how many values they have."""
    import pyarrow as pa
    import torch

    from bench.contracts import SampleSet, colour_weights
    from bench.contracts.execution import Quiet
    from bench.data import prepare
    from bench.data import source as data_source
    from bench.plugins.loader import registry
    from bench.protocol import make_paper
    from bench.scores import long_table, samples, scoring
    from bench.scores.cells import CellScores
    from bench.scores.manifest import Ask, Cell
    from bench.scores.metrics import LoadedMetric, load_metrics
    from bench.store.local import Store

    with tempfile.TemporaryDirectory() as folder:
        store, spec = Store(Path(folder) / "store"), registry().get("datasets", dataset)
        made = spec.load()(home=None)
        protocol = make_paper(antialias=False)
        source = data_source.make_source(spec, dataset, made, protocol, store, Quiet())
        ids = (source.test + source.train)[:photographs]
        source = data_source.Source(source.name, spec, made, source.digest, source.train, ids)
        test = prepare.prepare(source, "test", None, protocol, store, Quiet())
        colours = colour_weights.fit(protocol.weights, test.ab, protocol.weight_floor)
        keys: list[str] = []

        def keep(ab: torch.Tensor) -> None:
            keys.append(f"{len(keys):064}")
            store.get(
                "samples",
                keys[-1],
                lambda place: samples.write(place, SampleSet(ab, "iid", n_drawn=draws)),
            )

        for number, part in enumerate(samples.shards(test.ids)):
            ab = made.law(list(part)).sample(
                draws, list(range(number * 16, number * 16 + len(part)))
            )
            keep(ab + 5 * torch.randn(ab.shape, generator=torch.Generator().manual_seed(number)))
        ask = Ask(name="draws", n=draws, shards=tuple(keys))
        cell = Cell(
            key="cell", dataset=dataset, method="made", status="done", role="control", asks=(ask,)
        )
        metrics = load_metrics((), registry())
        tested = scoring.HeldOut(
            test, colours, colour_weights.fit("zhang313", test.ab, 1e-5).prior, protocol.scale, made
        )

        images = pa.array(test.ids, pa.string())

        def score(chosen: list[LoadedMetric]) -> tuple[float, int]:
            start = time.perf_counter()
            with long_table.writing(Path(folder) / "scores.parquet") as table:
                CellScores(cell, chosen, tested, store, Path(folder)).write(table, images)
            return time.perf_counter() - start, table.done

        seconds, values = score(metrics)
        peak = _peak()
        each = {m.spec.name: score([m])[0] for m in metrics} if per_metric else {}
    return {
        "photographs": len(test),
        "seconds": seconds,
        "peak": peak,
        "values": values,
        "metrics": each,
    }


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
