"""What a run is asked for, and how processes that work for it hear of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench import keys
from bench.engine.forms import Asked
from bench.machine import places
from bench.store import records
from bench.store.files import write_json
from bench.store.opening import located

FILE = "request.json"
"""In a run folder: what was asked for. While the run is on, with the paths that its processes need."""
CHECKED = "checked"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for: names as text, not yet checked.

    splits: files of ids to train and test with (`bench.data.splits`). executor: empty for the usual
    one. scheduler: address of a running one, for executors that take it. timeout: seconds for
    fitting a method, or for sampling one. memory: GiB that a method may use. threads: of a fit or a
    sampling (None: $BENCH_THREADS, else the cores). precision: `auto`, `float32` or `bfloat16`.
    devices, nodes, strategy: accelerators of one training on each of its machines, and how they
    work together. cache_budget: GiB of disk for cached features. duplicates: what becomes of
    training photographs that are in the test part, too, `drop`, `keep` or `fail`; near_duplicates:
    in how many bits they may differ to count (`bench.data.duplicates`).
    """

    methods: tuple[str, ...] = (
        "mdn",
        "cvae",
        "zhang",
        "grey",
        "mean",
        "marginal",
        "vae[loss=[l2,mah,full]]",
    )
    datasets: tuple[str, ...] = ("demo",)
    protocol: str = "paper"
    preset: str | None = None
    k: int | None = None
    draws: int | None = None
    seeds: tuple[int, ...] = (0,)
    limit_train: int | None = None
    limit_test: int | None = None
    data_home: Path | None = None
    splits: tuple[Path, ...] = ()
    duplicates: str = "drop"
    near_duplicates: int = 0
    store: Path | str | None = None
    device: str = "cpu"
    strict: bool = False
    metrics: tuple[str, ...] = ()
    executor: str = ""
    timeout: float | None = None
    memory: float | None = None
    scheduler: str = ""
    threads: int | None = None
    precision: str = ""
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
    cache_budget: float = 24.0

    def settled(self) -> Request:
        """The same request, with what depends on this machine decided, so that every process that
        works for it agrees."""
        from bench.machine import precision, threads

        return replace(
            self,
            threads=self.threads or threads.wanted(),
            precision=precision.settled(self.precision, self.device),
        )


def write(folder: Path, request: Request, checked: Sequence[str] = ()) -> None:
    """Keep a request in the run folder. checked: how its prepared photographs looked when they were
    held against their digests (`bench.store.local.Store.looks`)."""
    write_json(
        folder / FILE, {"schema_version": keys.SCHEMA, CHECKED: list(checked), **message(request)}
    )


def message(request: Request) -> dict[str, Any]:
    """A request as JSON can hold it."""
    given: dict[str, Any] = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(request).items()
    }
    paths = {
        "splits": [str(path.resolve()) for path in request.splits],
        "data_home": request.data_home and str(request.data_home.resolve()),
    }
    return given | paths


def read(folder: Path) -> Request:
    """What `write` kept. BenchError where it is gone, or something else."""
    given: dict[str, Any] = {
        name: value for name, value in _kept(folder).items() if name != CHECKED
    }
    found = {
        name: str(places.found(given[name], folder))
        for name in ("data_home", "store")
        if given[name]
    }
    return told(
        given | found | {"splits": [str(places.found(path, folder)) for path in given["splits"]]}
    )


def told(message: Mapping[str, Any]) -> Request:
    """The request of a message."""
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in message.items()
    }
    kept: dict[str, Callable[[Any], Any]] = {
        "data_home": Path,
        "store": located,
        "splits": lambda paths: tuple(map(Path, paths)),
    }
    return Request(**(given | {name: kept[name](given[name]) for name in kept if given[name]}))


def checked(folder: Path) -> list[str]:
    """The looks that `write` kept."""
    return list(_kept(folder)["checked"])


def publish(folder: Path) -> None:
    """The run has ended, and its folder may be shown: nothing stays that is of this machine alone,
    path or look."""
    kept: dict[str, Any] = dict(_kept(folder))
    shown = {
        name: places.relative(kept[name], folder) for name in ("data_home", "store") if kept[name]
    }
    lists = {name: places.cleaned(kept[name]) for name in ("methods", "datasets", "metrics")}
    splits = [places.relative(path, folder) for path in kept["splits"]]
    write_json(
        folder / FILE,
        {"schema_version": keys.SCHEMA, **kept, **shown, **lists, "splits": splits, CHECKED: []},
    )


def _kept(folder: Path) -> Asked:
    return records.read(folder / FILE, Asked, "repeat the run", keys.SCHEMA)
