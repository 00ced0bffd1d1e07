"""From a request to a plan: methods x data sets x seeds become cells, and what they need becomes fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from bench import keys
from bench.contracts import Progress, Wanted
from bench.contracts.request import Request
from bench.data import duplicates, prepare, splits
from bench.data import source as data_source
from bench.data.source import Source
from bench.engine.plan import SEEDS, Cell, Data, Fit, Plan
from bench.errors import BenchError
from bench.machine import places
from bench.plugins import notation
from bench.plugins.loader import Registry, registry
from bench.plugins.notation import Choice
from bench.protocol import Protocol
from bench.scores import samples
from bench.scores.manifest import Ask
from bench.specs import MethodSpec
from bench.store.local import Store
from bench.store.marks import FitMark
from bench.store.opening import open_store
from bench.text import storable


def make(request: Request, registry: Registry, store: Store, progress: Progress) -> Plan:
    """Check a request, prepare its data sets and lay out its cells. Nothing is fitted, and no
    method's code is imported.

    Every name and parameter is checked before any photograph is read.
    """
    choices = check(request, registry)
    protocol = resolve_protocol(request, registry)
    request = request.settled()
    sources = [
        open_source(text, request, registry, protocol, store, progress)
        for text in dict.fromkeys(request.datasets)
    ]
    names = [s.name for s in sources]
    if len(set(names)) != len(names):
        raise BenchError(
            f"two data sets have the name {next(n for n in names if names.count(n) > 1)}: rename a "
            "folder"
        )
    splits.check(request.splits, names)
    data = {s.name: prepared(s, request, protocol, store, progress) for s in sources}
    cells = [
        _cell(choice, d, seed, request, protocol, registry)
        for d in data.values()
        for choice in choices
        for seed in request.seeds
    ]
    called = places.labels(map(str, choices))
    cells = [replace(cell, fit=replace(cell.fit, label=called[cell.fit.label])) for cell in cells]
    return Plan(request, protocol, data, tuple(cells))


def check(request: Request, registry: Registry) -> list[Choice]:
    """The methods of a request. BenchError for any name or parameter that is wrong; no code of a
    method is imported."""
    if request.nodes > 1 and isinstance(request.store, str):
        raise BenchError(
            f"--nodes {request.nodes}: --store {request.store}: take a folder that all machines "
            "share, where checkpoints are for all of them"
        )
    if not request.methods or not request.datasets:
        raise BenchError("no method or no data set given")
    resolve_protocol(request, registry)
    choices = notation.parse_many(request.methods)
    for choice in choices:
        _resolve(choice, request.preset, registry)
    return choices


def resolve_protocol(request: Request, registry: Registry) -> Protocol:
    """The protocol that a request names, with its `k` and `draws`."""
    choice = notation.parse(request.protocol)
    asked = {"k": request.k, "draws": request.draws}
    given = dict(choice.given) | {name: str(n) for name, n in asked.items() if n is not None}
    spec = registry.get("protocols", choice.name)
    protocol: Protocol = spec.load()(**spec.resolve(given))
    return protocol


def open_source(
    text: str,
    request: Request,
    registry: Registry,
    protocol: Protocol,
    store: Store,
    progress: Progress,
) -> Source:
    """A data set by name, or a folder by path (anything with a separator, or that exists and is no
    known name)."""
    path = Path(text).expanduser()
    known = registry.specs["datasets"]
    if text not in known and (path.is_dir() or "/" in text or "\\" in text or text.startswith(".")):
        spec = registry.get("datasets", "folder")
        name, dataset = storable(path.resolve().name), spec.load()(path=path)
    else:
        spec, name = registry.get("datasets", text), text
        dataset = spec.load()(home=request.data_home)
    try:
        return data_source.make_source(
            spec, name, dataset, protocol, store, progress, splits.of(name, request.splits)
        )
    except BenchError as error:
        if text == spec.name and path.is_dir():
            raise BenchError(f"{error}; the folder {text} that is here is ./{text}") from error
        raise


def prepared(
    source: Source, request: Request, protocol: Protocol, store: Store, progress: Progress
) -> Data:
    """Both parts of a data set as a run takes them. What is left out is said."""
    chosen = duplicates.Chosen(
        request.duplicates,
        request.near_duplicates,
        request.limit_train,
        request.limit_test,
        request.strict,
        request.memory,
    )
    train, test, copies = duplicates.parts(source, chosen, protocol, store, progress)
    said = {copy.id for copy in copies.train}
    left_out = {**source.left_out, **train.excluded, **test.excluded}
    data_source.name_left_out(
        source.name, {name: why for name, why in left_out.items() if name not in said}, progress
    )
    return Data(source, train, test, copies)


def first_source(request: Request, progress: Progress) -> tuple[Source, Protocol, Store]:
    """A request's first data set, with the protocol and the store that it names."""
    plugins, store = registry(), open_store(request.store)
    protocol = resolve_protocol(request, plugins)
    return (
        open_source(request.datasets[0], request, plugins, protocol, store, progress),
        protocol,
        store,
    )


