"""Fitted methods outside of their run: as one folder that goes from machine to machine, and opened
for use.

A folder holds `card.json` (what was fitted, on what, under which protocol and terms, and how it
scored) and, for the method and everything that it requires, a folder `fits/<key>` of what the
method saved: safetensors and JSON, nothing that is ever unpickled.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from graphlib import CycleError
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from bench import seeds
from bench.contracts import FitContext, Method, Progress, colour_weights
from bench.contracts.execution import Quiet
from bench.contracts.methods import restore
from bench.data.prepare import reopen
from bench.errors import BenchError, reason, unknown
from bench.fitted.card import CARD, SCHEMA, SCORES, Card, ScoreMean, TrainingData, in_order
from bench.fitted.card import read as read_card
from bench.machine import places
from bench.plugins.loader import Registry, registry
from bench.protocol import Protocol
from bench.results import run_folder
from bench.scores import manifest as manifests
from bench.scores.manifest import Cell, Fit, Manifest
from bench.specs import DatasetSpec, MethodSpec
from bench.store import digests, records, stored
from bench.store.files import folder_for_user, for_tensors, write_json
from bench.store.local import COMMIT_MARK, Store
from bench.store.marks import Fitted
from bench.text import bare

COLOURS = "colours.npy"


@dataclass(frozen=True)
class Opened:
    """A fitted method that is ready to be asked. card: what is known of it (`CARD`)."""

    method: Method
    spec: MethodSpec
    card: Card

    @property
    def protocol(self) -> Protocol:
        """The protocol that its training photographs were prepared under."""
        return Protocol(**self.card.choices)


def export(
    run: Path,
    method: str,
    out: Path,
    dataset: str | None = None,
    seed: int | None = None,
    store: Path | str | None = None,
) -> Path:
    """Write a fitted method of a run to a folder that is new or empty. BenchError where the run has
    none or several of them, or where it can't do without its store. store: as
    `bench.results.run_folder.read` takes it."""
    manifest = manifests.read(run)
    cell = _cell(run, manifest, method, dataset, seed)
    opened_store = run_folder.open_store_of(run, manifest, store)
    fits = _fits(manifest, cell, opened_store)
    card = _card(manifest, cell, fits, _scores(run, cell))
    with folder_for_user(for_tensors(out)) as place:
        for key in fits:
            shutil.copytree(
                _stored(opened_store, key, cell),
                place / "fits" / key,
                ignore=shutil.ignore_patterns(COMMIT_MARK),
            )
        np.save(
            place / COLOURS,
            _colours(manifest, cell.dataset, opened_store).prior,
            allow_pickle=False,
        )
        write_json(place / CARD, records.plain(replace(card, files=digests.of_folder(place))))
        _see_that_it_stands_alone(place)
    return out


def bring_in(folder: Path, store: Store) -> list[str]:
    """Put an exported method, and what it requires, into a store, where runs on the same
    photographs take it instead of training; returns the keys. BenchError for a folder that was
    changed. The store takes the card's word for what was fitted."""
    card = read_card(folder)
    for mark in card.fits.values():
        _spec(registry(), mark)
    for key, mark in card.fits.items():
        place = folder / "fits" / key

        def build(target: Path, place: Path = place, mark: Fitted = mark) -> dict[str, Any]:
            shutil.copytree(place, target, dirs_exist_ok=True)
            return {**records.plain(mark), "imported": True}

        store.get("fits", key, build)
    return list(card.fits)


@contextmanager
def opened(
    place: Path,
    method: str | None = None,
    dataset: str | None = None,
    seed: int | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    store: Path | str | None = None,
) -> Iterator[Opened]:
    """A fitted method of an exported folder, or of a run, while the block lasts; of several
    trainings with different seeds, the one with the smallest. store: of a run, as
    `bench.results.run_folder.read` takes it."""
    if (place / CARD).is_file():
        card = read_card(place)
        names, of = (card.method, card.label), card.data.name
        for asked, held in ((method, names), (dataset, (of,)), (seed, (card.seed,))):
            if asked not in (None, *held):
                raise BenchError(
                    f"{place} holds {card.label} of {of}, seed {card.seed}, not {asked}"
                )
        with tempfile.TemporaryDirectory() as empty:
            folders = {key: place / "fits" / key for key in card.fits}
            yield _open(
                place, card, folders, _prior(place, card), Store(Path(empty)), device, progress
            )
        return
    if not (place / "manifest.json").is_file():
        raise BenchError(f"{place} holds neither a run nor an exported method")
    manifest = manifests.read(place)
    Protocol.of(manifest.protocol, place / "manifest.json")
    cell = _cell(place, manifest, method, dataset, seed, any_seed=True)
    opened_store = run_folder.open_store_of(place, manifest, store)
    fits = _fits(manifest, cell, opened_store)
    folders = {key: _stored(opened_store, key, cell) for key in fits}
    prior = _colours(manifest, cell.dataset, opened_store).prior
    yield _open(place, _card(manifest, cell, fits), folders, prior, opened_store, device, progress)


