"""What a run is asked for, and how processes that work for it hear of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import keys
from bench.contracts.request import Request
from bench.machine import places
from bench.store.files import write_json

if TYPE_CHECKING:
    from bench.engine.forms import Asked

FILE = "request.json"
"""In a run folder: what was asked for. While the run is on, with the paths that its processes need."""
CHECKED = "checked"


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
    from bench.store.opening import located  # light verbs don't need it

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
    from bench.engine.forms import Asked
    from bench.store import records

    return records.read(folder / FILE, Asked, "repeat the run", keys.SCHEMA)
