"""What a run is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from bench.contracts.options import Option, declared, flag, option
from bench.errors import BenchError

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for: numbers in their range (else BenchError), names as text, not yet checked.

    What each field is stands beside it, for the command line, `bench.toml` and `docs/config.md`,
    too (`bench.contracts.options`).
    """

    methods: tuple[str, ...] = option(
        ("mdn", "cvae", "zhang", "grey", "mean", "marginal", "vae[loss=[l2,mah,full]]"),
        "Comma-separated: mdn,cvae,zhang,vae[loss=[l2,mah,full]].",
        "plugins",
        flags=("--methods", "-m"),
        settings="means",
    )
    datasets: tuple[str, ...] = option(
        ("demo",),
        "A name (`bench list datasets`) or a folder; repeatable.",
        "texts",
        flags=("--dataset", "-d"),
        settings="means",
    )
    protocol: str = option(
        "paper", "paper or square, with parameters in brackets [{default}].", settings="means"
    )
    preset: str | None = option(
        None,
        "Network sizes [small; tiny for the demo].",
        choices=("paper", "small", "tiny"),
        open=True,
        settings="value",
    )
    k: int | None = option(
        None,
        "Colourizations that a method presents [5].",
        "count",
        flags=("-k", "--k"),
        settings="means",
    )
    draws: int | None = option(
        None,
        "Independent draws of every distribution, for fair scores [10].",
        "count",
        settings="means",
    )
    seeds: tuple[int, ...] = option(
        (0,),
        "Seed of everything random [0]; repeatable.",
        "seeds",
        flags=("--seed",),
        settings="value",
    )
    limit_train: int | None = option(
        None, "Use only so many training photographs.", "count", settings="value"
    )
    limit_test: int | None = option(
        None, "Use only so many test photographs.", "count", settings="value"
    )
    metrics: tuple[str, ...] = option((), "Comma-separated [all].", "plugins", settings="means")
    store: Path | str | None = option(
        None,
        "Folder or URL where finished work is kept [$BENCH_STORE or the cache folder].",
        "place",
    )
    data_home: Path | None = option(
        None, "Where data sets are [$BENCH_DATA or the cache folder].", "path"
    )
    splits: tuple[Path, ...] = option(
        (),
        "Lists of ids to train and test with, as `bench data split` writes them; one a data set.",
        "paths",
        flags=("--split",),
        settings="means",
    )
    duplicates: str = option(
        "drop",
        "What becomes of training photographs that are in the test part, too [{default}].",
        choices=("drop", "keep", "fail"),
        settings="changed",
    )
    near_duplicates: int = option(
        0,
        "Also of those that differ in at most so many of 256 bits, 0 to 64 [{default}]; 32 finds "
        "what was saved anew.",
        "whole",
        metavar="BITS",
        minimum=0,
        maximum=64,  # different things differ in 128 on average, alike ones in 50 or so
        settings="changed",
    )
    device: str = option("cpu", "cpu, cuda, cuda:N or mps [{default}].")
    strict: bool = option(
        False, "Refuse unreadable photographs instead of leaving them out.", "truth"
    )
    executor: str = option(
        "",
        "How tasks are executed (`bench list executors`), as process[slots=2] [$BENCH_EXECUTOR, "
        "process].",
    )
    timeout: float | None = option(
        None, "Longest time for fitting a method, or sampling it: 90s, 10m, 2h.", "seconds"
    )
    memory: float | None = option(None, "Most GiB of memory that a method may use.", "number")
    threads: int | None = option(
        None,
        "Threads of a fit or a sampling, in whatever slot [$BENCH_THREADS or the cores].",
        "count",
    )
    precision: str = option(
        "",
        "Of networks: auto, float32, bfloat16 [$BENCH_PRECISION or auto: bfloat16 where it is "
        "fast].",
        settings="value",
    )
    devices: int = option(
        1, "Accelerators that one training uses on each machine [{default}].", "count"
    )
    nodes: int = option(
        1, "Machines that one training uses, with --executor submitit [{default}].", "count"
    )
    strategy: str = option(
        "auto", "How they work together, as Lightning names it: ddp, ... [{default}]."
    )
    cache_budget: float = option(
        24.0,
        "Disk for cached features [{default}]; beyond it they are computed again.",
        "number",
        metavar="GIB",
        minimum=0,
        maximum=1e9,
    )
    scheduler: str = option("", "A running dask scheduler, for --executor dask.", metavar="ADDRESS")

    def __post_init__(self) -> None:
        for name, each in declared(Request).items():
            value = getattr(self, name)
            if value is not None and not each.open and (fault := each.fault(value)):
                raise BenchError(f"{flag(name)} {value} {fault}")

    def settled(self) -> Request:
        """The same request, with what depends on this machine decided, so that every process that
        works for it agrees."""
        from bench.machine import precision, threads

        return replace(
            self,
            threads=self.threads or threads.wanted(),
            precision=precision.settled(self.precision, self.device),
        )


OPTIONS: Mapping[str, Option] = MappingProxyType(
    declared(Request)
    | {
        "out": Option(help="Run folder [runs/<time>]; one that was cut off goes on.", kind="path"),
        "figures": Option(help="Comma-separated names, `all` or `none` [all].", kind="texts"),
    }
)
"""Options of a run: the fields of a request, and where its results go."""
