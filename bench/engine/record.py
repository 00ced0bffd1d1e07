"""What is written of a run: the settings that make it go on, and its manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bench import keys
from bench.contracts.options import declared
from bench.contracts.request import Request
from bench.engine import plan
from bench.engine.plan import Plan
from bench.engine.schedule import Outcome
from bench.engine.score_run import headline as headline
from bench.engine.score_run import rescore as rescore
from bench.engine.score_run import summarise as summarise
from bench.machine import places
from bench.machine.environment import environment
from bench.plugins.loader import Registry
from bench.results import run_folder
from bench.scores import manifest as manifests
from bench.scores.manifest import Manifest
from bench.store import records
from bench.store.local import Store


def settings(made: Plan) -> dict[str, Any]:
    """What a run folder must have been made with to go on (`bench.contracts.options.Option.settings`)."""
    request = made.request
    lists = {name: data.source.lists for name, data in made.data.items() if data.source.lists}
    meant = {
        "schema_version": keys.SCHEMA,
        "protocol": made.protocol.describe(),
        "methods": sorted({c.fit.label for c in made.cells}),
        "datasets": {name: data.source.digest for name, data in made.data.items()},
        "metrics": list(places.labels(request.metrics).values()),
        **({"splits": lists} if lists else {}),
    }
    return meant | {
        name: list(value) if isinstance(value := getattr(request, name), tuple) else value
        for name, each in declared(Request).items()
        if each.settings == "value"
        or (each.settings == "changed" and getattr(request, name) != getattr(Request, name))
    }


def manifest(
    made: Plan, outcomes: Sequence[Outcome], store: Store, plugins: Registry, argv: Sequence[str]
) -> Manifest:
    kept = [store.read("fits", fit.key) for fit in made.fits()]
    found = {
        "schema_version": manifests.SCHEMA,
        "argv": [places.text(part) for part in argv],
        "protocol": made.protocol.describe(),
        "protocol_digest": made.protocol.digest,
        "preset": made.request.preset,
        "precision": made.request.precision,
        "metrics": list(places.labels(made.request.metrics).values()),
        "threads": made.request.threads,
        "datasets": {name: _describe_data(d) for name, d in made.data.items()},
        "cells": [_describe_cell(o, plugins) for o in outcomes],
        "fits": [places.cleaned(records.plain(mark)) for _, mark in filter(None, kept)],
        "plugins": [places.cleaned(asdict(p)) for p in plugins.plugins],
        "environment": environment(),
        "store": store.place,
        "store_digest": run_folder.digest(store.place),
    }
    return records.checked(found, Manifest, "the manifest")


def _describe_data(data: plan.Data) -> dict[str, Any]:
    return {
        "digest": data.source.digest,
        "plugin": data.source.spec.name,
        "split": data.source.lists,
        "left_out": places.cleaned(dict(data.source.left_out)),
        "listed": {"train": len(data.source.train), "test": len(data.source.test)},
        "duplicates": data.duplicates.described(),
        **{
            name: {
                "key": part.key,
                **part.summary,
                "excluded": places.cleaned(part.excluded),
                "ids": list(part.ids),
            }
            for name, part in (("train", data.train), ("test", data.test))
        },
    }


def _describe_cell(outcome: Outcome, plugins: Registry) -> dict[str, Any]:
    cell, fit = outcome.cell, outcome.cell.fit
    owner = plugins.owner("methods", fit.spec.name)
    return {
        "key": cell.key,
        "fit": fit.key,
        "dataset": fit.dataset,
        "method": fit.label,
        "name": fit.spec.name,
        "version": fit.spec.version,
        "distribution": f"{owner.distribution} {owner.version}",
        "role": fit.spec.role,
        "parameters": places.cleaned(dict(fit.parameters)),
        "seed": fit.seed,
        "reason": places.text(outcome.reason),
        "density": fit.spec.density,
        "claims_draws": fit.spec.claims_draws and not fit.spec.no_draws(fit.parameters),
        "asks": [places.cleaned(records.plain(ask)) for ask in cell.asks],
        "status": "done" if outcome.status == "cached" else outcome.status,
        "cached": outcome.status == "cached",
        "seconds": round(outcome.seconds, 3),
    }
