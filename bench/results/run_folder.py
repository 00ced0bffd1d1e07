"""A run's results: the manifest, the long table of scores, and the pictures behind them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench import keys
from bench.contracts import PreparedSet
from bench.data import prepare
from bench.errors import BenchError, SamplesGone, unknown
from bench.plugins import notation
from bench.scores import long_table, samples
from bench.scores import manifest as manifests
from bench.scores.column_file import FileScores, has_index
from bench.scores.columns import KEYS, FrameScores, Scores
from bench.scores.long_table import SET_COLUMNS
from bench.scores.manifest import Cell, Manifest
from bench.store.local import Store
from bench.store.opening import default_place, located, open_store

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class Pictures:
    """A test photograph, its truth and what each method made of it.

    lightness `(256, 256)` L in 0..100; truth `(2, 64, 64)` ab; colourizations: method -> `(k, 2,
    64, 64)` ab.
    """

    image: str
    lightness: np.ndarray
    truth: np.ndarray
    colourizations: dict[str, np.ndarray]


class Results:
    """What a run measured: `bench.read` and `bench.run` make it.

    Attributes
    ----------
    manifest : Manifest
        The protocol, data sets, cells, versions and timings.
    table : Scores
        The scores, column by column. `scores` is all of them as one DataFrame, and `select` a part.
    set_scores : DataFrame
        Values of whole test sets (`bench.scores.long_table.SET_COLUMNS`).
    troubles : list of str
        What went wrong in this run beside cells, such as a report.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        scores: Scores | pd.DataFrame,
        set_scores: pd.DataFrame,
        opens: Callable[[], Store] | None = None,
    ) -> None:
        self.folder, self.manifest, self.set_scores, self._opens = (
            folder,
            manifest,
            set_scores,
            opens,
        )
        self.troubles: list[str] = []
        self.table: Scores = scores if isinstance(scores, Scores) else FrameScores(scores)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The long table of all scores (`bench.scores.long_table.COLUMNS`). Of many photographs it
        is large: `select` reads a part."""
        return self.table.frame(self.table.columns).reset_index(drop=True)

    def select(self, **words: str | int | Collection[str | int]) -> pd.DataFrame:
        """The rows of the long table that have the given words: `select(metric="psnr", ask="draws",
        region="all")`. Several of a kind may be given as a list. BenchError for what is no column
        of text, or says something of single rows."""
        wanted = {
            name: {word} if isinstance(word, str | int) else set(word)
            for name, word in words.items()
        }
        for name in wanted:
            if name not in KEYS:
                raise unknown("column to select by", name, KEYS)
        chosen = [
            c
            for c in self.table.columns
            if all(getattr(c, name) in some for name, some in wanted.items())
        ]
        return self.table.frame(chosen).reset_index(drop=True)

    @cached_property
    def cells(self) -> list[Cell]:
        """The cells (one method on one data set with one seed), in the order that was asked for."""
        return list(self.manifest.cells)

    @property
    def datasets(self) -> list[str]:
        """Names of the data sets, in order."""
        return list(self.manifest.datasets)

    def test_images(self, dataset: str) -> list[str]:
        """Ids of the test photographs of a data set, in the split's random order."""
        return list(self._test_set(dataset).ids)

    def pictures(self, dataset: str, images: Sequence[str]) -> list[Pictures]:
        """The pictures of some test photographs, with what every finished cell presented (first
        seed only)."""
        test = self._test_set(dataset)
        position = {name: i for i, name in enumerate(test.ids)}
        wanted = [position.get(name, -1) for name in images]
        fields: dict[str, np.ndarray] = {}
        for cell in self.cells:
            if cell.dataset == dataset and cell.status == "done" and cell.method not in fields:
                shards = cell.asks[0].shards if cell.asks else []
                if min(wanted, default=0) < 0 or len(shards) != len(samples.shards(test.ids)):
                    raise BenchError(
                        f"{self.folder / manifests.FILE} is damaged: samples of {cell.method} don't "
                        f"fit {dataset}"
                    )
                fields[cell.method] = samples.read_rows(self.store, shards, wanted)
        grey, truth = test.grey(wanted)[:, 0].numpy(), test.truth(wanted).numpy()
        return [
            Pictures(image, grey[row], truth[row], {m: f[row] for m, f in fields.items()})
            for row, image in enumerate(images)
        ]

    @cached_property
    def asked(self) -> list[str]:
        """Names of the metrics that were asked for by name; none where all were computed."""
        return list(
            dict.fromkeys(choice.name for choice in notation.parse_many(self.manifest.metrics))
        )

    @cached_property
    def claimed(self) -> list[str]:
        """Methods whose draws are independent as whoever made them claims; the harness could not
        check it."""
        return list(
            dict.fromkeys(c.method for c in self.cells if c.claims_draws and c.status == "done")
        )

    @cached_property
    def failed_metrics(self) -> dict[str, str]:
        """Metrics that raised, and what the first of them said, of which method."""
        found: dict[str, str] = {}
        for column in self.table.columns:
            if column.status == "failed" and column.metric:
                said = f"failed for {column.method} on {column.dataset}: {column.reason}"
                found.setdefault(column.metric, said)
        return found

    @cached_property
    def store(self) -> Store:
        """The store that holds the samples. SamplesGone where the reader did not say that it may be
        opened (`read`)."""
        return self._opens() if self._opens else open_store(self.manifest.store)

    def _test_set(self, dataset: str) -> PreparedSet:
        if dataset not in self._tests:
            key = self.manifest.datasets[dataset].test.key
            self._tests[dataset] = prepare.reopen(self.store, dataset, key)
        return self._tests[dataset]

    @cached_property
    def _tests(self) -> dict[str, PreparedSet]:
        return {}


