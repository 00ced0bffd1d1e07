"""Manifests of runs, of which tests say only what matters to them."""

from bench.protocol import make_paper
from bench.scores.manifest import Cell, Manifest
from bench.store import records

PART = {"key": "ab" * 32, "photographs": 30, "ids_digest": "", "excluded": {}, "grey_only_kept": []}


def make_manifest(cells=(), datasets=None, **given):
    """A manifest; cells and data sets as far as they are given."""
    protocol = make_paper(antialias=False)
    parts = {"train": {}, "test": {}}
    known = {
        "protocol": protocol.describe(),
        "protocol_digest": protocol.digest,
        "store": "store",
        "argv": [],
        "fits": [],
        "cells": [_cell(cell) for cell in cells],
        "datasets": {
            name: data | {part: PART | (parts | data)[part] for part in parts}
            for name, data in (datasets or {}).items()
        },
    }
    return records.checked(known | given, Manifest, "a test's manifest")


def make_cell(**given):
    """A cell, as far as it is given."""
    return records.checked(_cell(given), Cell, "a test's cell")


def _cell(given):
    usual = {"key": "c", "dataset": "lfw", "method": "mdn", "status": "done"}
    asks = [{"n": 5} | ask for ask in given.get("asks", ())]
    return usual | given | {"asks": asks}
