"""Baselines: small JSON files that are committed, with the per-photograph values that a later run
is held against.

A file has one line a column, so that a review shows which methods and metrics changed; numbers have
`DIGITS` significant digits, which is close to what float32 holds. It says what it is of: protocol,
data, methods, seeds and versions.
"""

from __future__ import annotations

import datetime
import json
import math
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import BenchError, NothingMeasured
from bench.gate import noise_floor
from bench.gate.columns import Chosen, SetValue, choose, image_ids, not_loaded, quantity_of
from bench.gate.forms import BaselineFile, ColumnOfBaseline, Gated
from bench.gate.margins import Quantity
from bench.gate.noise_floor import Floor
from bench.plugins.loader import Registry
from bench.results.run_folder import Results
from bench.results.series import Series
from bench.scores import long_table
from bench.scores.columns import ScoreColumn
from bench.store import records
from bench.store.files import write_for_user

SCHEMA = 1
DIGITS = 6
FORM = "huebench baseline"
"""By this a file is known to be one."""
MEND = "write it again, or restore it"


@dataclass(frozen=True, eq=False)
class Baseline:
    """Values to hold a run against. manifest: protocol, data sets with the ids of their test
    photographs, methods and environment, as far as they matter. series, parts: as
    `bench.gate.columns.Chosen` has them. floors: the noise of training
    seeds, where it is known."""

    path: Path
    manifest: Mapping[str, Any]
    series: tuple[Series, ...]
    parts: frozenset[Quantity]
    sets: tuple[SetValue, ...]
    floors: Mapping[Quantity, Floor]
    left_out: tuple[str, ...]

    @property
    def quantities(self) -> list[Quantity]:
        """What is gated, method by method."""
        series = [quantity_of(each) for each in self.series]
        found = dict.fromkeys(
            [q for q in series if q not in self.parts] + [each.quantity for each in self.sets]
        )
        places = list(dict.fromkeys(q[:2] for q in found))
        return sorted(found, key=lambda q: places.index(q[:2]))

    def seeds(self, dataset: str, method: str) -> list[int]:
        """The training seeds of a method."""
        about = [each.about for each in self.series]
        return sorted({a.seed for a in about if (a.dataset, a.method) == (dataset, method)})

    def as_results(self) -> Results:
        """The manifest, as `bench.results.comparable.differences` compares them; no scores."""
        scores, of_sets = (
            long_table.frame([], columns)
            for columns in (long_table.COLUMNS, long_table.SET_COLUMNS)
        )
        return Results(self.path, dict(self.manifest), scores, of_sets)


def make(
    result: Results,
    path: Path,
    names: Sequence[str],
    plugins: Registry,
    *,
    force: bool = False,
    floor_of: Sequence[Results] = (),
) -> Baseline:
    """The baseline of a run, of the named metrics, or of those that declare a headline or a main
    variant or that the run was asked for by name.

    floor_of: other runs that tell how far training seeds move a quantity. BenchError for a run in
    which something failed, or whose metrics are not all loaded, unless it is forced: then that is
    left out, and said. So is what has no value. NothingMeasured where nothing can be gated.
    """
    missing = [] if names else not_loaded(result, plugins)
    if missing and not force:
        raise BenchError(
            f"{result.folder} has scores of {', '.join(missing)}, which nothing that is loaded "
            "here registers: load "
            "the plugin (--plugin, --config), or --force a baseline without"
        )
    chosen = _defined(choose(result, names, plugins), plugins)
    if chosen.failed and not force:
        more = f" and {len(chosen.failed) - 1} more" if len(chosen.failed) > 1 else ""
        raise BenchError(
            f"{result.folder}: {chosen.failed[0]}{more}: run it again, or --force a baseline "
            "without what failed"
        )
    ours = {quantity_of(each) for each in chosen.series}
    if not (ours - chosen.parts) and not chosen.sets:
        why = [*chosen.left_out, *chosen.failed]
        more = f"; and {len(why) - 6} more" if len(why) > 6 else ""
        raise NothingMeasured(
            f"{result.folder} has nothing to gate: {'; '.join(why[:6]) or 'no values'}{more}"
        )
    manifest = _manifest(result)
    trainings = max((len(m["seeds"]) for m in manifest["methods"]), default=1)
    floors = noise_floor.floors([result, *floor_of], names, plugins, trainings)
    ours |= {each.quantity for each in chosen.sets}
    return Baseline(
        path,
        manifest,
        tuple(map(_rounded, chosen.series)),
        chosen.parts,
        chosen.sets,
        {q: f for q, f in floors.items() if q in ours},
        (*chosen.left_out, *(f"{name}: not loaded here" for name in missing), *chosen.failed),
    )


