"""What of a run is worth gating: columns of per-photograph values, each training by itself, and
values of sets made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.errors import BenchError, unknown
from bench.gate.margins import Quantity
from bench.plugins import notation
from bench.plugins.loader import Registry
from bench.results import series
from bench.results.run_folder import Results
from bench.results.series import Key, Place, Side
from bench.scores import set_values
from bench.specs import IID, Direction, MetricSpec


@dataclass(frozen=True, eq=False)
class Column:
    """Values `(N,)` of a quantity, or of a part of one, by one training, in the order of the test
    ids; NaN is undefined.

    k: how many samples stand behind a value. part: it is no quantity by itself.
    """

    quantity: Quantity
    seed: int
    ask: str
    kind: str
    k: int
    version: str
    unit: str
    direction: Direction
    values: np.ndarray = field(repr=False)
    part: bool = False


@dataclass(frozen=True)
class SetValue:
    """A quantity of the whole set, that `Metric.combine` makes of columns; `parts` are their
    variants."""

    quantity: Quantity
    parts: tuple[str, ...]
    version: str


@dataclass(frozen=True)
class Chosen:
    """Columns and set's values. left_out: what can't be gated, and why. failed: what has no values
    because it failed."""

    columns: tuple[Column, ...]
    sets: tuple[SetValue, ...]
    left_out: tuple[str, ...]
    failed: tuple[str, ...]


def by_seed(result: Results, metrics: Sequence[str] = ()) -> dict[int, dict[Place, Side]]:
    """What was measured, each training seed by itself."""
    seeds = dict.fromkeys(int(cell.get("seed") or 0) for cell in result.cells)
    return {seed: series.read(result, metrics, seed) for seed in seeds}


def choose(result: Results, names: Sequence[str], plugins: Registry) -> Chosen:
    """The named metrics, `NAME` or `NAME:VARIANT`; or all that declare a headline or a main
    variant, by these, and those that the run was asked for by name.

    Region `all`; of the draws where a metric takes nothing else, of what a method presents
    otherwise. Of a metric that is named and declares neither, its first variant. BenchError for a
    metric or variant that the run does not have.
    """
    wanted = _wanted(names)
    specs = {n: s for n, s in plugins.specs["metrics"].items() if isinstance(s, MetricSpec)}
    sides = by_seed(result)
    known = _check(wanted, result, specs)
    picked = [
        each
        for seed, places in sides.items()
        for place, side in places.items()
        for metric in sorted(known)
        for each in _of_metric(
            _Search(result, place, seed, side, specs[metric], wanted.get(metric, ())), plugins
        )
    ]
    found = sorted((c for c in picked if isinstance(c, Column)), key=lambda c: c.part)
    columns: dict[tuple[Quantity, int], Column] = {}
    for column in found:  # one that is gated itself stands before the same as a part
        columns.setdefault((column.quantity, column.seed), column)
    _check_variants(wanted, picked, known)
    return Chosen(
        tuple(columns.values()),
        tuple(dict.fromkeys(c for c in picked if isinstance(c, SetValue))),
        tuple(dict.fromkeys(c for c in picked if isinstance(c, str))),
        tuple(_failed(sides, known)),
    )


def not_loaded(result: Results, plugins: Registry) -> list[str]:
    """Metrics that the run has scores of, and that no loaded plugin registers."""
    return sorted(series.metrics(result) - plugins.specs["metrics"].keys())


def image_ids(result: Results, dataset: str) -> list[str]:
    """Ids of the test photographs, as the manifest has them; BenchError where an old one does not."""
    test = result.manifest["datasets"][dataset]["test"]
    if "ids" not in test:
        raise BenchError(
            f"{result.folder} does not say which photographs of {dataset} it tested: repeat its "
            "`bench run`"
        )
    return [str(name) for name in test["ids"]]


def _wanted(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for text in (part for name in names for part in notation.split(name)):
        metric, _, variant = text.partition(":")
        found[metric] = (*found.get(metric, ()), *([variant] if variant else []))
    return found


def _check(
    wanted: Mapping[str, Sequence[str]], result: Results, specs: Mapping[str, MetricSpec]
) -> list[str]:
    """The metrics to look at."""
    had = series.metrics(result)
    for name in wanted:
        if name not in had:
            raise unknown("metric of this run", name, had)
        if name not in specs:
            raise BenchError(
                f"metric '{name}' of this run is not installed here: `bench list metrics` says "
                "what is"
            )
    return [
        name
        for name in wanted or had
        if name in specs
        and (wanted or specs[name].headline or specs[name].main or name in result.asked)
    ]


@dataclass(frozen=True)
class _Search:
    """A metric's place in a run. variants: those that are named."""

    result: Results
    place: Place
    seed: int
    side: Side
    spec: MetricSpec
    variants: Sequence[str]

    def keys(self) -> dict[str, Key]:
        """Variants of the whole photograph and where they are; of several numbers of samples the
        largest."""
        drawn = self.spec.accepts == IID
        mine = [
            k
            for k in self.side.columns
            if k[1] == self.spec.name and k[3] == "all" and (k[0] == "draws") == drawn
        ]
        return {key[2]: key for key in sorted(mine, key=lambda key: key[4])}

    def set_variants(self) -> list[str]:
        """Variants of the whole set that were measured."""
        table = self.result.set_scores
        mine = (
            (table["dataset"] == self.place[0])
            & (table["method"] == self.place[1])
            & (table["metric"] == self.spec.name)
        )
        return [str(v) for v in table.loc[mine & (table["seed"] == self.seed), "variant"].unique()]

    def column(self, key: Key, part: bool) -> Column:
        found = self.side.columns[key]
        values = found.values.reindex(image_ids(self.result, self.place[0])).to_numpy(float)
        return Column(
            Quantity(*self.place, key[1], key[2]),
            self.seed,
            key[0],
            found.kinds,
            key[4],
            found.versions,
            found.unit,
            self.spec.direction,
            values,
            part,
        )


