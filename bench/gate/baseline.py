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
from bench.gate.forms import (
    BaselineFile,
    ColumnOfBaseline,
    DataOfBaseline,
    Gated,
    Ids,
    Libraries,
    MethodOfBaseline,
    Origin,
)
from bench.gate.margins import Quantity
from bench.gate.noise_floor import Floor
from bench.plugins.loader import Registry
from bench.results.run_folder import Results
from bench.results.series import Series
from bench.scores.columns import ScoreColumn
from bench.scores.manifest import Cell, DataSet
from bench.store import records
from bench.store.files import write_for_user

SCHEMA = 1
DIGITS = 6
FORM = "huebench baseline"
"""By this a file is known to be one."""
MEND = "write it again, or restore it"


@dataclass(frozen=True, eq=False)
class Baseline:
    """Values to hold a run against. origin: protocol, data sets with the ids of their test
    photographs, methods and environment, as far as they matter. series, parts: as
    `bench.gate.columns.Chosen` has them. floors: the noise of training
    seeds, where it is known."""

    path: Path
    origin: Origin
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
    origin = _origin(result)
    trainings = max((len(m.seeds) for m in origin.methods), default=1)
    floors = noise_floor.floors([result, *floor_of], names, plugins, trainings)
    ours |= {each.quantity for each in chosen.sets}
    return Baseline(
        path,
        origin,
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
    gated = {_quantity(line) for line in found.columns if not line.part}
    parts = frozenset(_quantity(line) for line in found.columns if line.part) - gated
    sets = tuple(SetValue(_quantity(s), s.parts, s.version) for s in found.sets)
    floors = {_quantity(f): Floor(f.floor, f.seeds, f.mean) for f in found.floors}
    series = tuple(_series(line, found.datasets) for line in found.columns)
    baseline = Baseline(path, found, series, parts, sets, floors, found.left_out)
    if wrong := next(_unfit(baseline), ""):
        raise BenchError(f"{path} is damaged ({wrong}): {MEND}")
    return baseline


def text(baseline: Baseline) -> str:
    """The file: one line a column, and one a data set, method, set's value and floor."""
    origin = records.plain(baseline.origin)
    head = {
        "form": FORM,
        "schema_version": SCHEMA,
        "date": origin["date"],
        **{key: origin[key] for key in ("protocol", "protocol_digest", "preset", "environment")},
    }
    parts = [
        f"{json.dumps(key)}: {json.dumps(value, sort_keys=True)}" for key, value in head.items()
    ]
    lists: dict[str, list[Any]] = {
        "methods": origin["methods"],
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
        f"{json.dumps(name)}: {json.dumps(data)}" for name, data in origin["datasets"].items()
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


def _origin(result: Results) -> Origin:
    given = result.manifest
    methods: dict[tuple[str, str], list[Cell]] = {}
    for cell in result.cells:
        methods.setdefault((cell.dataset, cell.method), []).append(cell)
    return Origin(
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        protocol=given.protocol,
        protocol_digest=given.protocol_digest,
        preset=given.preset,
        environment=Libraries(libraries=given.environment.libraries),
        datasets={name: _data(name, data, result) for name, data in given.datasets.items()},
        methods=tuple(
            MethodOfBaseline(
                dataset=cells[0].dataset,
                method=cells[0].method,
                seeds=tuple(cell.seed for cell in cells),
                name=cells[0].name,
                version=cells[0].version,
                distribution=cells[0].distribution,
                parameters=cells[0].parameters,
            )
            for cells in methods.values()
        ),
    )


def _data(name: str, data: DataSet, result: Results) -> DataOfBaseline:
    train, test = (
        Ids(ids_digest=part.ids_digest, photographs=part.photographs, ids=ids)
        for part, ids in ((data.train, ()), (data.test, tuple(image_ids(result, name))))
    )
    return DataOfBaseline(digest=data.digest, train=train, test=test)


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
        if of.dataset not in baseline.origin.datasets:
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


def _series(line: ColumnOfBaseline, datasets: Mapping[str, DataOfBaseline]) -> Series:
    import pandas as pd

    about = ScoreColumn(
        **_quantity(line)._asdict(),
        run="",
        cell="",
        role="",
        parameters="",
        seed=line.seed,
        ask=line.ask,
        metric_version=line.version,
        direction=line.direction,
        unit=line.unit,
        region="all",
        kind=line.kind,
        k=line.k,
    )
    images = datasets[about.dataset].test.ids if about.dataset in datasets else ()
    values = [math.nan if value is None else value for value in line.values]
    return Series(about, pd.Index(images, dtype="object"), np.array(values, np.float64))


def _quantity(line: Gated) -> Quantity:
    return Quantity(line.dataset, line.method, line.metric, line.variant)