def write(baseline: Baseline) -> None:
    """Write a baseline to its path. BenchError where something else is there, or it can't be
    written."""
    if baseline.path.exists() and not _is_baseline(baseline.path):
        raise BenchError(f"{baseline.path} exists and is no baseline: choose another file")
    write_for_user(baseline.path, text(baseline))


def read(path: Path) -> Baseline:
    """A baseline file; BenchError when it is missing, damaged, of a newer schema, or something
    else."""
    if not path.exists():
        raise BenchError(f"{path} is missing: `bench baseline write RUN {path}` makes it of a run")
    given = records.loaded(path)
    if not isinstance(given, dict) or given.get("form") != FORM:
        raise BenchError(f"{path} is no baseline: `bench baseline write RUN FILE` makes one")
    found = records.checked(given, BaselineFile, path, MEND, SCHEMA)
    lines = found["columns"]
    gated = {_quantity(line) for line in lines if not line.get("part")}
    parts = frozenset(_quantity(line) for line in lines if line.get("part")) - gated
    sets = tuple(SetValue(_quantity(s), tuple(s["parts"]), s["version"]) for s in found["sets"])
    floors = {_quantity(f): Floor(f["floor"], f["seeds"], f["mean"]) for f in found["floors"]}
    said: dict[str, Any] = dict(found)
    manifest = {name: said[name] for name in ("date", *_PROVENANCE, "environment", *_LISTS)}
    series = tuple(_series(line, manifest["datasets"]) for line in lines)
    baseline = Baseline(path, manifest, series, parts, sets, floors, tuple(found["left_out"]))
    if wrong := next(_unfit(baseline), ""):
        raise BenchError(f"{path} is damaged ({wrong}): {MEND}")
    return baseline


def text(baseline: Baseline) -> str:
    """The file: one line a column, and one a data set, method, set's value and floor."""
    head = {
        "form": FORM,
        "schema_version": SCHEMA,
        **{k: v for k, v in baseline.manifest.items() if k not in _LISTS},
    }
    parts = [
        f"{json.dumps(key)}: {json.dumps(value, sort_keys=True)}" for key, value in head.items()
    ]
    lists: dict[str, list[Any]] = {
        "methods": list(baseline.manifest["methods"]),
        "left_out": list(baseline.left_out),
        "floors": [
            {
                **q._asdict(),
                "floor": significant(f.value),
                "mean": significant(f.mean),
                "seeds": f.seeds,
            }
            for q, f in baseline.floors.items()
        ],
        "sets": [
            {**s.quantity._asdict(), "version": s.version, "parts": list(s.parts)}
            for s in baseline.sets
        ],
        "columns": [_line(series, baseline.parts) for series in baseline.series],
    }
    datasets = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(data)}"
        for name, data in baseline.manifest["datasets"].items()
    )
    parts.append(f'"datasets": {{\n{datasets}\n}}')
    parts += [f"{json.dumps(key)}: [{_lines(values)}]" for key, values in lists.items()]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def significant(value: float) -> float:
    """A number with `DIGITS` significant digits.

    >>> significant(0.123456789)
    0.123457
    """
    return float(f"{value:.{DIGITS}g}")


_LISTS = ("methods", "datasets")
_PROVENANCE = ("protocol", "protocol_digest", "preset")


def _manifest(result: Results) -> dict[str, Any]:
    """What a reader, and a comparison, need of a run's manifest."""
    given = result.manifest
    environment = given.get("environment", {})
    methods: dict[tuple[str, str], dict[str, Any]] = {}
    for cell in result.cells:
        kept = {
            k: cell.get(k)
            for k in ("dataset", "method", "name", "version", "distribution", "parameters")
        }
        methods.setdefault((cell["dataset"], cell["method"]), {**kept, "seeds": []})[
            "seeds"
        ].append(int(cell.get("seed") or 0))
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        **{key: given.get(key) for key in _PROVENANCE},
        "environment": {"libraries": environment.get("libraries", {})},
        "datasets": {name: _data(name, data, result) for name, data in given["datasets"].items()},
        "methods": list(methods.values()),
    }


