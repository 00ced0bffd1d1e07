"""A run's results: the manifest, the long table of scores, and the pictures behind them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import keys, notation, prepare, samples, score_table
from bench.errors import BenchError, unknown
from bench.files import read_json
from bench.score_columns import KEYS, FileScores, FrameScores, Scores, has_index
from bench.score_table import SET_COLUMNS
from bench.store import Store, open_store

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SCHEMA = 2
"""Version of a run folder's manifest. 2: a cell has several asks (what was presented, draws); 1 had one."""

@dataclass(frozen=True)
class Pictures:
    """A test photograph, its truth and what each method made of it.

    lightness `(256, 256)` L in 0..100; truth `(2, 64, 64)` ab; colourizations: method -> `(k, 2, 64, 64)` ab.
    """

    image: str
    lightness: np.ndarray
    truth: np.ndarray
    colourizations: dict[str, np.ndarray]


class Results:
    """What a run measured.

    `manifest` holds the protocol, data sets, cells, versions and timings; `table` the scores, column by column; `set_scores` the
    values of whole test sets (`SET_COLUMNS`).
    """

    def __init__(self, folder: Path, manifest: dict[str, Any], scores: Scores | pd.DataFrame, set_scores: pd.DataFrame) -> None:
        self.folder, self.manifest, self.set_scores = folder, manifest, set_scores
        self.table: Scores = scores if isinstance(scores, Scores) else FrameScores(scores)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The long table of all scores (`bench.score_table.COLUMNS`). Of many photographs it is large: `select` reads a part."""
        return self.table.frame(self.table.columns).reset_index(drop=True)

    def select(self, **words: str | int | Collection[str | int]) -> pd.DataFrame:
        """The rows of the long table that have the given words: `select(metric="psnr", ask="draws", region="all")`. Several of
        a kind may be given as a list. BenchError for what is no column of text, or says something of single rows."""
        wanted = {name: {word} if isinstance(word, str | int) else set(word) for name, word in words.items()}
        for name in wanted:
            if name not in KEYS:
                raise unknown("column to select by", name, KEYS)
        chosen = [c for c in self.table.columns if all(getattr(c, name) in some for name, some in wanted.items())]
        return self.table.frame(chosen).reset_index(drop=True)

    @cached_property
    def cells(self) -> list[dict[str, Any]]:
        """The cells (one method on one data set with one seed), in the order that was asked for."""
        return list(self.manifest["cells"])

    @property
    def datasets(self) -> list[str]:
        """Names of the data sets, in order."""
        return list(self.manifest["datasets"])

    def test_images(self, dataset: str) -> list[str]:
        """Ids of the test photographs of a data set, in the split's random order."""
        return list(self._test_set(dataset).ids)

    def pictures(self, dataset: str, images: Sequence[str]) -> list[Pictures]:
        """The pictures of some test photographs, with what every finished cell presented (first seed only)."""
        test = self._test_set(dataset)
        position = {name: i for i, name in enumerate(test.ids)}
        wanted = [position[name] for name in images]
        fields: dict[str, np.ndarray] = {}
        for cell in self.cells:
            if cell["dataset"] == dataset and cell["status"] == "done" and cell["method"] not in fields:
                fields[cell["method"]] = samples.read_rows(self.store, cell["asks"][0]["shards"], wanted)
        grey, truth = test.grey(wanted)[:, 0].numpy(), test.truth(wanted).numpy()
        return [
            Pictures(image, grey[row], truth[row], {m: f[row] for m, f in fields.items()})
            for row, image in enumerate(images)
        ]

    @cached_property
    def asked(self) -> list[str]:
        """Names of the metrics that were asked for by name; none where all were computed."""
        return list(dict.fromkeys(choice.name for choice in notation.parse_many(self.manifest.get("metrics") or ())))

    @cached_property
    def claimed(self) -> list[str]:
        """Methods whose draws are independent as whoever made them claims; the harness could not check it."""
        return list(dict.fromkeys(c["method"] for c in self.cells if c.get("claims_draws") and c["status"] == "done"))

    @property
    def store(self) -> Store:
        """The store that holds the samples."""
        return open_store(self.manifest["store"])

    def _test_set(self, dataset: str) -> prepare.PreparedSet:
        if dataset not in self._tests:
            key = self.manifest["datasets"][dataset]["test"]["key"]
            self._tests[dataset] = prepare.reopen(self.store, dataset, key)
        return self._tests[dataset]

    @cached_property
    def _tests(self) -> dict[str, prepare.PreparedSet]:
        return {}