def _cell(
    run: Path,
    manifest: Manifest,
    method: str | None,
    dataset: str | None,
    seed: int | None,
    any_seed: bool = False,
) -> Cell:
    """The only finished cell of a run that is meant; with `any_seed`, the one with the smallest
    seed."""
    method = method and places.labels([method])[method]
    known = [c for c in manifest.cells if c.role == "colourizer" or method in (c.method, c.name)]
    if method is not None and method not in [name for c in known for name in (c.method, c.name)]:
        raise unknown(f"method of {run}", method, [c.method for c in manifest.cells])
    found = [
        c
        for c in known
        if method in (None, c.method, c.name)
        and dataset in (None, c.dataset)
        and seed in (None, c.seed)
    ]
    if exact := [c for c in found if c.method == method]:
        found = exact
    if not found:
        raise BenchError(f"{run} has no {method or 'method'} of data set {dataset} and seed {seed}")
    if any_seed and len({(c.method, c.dataset) for c in found}) == 1:
        found = [min(found, key=lambda c: c.seed)]
    if len(found) > 1:
        names = "; ".join(f"{c.method} on {c.dataset}, seed {c.seed}" for c in found[:6])
        raise BenchError(
            f"{run} has several: {names}. Say which method, data set and training seed"
        )
    if found[0].status != "done":
        raise BenchError(
            f"{run}: {found[0].method} on {found[0].dataset} {found[0].status}: {found[0].reason}"
        )
    return found[0]


def _fits(manifest: Manifest, cell: Cell, store: Store) -> dict[str, Fit]:
    """The fits of a cell's fit, which comes last, and of all that it requires, by key."""
    known = {mark.key: mark for mark in manifest.fits}
    if cell.fit not in known:
        raise BenchError(
            f"the fit of {cell.method} on {cell.dataset} is not known to the run: repeat it"
        )
    needed, queue = list[str](), [cell.fit]
    while queue:
        key = queue.pop()
        if key not in known:
            raise BenchError(
                f"what {cell.method} on {cell.dataset} requires is not in {store.place}: "
                "repeat the run"
            )
        if key not in needed:
            needed.append(key)
            queue += known[key].requires.values()
    try:
        order = in_order({key: known[key] for key in needed})
    except CycleError as error:
        raise BenchError(
            f"the fits of {cell.method} on {cell.dataset} require one another: repeat the run"
        ) from error
    return {key: known[key] for key in order}


def _stored(store: Store, key: str, cell: Cell) -> Path:
    folder = store.find("fits", key)
    if folder is None:
        raise BenchError(store.gone("fits", key, f"what {cell.method} on {cell.dataset} learned"))
    return folder


def _colours(manifest: Manifest, dataset: str, store: Store) -> colour_weights.ColourWeights:
    choices = manifest.choices
    train = reopen(store, dataset, manifest.datasets[dataset].train.key)
    return colour_weights.fit(choices["weights"], train.ab, choices["weight_floor"])


def _card(
    manifest: Manifest, cell: Cell, fits: Mapping[str, Fit], scores: Sequence[ScoreMean] = ()
) -> Card:
    data, plugins = manifest.datasets[cell.dataset], registry()
    spec = plugins.specs["methods"].get(cell.name)
    source = plugins.specs["datasets"].get(data.plugin)
    return Card(
        schema_version=SCHEMA,
        label=cell.method,
        method=cell.name,
        version=cell.version,
        distribution=cell.distribution,
        licence=spec.licence if spec else "",
        citation=spec.citation if spec else "",
        data=TrainingData(
            name=cell.dataset,
            digest=data.digest,
            photographs=data.train.photographs,
            ids_digest=data.train.ids_digest,
            licence=source.licence if isinstance(source, DatasetSpec) else "",
        ),
        protocol=manifest.protocol,
        protocol_digest=manifest.protocol_digest,
        precision=manifest.precision,
        seed=cell.seed,
        environment=manifest.environment,
        fit=list(fits)[-1],
        fits={key: _without_key(fit) for key, fit in fits.items()},
        scores=tuple(scores),
    )


