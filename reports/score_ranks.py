"""Where colourizers stand in one score on one data set: rank sets, the controls' places, and every
pair's difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

from bench.results.series import Measure

from .scores import Entry

if TYPE_CHECKING:
    import numpy as np

    from bench.results.ranks import Ranking

LEVEL = 0.05


@dataclass(frozen=True)
class ScoreRanks:
    """Entries with a value for every photograph, by label.

    Two families of tests, each with Holm's correction: among colourizers, so that a control more or
    less does not change a rank; and of all pairs, for what is said of controls.
    """

    measure: Measure
    entries: Mapping[str, Entry]
    values: Mapping[str, np.ndarray]

    @cached_property
    def colourizers(self) -> Ranking | None:
        """Ranks of the colourizers, if there are any."""
        return self._ranking([label for label, entry in self.entries.items() if not entry.control])

    @cached_property
    def all(self) -> Ranking | None:
        """Colourizers and controls: for pairs with a control."""
        return self._ranking(list(self.entries))

    @property
    def controls(self) -> list[str]:
        """Labels of the controls, the best mean first."""
        return [
            label for label in (self.all.order if self.all else ()) if self.entries[label].control
        ]

    def place(self, label: str) -> tuple[int, int] | None:
        """A colourizer's rank set; for a control, where it would stand among the colourizers. None:
        not ranked."""
        if label not in self.entries or not self.colourizers:
            return None
        if label in self.colourizers.ranks:
            return self.colourizers.ranks[label]
        others = self.colourizers.order
        ahead, behind = (
            sum(self.shown_better(*pair) for pair in pairs)
            for pairs in (
                [(other, label) for other in others],
                [(label, other) for other in others],
            )
        )
        return 1 + ahead, len(others) + 1 - behind

    def shown_better(self, first: str, second: str) -> bool:
        """Whether `first` is shown to be better than `second`, both of them ranked."""
        pairs = self._family(first, second).p_values
        return pairs.get((first, second), 1.0) <= LEVEL

    def told_from(self, label: str, control: str) -> str:
        """Whether a colourizer is shown to be `better` than a control, or `worse`; else nothing."""
        return (
            "better"
            if self.shown_better(label, control)
            else "worse"
            if self.shown_better(control, label)
            else ""
        )

    def differences(self) -> Iterator[dict[str, Any]]:
        """Every pair: `first - second` with its interval and the corrected p."""
        import numpy as np

        from bench.scores.intervals import mean_intervals

        labels = self.all.order if self.all else ()
        pairs = list(combinations(labels, 2))
        gaps = np.array([self.values[a] - self.values[b] for a, b in pairs])
        for (first, second), gap in zip(pairs, mean_intervals(gaps) if pairs else ()):
            ends = [self.entries[label] for label in (first, second)]
            family = "pairs with a control" if any(e.control for e in ends) else "colourizers"
            yield {
                "metric": self.measure.metric,
                "variant": self.measure.variant,
                "first": first,
                "second": second,
                "first_role": ends[0].role,
                "second_role": ends[1].role,
                "difference_mean": gap.mean,
                "difference_low": gap.low,
                "difference_high": gap.high,
                "p_corrected": self._p(first, second),
                "family": family,
                "images": gap.n,
            }

    def _family(self, first: str, second: str) -> Ranking:
        apart = any(self.entries[label].control for label in (first, second))
        found = self.all if apart else self.colourizers
        assert found is not None  # both are ranked
        return found

    def _p(self, first: str, second: str) -> float:
        pairs = self._family(first, second).p_values
        return pairs[first, second] if (first, second) in pairs else pairs[second, first]

    def _ranking(self, labels: Sequence[str]) -> Ranking | None:
        from bench.results.ranks import rank_sets

        return (
            rank_sets({label: self.values[label] for label in labels}, "down", level=LEVEL)
            if labels
            else None
        )


def ranks_of(entries: Sequence[Entry], measure: Measure) -> ScoreRanks:
    """The ranks of those entries that have a finite value for every photograph that any of them
    has, of every training that was planned, by the metric with its default parameters.

    Ranking on the photographs or trainings that all share would let a method choose them, by
    failing where it is bad.
    """
    import numpy as np
    import pandas as pd

    columns = {e.label: e.values(measure) for e in entries if not unfit(e, measure)}
    table = pd.DataFrame({label: values for label, values in columns.items() if len(values)})
    whole = [label for label in table.columns if np.isfinite(table[label].to_numpy(float)).all()]
    return ScoreRanks(
        measure,
        {e.label: e for e in entries if e.label in whole},
        {label: table[label].to_numpy(float) for label in whole},
    )


def unfit(entry: Entry, measure: Measure) -> str:
    """Why an entry that has values can't be ranked by them, or nothing."""
    lost = sorted(
        {f.seed for f in entry.failed(measure.metric) if f.seed and f.seed not in entry.seeds}
    )
    if lost and entry.seeds:
        return f"not ranked: training seed {', '.join(lost)} has no value, and a mean over the others would be a chosen one"
    versions = dict.fromkeys(column.metric_version for _, column in entry.scores.of(measure))
    changed = [version for version in versions if "[" in version]
    return (
        f"not ranked: {measure.metric} has other parameters than its own, {', '.join(changed)}"
        if changed
        else ""
    )


def best_set(entries: Sequence[Entry], measure: Measure, direction: str) -> tuple[str, ...]:
    """Labels of the colourizers that no other one is shown to beat in a metric; none where there is
    nothing to win."""
    from bench.results.ranks import rank_sets

    ranks = ranks_of([e for e in entries if not e.control], measure)
    if direction not in ("up", "down") or len(ranks.values) < 2:  # one alone has won nothing
        return ()
    return rank_sets(ranks.values, "up" if direction == "up" else "down", level=LEVEL).best
