"""Run folders as they are on disk, with scores that the tests choose."""

import json

import numpy as np
import pandas as pd
import pytest

from bench.protocol import make_paper
from bench.results import run_folder
from bench.scores.long_table import COLUMNS, SET_COLUMNS
from bench.scores.manifest import SCHEMA

N = 40
IDS = [f"{i:03}" for i in range(N)]
BASE = np.random.default_rng(0).gamma(4, 0.05, N)
PAPER = make_paper(antialias=False)
METRICS = {
    "error-of-best": ("sum", "down", "present", 5),
    "fair-energy-score": ("field", "down", "draws", 10),
    "variance": ("ab", "none", "present", 5),
    "mode-coverage": ("mass", "up", "present", 5),
}
"""Name: headline variant, direction, ask and k, as the built-in metrics declare them."""
EMPTY = dict.fromkeys(COLUMNS, "") | {
    "role": "colourizer",
    "kind": "iid",
    "unit": "u",
    "metric_version": "1",
    "k": 0,
    "seed": 0,
    "region": "all",
    "value": np.nan,
}


def rows(values, metric="fair-energy-score", method="mdn", *, images=IDS, **more):
    """One row a photograph; NaN is undefined."""
    variant, direction, ask, k = METRICS.get(metric, ("field", "down", "draws", 10))
    same = {
        "dataset": "demo",
        "method": method,
        "metric": metric,
        "variant": variant,
        "direction": direction,
        "ask": ask,
        "k": k,
    }
    return [
        EMPTY
        | same
        | {"image": image, "value": float(v), "status": "done" if np.isfinite(v) else "undefined"}
        | more
        for image, v in zip(images, values)
    ]


def lost(status, reason, method="mdn", **more):
    """What was not computed: a cell, or one of its metrics."""
    return [
        EMPTY
        | {
            "dataset": "demo",
            "method": method,
            "status": status,
            "reason": reason,
            "direction": "none",
        }
        | more
    ]


def ratio(above, below, **more):
    """The columns of spread-skill, whose value is of the whole set."""
    same = {"direction": "target", "ask": "draws", "k": 10, **more}
    return [
        row
        for variant, values in (("spread", above), ("skill", below))
        for row in rows(values, "spread-skill", **{**same, "variant": variant})
    ]


def cells(table, statuses=()):
    """The manifest's cells of the rows."""
    found = dict.fromkeys((row["dataset"], row["method"], row["seed"]) for row in table)
    states = {
        (r["method"], r["seed"]): (r["status"], r["reason"]) for r in table if not r["metric"]
    }
    return [
        {
            "key": f"{d}{m}{s}",
            "dataset": d,
            "method": m,
            "seed": s,
            "name": m,
            "version": "1",
            "distribution": "huebench 0.1.0",
            "parameters": {"steps": 2},
            "role": "colourizer",
            "asks": [],
            "cached": False,
            "seconds": 1.0,
            "status": states.get((m, s), ("done", ""))[0],
            "reason": states.get((m, s), ("done", ""))[1],
        }
        for d, m, s in found
    ]


def data(ids=IDS, **more):
    """A data set in a manifest."""
    part = {
        "key": "0" * 64,
        "photographs": len(ids),
        "excluded": {},
        "grey_only_kept": [],
        "ids_digest": str(hash(tuple(ids))),
    }
    return {
        "digest": "d",
        "train": {**part, "ids_digest": "t"},
        "test": {**part, "ids": list(ids)},
    } | more


@pytest.fixture
def folder(tmp_path):
    """`folder(name, rows, ...)`: a run folder."""

    def made(name, *parts, datasets=None, protocol=PAPER, sets=(), **manifest):
        table, path = [row for part in parts for row in part], tmp_path / name
        path.mkdir(exist_ok=True)
        known = {
            "schema_version": SCHEMA,
            "protocol": protocol.describe(),
            "protocol_digest": protocol.digest,
            "preset": "tiny",
            "datasets": datasets or {d: data() for d in dict.fromkeys(r["dataset"] for r in table)},
            "cells": cells(table),
            "store": "none",
            "argv": [],
            "fits": [],
            "environment": {"libraries": {"torch": "2.1"}},
        }
        (path / "manifest.json").write_text(json.dumps(known | manifest))
        pd.DataFrame(table, columns=list(COLUMNS)).to_parquet(path / "scores.parquet")
        pd.DataFrame(list(sets), columns=list(SET_COLUMNS)).to_parquet(path / "set_scores.parquet")
        return path

    return made


@pytest.fixture
def run(folder):
    """The same, read."""
    return lambda *parts, **more: run_folder.read(folder(*parts, **more))


def set_row(metric, variant, value=1.0, seed=0, method="mdn"):
    """A value of the whole set."""
    row = dict.fromkeys(SET_COLUMNS, "") | {
        "dataset": "demo",
        "method": method,
        "metric": metric,
        "variant": variant,
        "seed": seed,
    }
    return row | {
        "value": value,
        "low": np.nan,
        "high": np.nan,
        "images": N,
        "k": 10,
        "ask": "draws",
        "kind": "iid",
    }
