"""The noise floor of training seeds: how far a quantity moves when nothing but the seed changes.

An interval over photographs knows nothing of it: the same method, trained again, is another model.
Of S trainings with the standard deviation s, the means of k new ones against k new ones differ by
less than s √(2 / k) t(S - 1) with 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from bench.errors import BenchError, NothingMeasured
from bench.gate.columns import Chosen, SetValue, choose, quantity_of
from bench.gate.margins import Quantity
from bench.gate.noninferiority import LEVEL
from bench.machine import places
from bench.plugins.loader import Registry
from bench.results.comparable import check_comparable
from bench.results.run_folder import Results
from bench.results.series import Series
from bench.scores import set_values
from bench.specs import Direction
from bench.text import one_line, toml


@dataclass(frozen=True)
class Floor:
    """value: what a change must exceed to be more than noise; of how many seeds; and the mean over
    them."""

    value: float
    seeds: int
    mean: float


def floor(values: Sequence[float], direction: Direction, trainings: int = 1) -> Floor:
    """The floor from the values of S >= 2 trainings, for means of `trainings` against as many. In
    both directions where neither is better.

    >>> f"{floor([1.0, 1.2, 1.1], 'down').value:.3f}"
    '0.413'
    """
    level = 1 - LEVEL / (1 if direction in ("up", "down") else 2)
    t = float(stdtrit(len(values) - 1, level))
    return Floor(
        float(np.std(values, ddof=1)) * math.sqrt(2 / trainings) * t,
        len(values),
        float(np.mean(values)),
    )


def floors(
    results: Sequence[Results], names: Sequence[str], plugins: Registry, trainings: int = 1
) -> dict[Quantity, Floor]:
    """The floor of every quantity that two trainings or more have a value of, by several runs
    together.

    NotComparable for runs of other photographs or protocols; BenchError where a seed has another
    value in another run: then it is not the seed alone that differs.
    """
    check_comparable(results, strict=True)
    found: dict[Quantity, dict[int, tuple[float, Direction]]] = {}
    for result in results:
        for quantity, values in seed_values(choose(result, names, plugins), plugins).items():
            for seed, value, direction in values:
                before, _ = found.setdefault(quantity, {}).setdefault(seed, (value, direction))
                if not math.isclose(before, value, rel_tol=1e-6):
                    raise BenchError(
                        f"{result.folder}: {quantity} of seed {seed} is {value:g}, and {before:g} "
                        "in another run: "
                        "the noise floor needs runs that differ in their seeds only"
                    )
    several = {
        quantity: list(values.values()) for quantity, values in found.items() if len(values) > 1
    }
    return {
        quantity: floor([v for v, _ in values], values[0][1], trainings)
        for quantity, values in several.items()
    }


def seed_values(
    run: Chosen, plugins: Registry
) -> dict[Quantity, list[tuple[int, float, Direction]]]:
    """Seed, value and direction of every quantity; of photographs that have a value in all seeds."""
    by_quantity: dict[Quantity, dict[int, Series]] = {}
    for series in run.series:
        by_quantity.setdefault(quantity_of(series), {})[series.about.seed] = series
    found = {q: _means(list(c.values())) for q, c in by_quantity.items() if q not in run.parts}
    for each in run.sets:
        found[each.quantity] = _set_values(each, by_quantity, plugins)
    return {q: values for q, values in found.items() if values}


def suggest(results: Sequence[Results], names: Sequence[str], plugins: Registry) -> str:
    """A fragment of a `gate.toml`: margins at the noise floor, for one training against one.

    NothingMeasured where no method has two trainings.
    """
    known = floors(results, names, plugins)
    if not known:
        raise NothingMeasured(
            "the noise floor needs two training seeds or more of a method: `bench run --seeds 5`, "
            "or more runs"
        )
    return "\n".join(_fragment(results, known))


def _means(series: Sequence[Series]) -> list[tuple[int, float, Direction]]:
    kept = np.isfinite([each.values for each in series]).all(0)
    if not kept.any():
        return []
    return [(s.about.seed, float(s.values[kept].mean()), s.about.direction) for s in series]


def _set_values(
    each: SetValue, series: Mapping[Quantity, Mapping[int, Series]], plugins: Registry
) -> list[tuple[int, float, Direction]]:
    metric = set_values.load(each.quantity.metric, each.version, plugins)
    parts = {name: series[each.quantity._replace(variant=name)] for name in each.parts}
    seeds = [
        seed for seed in next(iter(parts.values())) if all(seed in part for part in parts.values())
    ]
    kept = np.isfinite([part[seed].values for part in parts.values() for seed in seeds]).all(0)
    direction = next(iter(next(iter(parts.values())).values())).about.direction
    values = [
        (
            s,
            float(
                metric.combine({n: p[s].values[kept] for n, p in parts.items()})[
                    each.quantity.variant
                ]
            ),
        )
        for s in seeds
    ]
    return [(seed, value, direction) for seed, value in values if math.isfinite(value)]


def _fragment(results: Sequence[Results], known: Mapping[Quantity, Floor]) -> Iterator[str]:
    fewest = min(f.seeds for f in known.values())
    yield "# Margins at the noise floor of training seeds: what one training may be worse than another with 95 %, when nothing"
    yield f"# but the seed changes. From {', '.join(one_line(places.text(str(r.folder))) for r in results)}."
    yield "# Where the baseline and the run have k seeds each, divide by the root of k."
    if fewest < 5:
        yield f"# With {fewest} seeds the floor is wide, because so few say little of the spread: five or more are better."
    for quantity, found in known.items():
        share = f"{_percent(found.value / abs(found.mean))} of " if found.mean else ""
        yield ""
        yield "[[margin]]"
        yield from (f"{place} = {toml(text)}" for place, text in quantity._asdict().items())
        yield f"absolute = {_up(found.value)}  # {share}{found.mean:.4g}; {found.seeds} seeds"


def _percent(share: float) -> str:
    """Two digits or more, never an exponent."""
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


def _up(value: float) -> str:
    """Two significant digits, rounded up, so that the margin does not lie below the floor."""
    if value == 0:
        return "0"
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return f"{math.ceil(value / unit * (1 - 1e-12)) * unit:.2g}"