def _of_metric(search: _Search, plugins: Registry) -> Iterator[Column | SetValue | str]:
    """A metric's columns, set's values, and what can't be gated."""
    keys, of_sets, spec = search.keys(), search.set_variants(), search.spec
    first = [v for v in (*spec.variants, *keys) if v in keys][:1]
    variants = (
        search.variants or [v for v in dict.fromkeys((spec.headline, spec.main)) if v] or first
    )
    for variant in variants:
        if variant in keys:
            yield search.column(keys[variant], False)
        elif variant in of_sets:
            yield from _of_set(search, variant, keys, plugins)


def _of_set(
    search: _Search, variant: str, keys: Mapping[str, Key], plugins: Registry
) -> Iterator[Column | SetValue | str]:
    columns = {name: search.column(key, True) for name, key in keys.items()}
    version = next((column.version for column in columns.values()), "")
    made = set_values.Combined(frozenset(), frozenset())
    if version:
        made = set_values.of(
            set_values.load(search.spec.name, version, plugins),
            {n: c.values for n, c in columns.items()},
        )
    if variant not in made.variants:
        yield f"{search.spec.name}:{variant}: the metric makes it at the end, so it can't be resampled by photographs"
        return
    yield SetValue(
        Quantity(*search.place, search.spec.name, variant), tuple(sorted(made.parts)), version
    )
    yield from (columns[part] for part in sorted(made.parts))


def _check_variants(
    wanted: Mapping[str, Sequence[str]],
    picked: Sequence[Column | SetValue | str],
    known: Sequence[str],
) -> None:
    found = {
        (q.metric, q.variant)
        for each in picked
        if not isinstance(each, str)
        for q in (each.quantity,)
    }
    said = {each.partition(": ")[0] for each in picked if isinstance(each, str)}
    for metric, variants in wanted.items():
        for variant in variants:
            if (metric, variant) not in found and f"{metric}:{variant}" not in said:
                had = {v for m, v in found if m == metric}
                raise BenchError(
                    f"{unknown('variant of ' + metric, variant, had)}: `bench show {metric}` lists "
                    "them"
                )


def _failed(sides: Mapping[int, Mapping[Place, Side]], known: Sequence[str]) -> Iterator[str]:
    for seed, places in sides.items():
        for (dataset, method), side in places.items():
            for (_, _, metric), reason in side.lost.items():
                if not reason.startswith("refused") and (not metric or metric in known):
                    yield f"{metric + ' of ' if metric else ''}{method} on {dataset} (seed {seed}): {reason}"