def read(folder: Path) -> Results:
    """The results in a run folder; BenchError when it is missing, damaged or of a newer schema."""
    manifest = read_manifest(folder)
    path, sets = folder / "scores.parquet", folder / "set_scores.parquet"
    if not path.is_file():
        raise BenchError(
            f"{path} is missing: repeat `bench run` with --out {folder} if it did not finish, else `bench score {folder}`"
        )
    if not sets.is_file() and manifest.get("schema_version", 1) >= SCHEMA:
        raise BenchError(f"{sets} is missing: `bench score {folder}` makes it again")
    of_sets = score_table.read(sets, SET_COLUMNS) if sets.is_file() else score_table.frame([], SET_COLUMNS)
    return Results(folder, manifest, _scores(path, manifest), of_sets)


def _scores(path: Path, manifest: dict[str, Any]) -> Scores:
    """Column by column where the file says where they are."""
    ids = {name: data["test"].get("ids") for name, data in manifest["datasets"].items()}
    return FileScores(path, ids) if has_index(path) and all(ids.values()) else FrameScores(score_table.read(path))


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run folder; BenchError when it is missing, damaged or of a newer schema."""
    if not folder.is_dir():
        raise BenchError(f"{folder} is no run folder: it does not exist")
    if not (folder / "manifest.json").is_file():
        raise BenchError(f"{folder} has no manifest.json: it is no run folder, or its run did not finish")
    found = read_json(folder / "manifest.json", SCHEMA)
    if not isinstance(found, dict):
        raise BenchError(f"{folder / 'manifest.json'} is damaged: it holds no description of a run")
    manifest = dict(found)
    if missing := list(_missing(manifest)):
        raise BenchError(f"{folder / 'manifest.json'} is damaged: {', '.join(missing)} missing")
    if keys.key("protocol", **manifest["protocol"]) != manifest["protocol_digest"]:
        raise BenchError(f"{folder / 'manifest.json'} was changed: its protocol is not that of its digest, which the scores are of")
    if manifest.get("schema_version", 1) < SCHEMA:
        manifest["cells"] = [_from_schema_1(cell) for cell in manifest["cells"]]
    return manifest


def _missing(manifest: dict[str, Any]) -> Iterator[str]:
    """What every reader of a manifest relies on."""
    yield from (k for k in ("protocol", "protocol_digest", "datasets", "cells", "store", "argv", "fits") if k not in manifest)
    protocol = manifest.get("protocol") or {}
    yield from (f"protocol's {k}" for k in ("name", "k", "scale", "weights", "weight_floor") if k not in protocol)
    for name, data in (manifest.get("datasets") or {}).items():
        for part in ("train", "test"):
            wanted = ("key", "photographs", "ids_digest", "excluded", "grey_only_kept")
            yield from (f"{name}'s {part} {k}" for k in wanted if k not in (data.get(part) or {}))
    for cell in manifest.get("cells") or ():
        yield from (f"a cell's {k}" for k in ("key", "dataset", "method", "status") if k not in cell)


def _from_schema_1(cell: dict[str, Any]) -> dict[str, Any]:
    name = "reconstruct" if cell.get("role") == "codec" else "present"
    return {**cell, "asks": [{"ask": name, "n": cell.get("k", 0), "shards": cell.get("shards", []), "refused": ""}]}
