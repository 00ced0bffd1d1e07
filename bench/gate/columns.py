"""What of a run is worth gating: series of values over photographs, each training by itself, and
values of sets made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.errors import BenchError, unknown
from bench.gate.margins import Quantity
from bench.plugins import notation
from bench.plugins.loader import Registry
from bench.results.run_folder import Results
from bench.results.series import Measure, MethodScores, Place, Series, method_scores, metric_names
from bench.scores import set_values
from bench.specs import IID, MetricSpec


@dataclass(frozen=True)
class SetValue:
    """A quantity of the whole set, that `Metric.combine` makes of series; `parts` are their
    variants."""

    quantity: Quantity
    parts: tuple[str, ...]
    version: str


@dataclass(frozen=True)
class Chosen:
    """Series of one training each, in the order of the test ids, and set's values. parts: quantities
    that are only parts of a set's value. left_out: what can't be gated, and why. failed: what has
    no values because it failed."""

    series: tuple[Series, ...]
    parts: frozenset[Quantity]
    sets: tuple[SetValue, ...]
    left_out: tuple[str, ...]
    failed: tuple[str, ...]


def quantity_of(series: Series) -> Quantity:
    """What a series is of."""
    return Quantity(*(getattr(series.about, name) for name in Quantity._fields))


def by_seed(result: Results, metrics: Sequence[str] = ()) -> dict[int, dict[Place, MethodScores]]:
    """What was measured, each training seed by itself."""
    seeds = dict.fromkeys(cell.seed for cell in result.cells)
    return {seed: method_scores(result, metrics, seed) for seed in seeds}


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
    found = sorted((each for each in picked if isinstance(each, tuple)), key=lambda each: each[1])
    kept: dict[tuple[Quantity, int], Series] = {}
    for each, _ in found:  # one that is gated itself stands before the same as a part
        kept.setdefault((quantity_of(each), each.about.seed), each)
    gated = {quantity_of(each) for each, part in found if not part}
    _check_variants(wanted, picked, known)
    return Chosen(
        tuple(kept.values()),
        frozenset(of for of, _ in kept if of not in gated),
        tuple(dict.fromkeys(c for c in picked if isinstance(c, SetValue))),
        tuple(dict.fromkeys(c for c in picked if isinstance(c, str))),
        tuple(_failed(sides, known)),
    )


def not_loaded(result: Results, plugins: Registry) -> list[str]:
    """Metrics that the run has scores of, and that no loaded plugin registers."""
    return sorted(metric_names(result) - plugins.specs["metrics"].keys())


def image_ids(result: Results, dataset: str) -> list[str]:
    """Ids of the test photographs, as the manifest has them; BenchError where an old one does not."""
    ids = result.manifest.datasets[dataset].test.ids
    if ids is None:
        raise BenchError(
            f"{result.folder} does not say which photographs of {dataset} it tested: repeat its "
            "`bench run`"
        )
    return list(ids)


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
    had = metric_names(result)
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
    side: MethodScores
    spec: MetricSpec
    variants: Sequence[str]

    def measures(self) -> dict[str, Measure]:
        """Variants of the whole photograph and where they are; of several numbers of samples the
        largest."""
        drawn = self.spec.accepts == IID
        mine = [
            m
            for m in self.side.measures
            if (m.metric, m.region) == (self.spec.name, "all") and (m.ask == "draws") == drawn
        ]
        return {m.variant: m for m in sorted(mine, key=lambda m: m.k or 0)}

    def set_variants(self) -> list[str]:
        """Variants of the whole set that were measured."""
        table = self.result.set_scores
        mine = (
            (table["dataset"] == self.place[0])
            & (table["method"] == self.place[1])
            & (table["metric"] == self.spec.name)
        )
        return [str(v) for v in table.loc[mine & (table["seed"] == self.seed), "variant"].unique()]

    def series(self, measure: Measure) -> Series:
        import pandas as pd

        images = pd.Index(image_ids(self.result, self.place[0]), dtype="object")
        found = self.side.series(measure).at(images)
        return replace(found, about=replace(found.about, direction=self.spec.direction))


_Picked = tuple[Series, bool] | SetValue | str
"""A series, and whether it is only a part; a set's value; or what can't be gated."""


def _of_metric(search: _Search, plugins: Registry) -> Iterator[_Picked]:
    """A metric's series, set's values, and what can't be gated."""
    measures, of_sets, spec = search.measures(), search.set_variants(), search.spec
    first = [v for v in (*spec.variants, *measures) if v in measures][:1]
    variants = (
        search.variants or [v for v in dict.fromkeys((spec.headline, spec.main)) if v] or first
    )
    for variant in variants:
        if variant in measures:
            yield search.series(measures[variant]), False
        elif variant in of_sets:
            yield from _of_set(search, variant, measures, plugins)


def _of_set(
    search: _Search, variant: str, measures: Mapping[str, Measure], plugins: Registry
) -> Iterator[_Picked]:
    series = {name: search.series(measure) for name, measure in measures.items()}
    version = next((each.about.metric_version for each in series.values()), "")
    made = set_values.SetVariants(frozenset(), frozenset())
    if version:
        made = set_values.of(
            set_values.load(search.spec.name, version, plugins),
            {name: each.values for name, each in series.items()},
        )
    if variant not in made.variants:
        yield f"{search.spec.name}:{variant}: the metric makes it at the end, so it can't be resampled by photographs"
        return
    yield SetValue(
        Quantity(*search.place, search.spec.name, variant), tuple(sorted(made.parts)), version
    )
    yield from ((series[part], True) for part in sorted(made.parts))


def _check_variants(
    wanted: Mapping[str, Sequence[str]], picked: Sequence[_Picked], known: Sequence[str]
) -> None:
    found = {
        (of.metric, of.variant)
        for each in picked
        if not isinstance(each, str)
        for of in (quantity_of(each[0]) if isinstance(each, tuple) else each.quantity,)
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


def _failed(
    sides: Mapping[int, Mapping[Place, MethodScores]], known: Sequence[str]
) -> Iterator[str]:
    for seed, places in sides.items():
        for (dataset, method), side in places.items():
            for (_, _, metric), reason in side.lost.items():
                if not reason.startswith("refused") and (not metric or metric in known):
                    yield f"{metric + ' of ' if metric else ''}{method} on {dataset} (seed {seed}): {reason}"