def _data(name: str, data: Mapping[str, Any], result: Results) -> dict[str, Any]:
    parts = {
        part: {k: data[part].get(k) for k in ("photographs", "ids_digest")}
        for part in ("train", "test")
    }
    return {
        "digest": data.get("digest"),
        "train": parts["train"],
        "test": {**parts["test"], "ids": image_ids(result, name)},
    }


def _defined(chosen: Chosen, plugins: Registry) -> Chosen:
    """What has a value in every training; the rest is named."""
    of = [quantity_of(series) for series in chosen.series]
    seeds: dict[Quantity, int] = Counter(q for q in of if q not in chosen.parts)
    for each in chosen.sets:
        seeds[each.quantity] = of.count(each.quantity._replace(variant=each.parts[0]))
    values = noise_floor.seed_values(chosen, plugins)
    lost = {quantity for quantity, count in seeds.items() if len(values.get(quantity, ())) < count}
    sets = tuple(each for each in chosen.sets if each.quantity not in lost)
    parts = {each.quantity._replace(variant=part) for each in sets for part in each.parts}
    gone = {q for q in of if q in lost or q in chosen.parts} - parts
    series = tuple(each for each, q in zip(chosen.series, of) if q not in gone)
    said = tuple(
        f"{q.metric}:{q.variant}: undefined for {q.method} on {q.dataset}"
        for q in seeds
        if q in lost
    )
    return replace(
        chosen,
        series=series,
        parts=frozenset((chosen.parts | lost) & parts),
        sets=sets,
        left_out=chosen.left_out + said,
    )


def _rounded(series: Series) -> Series:
    return replace(series, values=np.array([significant(v) for v in series.values]))


def _line(series: Series, parts: Container[Quantity]) -> dict[str, Any]:
    about, of = series.about, quantity_of(series)
    return {
        **of._asdict(),
        **{name: getattr(about, name) for name in ("seed", "ask", "kind", "k")},
        "version": about.metric_version,
        "unit": about.unit,
        "direction": about.direction,
        **({"part": True} if of in parts else {}),
        "values": [None if math.isnan(v) else significant(v) for v in series.values],
    }


def _lines(values: Sequence[Any]) -> str:
    return "\n" + ",\n".join(json.dumps(value) for value in values) + "\n" if values else ""


def _is_baseline(path: Path) -> bool:
    try:
        found = records.loaded(path)
    except BenchError:
        return False
    return isinstance(found, dict) and found.get("form") == FORM


def _unfit(baseline: Baseline) -> Iterator[str]:
    """What does not fit together."""
    places = [(quantity_of(series), series.about.seed) for series in baseline.series]
    if len(set(places)) < len(places):
        yield "two columns of one quantity and seed"
    for series, (of, _) in zip(baseline.series, places):
        if of.dataset not in baseline.manifest["datasets"]:
            yield f"a column of {of}, whose data set it does not have"
        elif len(series.values) != len(series.images):
            yield f"a column of {of} has {len(series.values)} values, not {len(series.images)}"
        if np.isinf(series.values).any():
            yield f"an infinite value of {of}"
    for each in baseline.sets:
        if not each.parts or any(
            each.quantity._replace(variant=part) not in {q for q, _ in places}
            for part in each.parts
        ):
            yield f"{str(each.quantity)[:200]} lacks columns that it is made of"


def _series(line: ColumnOfBaseline, datasets: Mapping[str, Any]) -> Series:
    import pandas as pd

    about = ScoreColumn(
        **_quantity(line)._asdict(),
        run="",
        cell="",
        role="",
        parameters="",
        seed=line["seed"],
        ask=line["ask"],
        metric_version=line["version"],
        direction=line["direction"],
        unit=line["unit"],
        region="all",
        kind=line["kind"],
        k=line["k"],
    )
    images = datasets[about.dataset]["test"]["ids"] if about.dataset in datasets else []
    values = [math.nan if value is None else value for value in line["values"]]
    return Series(about, pd.Index(images, dtype="object"), np.array(values, np.float64))


def _quantity(line: Gated) -> Quantity:
    return Quantity(line["dataset"], line["method"], line["metric"], line["variant"])