def _resolve(
    choice: Choice, preset: str | None, registry: Registry
) -> tuple[MethodSpec, dict[str, Any]]:
    """A method's spec and all its parameters; required methods are checked, too."""
    spec: MethodSpec = registry.get("methods", choice.name)
    given = dict(choice.given)
    if (
        preset is not None
        and "preset" not in given
        and any(p.name == "preset" for p in spec.parameters)
    ):
        given["preset"] = preset
    parameters = spec.resolve(given)
    for parameter in spec.parameters:
        if parameter.type == "method":
            inner = notation.parse(parameters[parameter.name])
            _resolve(inner, parameters.get("preset", preset), registry)
    return spec, parameters


def _fit(
    choice: Choice, data: Data, seed: int, request: Request, protocol: Protocol, registry: Registry
) -> Fit:
    spec, parameters = _resolve(choice, request.preset, registry)
    inner = {
        p.name: notation.parse(parameters[p.name]) for p in spec.parameters if p.type == "method"
    }
    below = replace(request, preset=parameters.get("preset", request.preset))
    requires = {name: _fit(c, data, seed, below, protocol, registry) for name, c in inner.items()}
    owner = registry.owner("methods", spec.name)
    own = (p for p in spec.parameters if p.name not in requires)
    described = {p.name: p.identity(parameters[p.name], f"{spec.name}: {p.name}=") for p in own}
    key = keys.key(
        "fit",
        method=[owner.identity, spec.name, spec.version],
        parameters=described,
        requires={n: f.key for n, f in requires.items()},
        train=data.train.key,
        dataset=data.source.name,
        weights=[protocol.weights, protocol.weight_floor],
        seed=seed,
        dtype=request.precision,
        **{name: n for name in ("devices", "nodes") if (n := getattr(request, name)) > 1},
    )
    return Fit(key, storable(str(choice)), spec, parameters, data.source.name, seed, requires)


def _cell(
    choice: Choice, data: Data, seed: int, request: Request, protocol: Protocol, registry: Registry
) -> Cell:
    fit = _fit(choice, data, seed, request, protocol, registry)
    asks = tuple(
        _ask(name, n, fit, data, request, protocol) for name, n in _asks(fit.spec, protocol)
    )
    key = keys.key("cell", fit=fit.key, shards=[k for ask in asks for k in ask.shards])
    return Cell(key, fit, asks)


def unfit(fit: Fit, data: Data, protocol: Protocol) -> str | None:
    """Why a method can't be fitted on a data set, or None; it is made for that, and may raise
    anything."""
    if "law" in fit.spec.sees and not data.source.spec.known_law:
        return f"the law of {data.source.name} is not known"
    method, source = fit.method(), data.source
    wanted = Wanted(source.name, source.digest, data.test.ids, source.test, protocol)
    if "identity" in fit.spec.sees and (lacking := method.lacking(wanted)):
        return lacking
    return method.incompatible(source.name, len(data.train))


def _asks(spec: MethodSpec, protocol: Protocol) -> list[tuple[str, int]]:
    if spec.role == "codec":
        return [("reconstruct", 1)]
    return [("present", protocol.k), ("draws", protocol.draws)]


def _ask(name: str, n: int, fit: Fit, data: Data, request: Request, protocol: Protocol) -> Ask:
    if name == "draws" and (refused := fit.spec.no_draws(fit.parameters)):
        return Ask(name=name, n=n, refused=refused)
    source = prepare.prepared_key(data.source, (), protocol)
    asked = {"k": protocol.k, "ask": "present"} if name == "reconstruct" else {"k": n, "ask": name}
    shards = tuple(
        keys.key(
            "samples",
            fit=fit.key,
            photographs=[source, keys.digest_of(ids)],
            seed=fit.seed,
            seeds=SEEDS,
            dtype=request.precision,
            **asked,
        )
        for ids in samples.shards(data.test.ids)
    )
    return Ask(name=name, n=n, shards=shards)


def summary(plan: Plan, store: Store) -> Sequence[dict[str, str]]:
    """One row a step of `bench run --dry-run`: what it is, and whether it is cached, to do, or
    impossible."""
    past = _past_seconds(store)
    rows = []
    for fit in plan.fits():
        cached = store.find("fits", fit.key) is not None
        took = past.get((fit.spec.name, str(fit.parameters.get("preset"))), "unknown")
        rows.append(
            {
                "step": "fit",
                "what": f"{fit.label} on {fit.dataset}",
                "state": "cached" if cached else "to do",
                "estimate": "" if cached else took,
            }
        )
    for cell in plan.cells:
        impossible = (
            f"incompatible: {cell.incompatible}"
            if cell.incompatible
            else f"broken: {cell.broken}"
            if cell.broken
            else ""
        )
        state = impossible or _state(cell, store)
        rows.append({"step": "sample", "what": cell.name, "state": state, "estimate": ""})
    return rows


def _state(cell: Cell, store: Store) -> str:
    missing = cell.missing(store)
    return (
        f"to do: {missing} of {sum(len(ask.shards) for ask in cell.asks)} shards"
        if missing
        else "cached"
    )


def _past_seconds(store: Store) -> dict[tuple[str, str], str]:
    """How long fits of a method at a preset took before; which was the latest a store does not say."""
    took: dict[tuple[str, str], list[float]] = {}
    for mark in store.all("fits"):
        assert isinstance(mark, FitMark)
        if mark.seconds:
            of = mark.method, str(mark.parameters.get("preset"))
            took.setdefault(of, []).append(mark.seconds)
    return {
        of: f"about {median(seconds):.0f} s (median of {len(seconds)})"
        for of, seconds in took.items()
    }