def _without_key(fit: Fit) -> Fitted:
    return Fitted(**{name: getattr(fit, name) for name in Fitted.__struct_fields__})


def _scores(run: Path, cell: Cell) -> list[ScoreMean]:
    """The means over test photographs, if the run has been scored. Those of several seeds are means
    over them, too."""
    if not (run / "summary.csv").is_file():
        return []
    table, advice = run / "summary.csv", f"`bench score {run}` writes it again"
    place = (cell.dataset, cell.method, "done")
    columns = ("dataset", "method", "status", *SCORES)
    rows = (
        {name: bare(text) for name, text in row.items()}
        for _, row in records.read_csv(table, columns, advice)
    )
    found = [row for row in rows if (row["dataset"], row["method"], row["status"]) == place]
    return records.checked(found, list[ScoreMean], table, advice, strict=False)


def _prior(folder: Path, card: Card) -> np.ndarray:
    """The colours' weights beside a card. BenchError where they are none."""
    prior = np.array(stored.array(folder / COLOURS, np.float64))
    if (
        prior.shape != colour_weights.SHAPES.get(card.choices["weights"])
        or not np.isfinite(prior).all()
        or (prior <= 0).any()
    ):
        raise BenchError(f"{folder / COLOURS} holds no colours' weights: don't use it")
    return prior


def _open(
    place: Path,
    card: Card,
    folders: Mapping[str, Path],
    prior: np.ndarray,
    store: Store,
    device: str,
    progress: Progress | None,
) -> Opened:
    plugins = registry()
    made: dict[str, Method] = {}
    colours = colour_weights.ColourWeights(card.choices["weights"], prior)
    protocol = Protocol.of(card.protocol, place)
    for key in in_order(card.fits):
        mark = card.fits[key]
        spec = _spec(plugins, mark)
        parts = {name: made[part] for name, part in mark.requires.items()}
        seed = seeds.of_fit(mark.seed, mark.dataset, mark.method)
        context = FitContext(
            seed,
            device,
            protocol,
            colours,
            parts,
            store,
            progress or Quiet(),
            part_keys=mark.requires,
            precision=card.precision or "float32",
        )
        try:
            method: Method = spec.load()(**_parameters(spec, mark, place))
        except BenchError:
            raise
        except Exception as error:
            raise BenchError(
                f"{place}: {mark.label} can't be made ({reason(error)}): don't use it"
            ) from error
        restore(method, folders[key], context)
        made[key] = method
    return Opened(made[card.fit], _spec(plugins, card.fits[card.fit]), card)


def _parameters(spec: MethodSpec, mark: Fitted, place: Path) -> dict[str, Any]:
    """What a method was made with, as its spec allows. Files are not among it: what they gave was
    learned, and a card could name any file of its reader. BenchError where the method can't do
    without."""
    if needed := next((p.name for p in spec.parameters if p.type == "path" and p.required), ""):
        raise BenchError(
            f"{place}: {mark.label} needs its own {needed}, which is no part of what was "
            "learned: run it instead"
        )
    files = {p.name for p in spec.parameters if p.type == "path"}
    return spec.resolve(
        {name: value for name, value in mark.parameters.items() if name not in files}
    )


def _spec(plugins: Registry, mark: Fitted) -> MethodSpec:
    spec: MethodSpec = plugins.get("methods", mark.method)
    if spec.version != mark.version:
        raise BenchError(
            f"it was fitted by version {mark.version} of {spec.name}, and this is version "
            f"{spec.version}: fit it "
            "again"
        )
    return spec


def _see_that_it_stands_alone(folder: Path) -> None:
    """Some methods, `knn` for one, look into the prepared photographs of the store, which don't go
    along."""
    try:
        with opened(folder):
            pass
    except BenchError as error:
        raise BenchError(
            f"it can't be exported, since it does not work without its store: {error}"
        ) from error