def read(folder: Path, store: Path | str | None = None) -> Results:
    """Read a run folder.

    Parameters
    ----------
    folder : Path
        What `bench run` wrote.
    store : Path or str, optional
        Where its samples are, if pictures are wanted. The store that the run names is opened only
        where it is this one or, with none given, your own (`bench.store.opening.default_place`).

    Returns
    -------
    Results
        Its table is read when it is asked for.

    Raises
    ------
    BenchError
        When the folder is missing, damaged or of a newer schema.
    """
    manifest = manifests.read(folder)
    path, sets = folder / "scores.parquet", folder / "set_scores.parquet"
    if not path.is_file():
        raise BenchError(
            f"{path} is missing: repeat `bench run` with --out {folder} if it did not finish, else "
            f"`bench score {folder}`"
        )
    if not sets.is_file() and manifest.schema_version >= manifests.SCHEMA:
        raise BenchError(f"{sets} is missing: `bench score {folder}` makes it again")
    of_sets = (
        long_table.read(sets, SET_COLUMNS) if sets.is_file() else long_table.frame([], SET_COLUMNS)
    )
    if strange := sorted(set(of_sets["dataset"].dropna()) - manifest.datasets.keys()):
        raise BenchError(
            f"{sets} is damaged: it is of the data set '{strange[0][:80]}', which the run does not "
            "have"
        )
    return Results(
        folder,
        manifest,
        _scores(path, manifest),
        of_sets,
        partial(open_store_of, folder, manifest, store),
    )


def _scores(path: Path, manifest: Manifest) -> Scores:
    """Column by column where the file says where they are."""
    ids = {name: data.test.ids or () for name, data in manifest.datasets.items()}
    if has_index(path) and all(ids.values()):
        return FileScores(path, ids)
    table = long_table.read(path)
    if strange := sorted(set(table["dataset"].dropna()) - ids.keys()):
        raise BenchError(
            f"{path} is damaged: it is of the data set '{strange[0][:80]}', which the run does not "
            "have"
        )
    return FrameScores(table)


def open_store_of(folder: Path, manifest: Manifest, where: Path | str | None = None) -> Store:
    """The store of a run: `where` the reader says that it is. Without that, the reader's own, if
    the run names it: whoever made the manifest can't have another one opened, nor even looked at.
    SamplesGone, with what to say, where it names another."""
    if where is None and not _names(manifest, own := default_place()):
        named = manifest.store
        raise SamplesGone(
            f"{folder} was made with the store {named}, which is not opened, since yours is {own}: "
            "add --store "
            f"{shlex.quote(named)} if you trust who wrote there, or name a copy"
        )
    return open_store(where)


def choose(folder: Path, stores: Sequence[Path | str]) -> Path | str | None:
    """The store of a run among some that the reader gives: the one that it names, else the first."""
    manifest = manifests.read(folder) if len(stores) > 1 else None
    return next(
        (store for store in stores if manifest and _names(manifest, store)),
        next(iter(stores), None),
    )


def _names(manifest: Manifest, store: Path | str) -> bool:
    """Whether a manifest names a store."""
    place = located(store)
    known = (
        {place.rstrip("/")}
        if isinstance(place, str)
        else {os.path.realpath(place), os.path.abspath(place)}
    )
    return manifest.store in known or any(manifest.store_digest == digest(each) for each in known)


def digest(place: str) -> str:
    """By which a run's own readers know its store when the folder was moved."""
    return keys.key("store", place=place)
