"""One method's values on one data set, sorted once by measure: a comparison of text a measure would take minutes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class Measure:
    """One column of values: a metric, its variant, its region, and of how many samples (0: whatever there are)."""

    metric: str
    variant: str
    region: str = "all"
    k: int = 0


@dataclass(frozen=True)
class Facts:
    """Rows of the long table; NaN is a value that is undefined."""

    rows: pd.DataFrame

    def values(self, measure: Measure) -> pd.Series[float]:
        """One value a photograph, by image id: the mean over seeds, NaN if any seed's value is NaN."""
        import numpy as np
        import pandas as pd

        codes, images = self._images
        some = self._at(measure)
        sums, sizes = (np.bincount(codes[some], weights, len(images)) for weights in (self._value[some], None))
        there = sizes > 0
        return pd.Series(sums[there] / sizes[there], index=images if there.all() else images[there])

    def by_seed(self, measure: Measure) -> dict[str, pd.Series[float]]:
        """Seed -> one value a photograph."""
        import numpy as np
        import pandas as pd

        codes, images = self._images
        some = self._at(measure)
        seeds = self._seed[some]
        parts = {text(seed): some[seeds == seed] for seed in np.unique(seeds)}
        return {seed: pd.Series(self._value[part], index=images[codes[part]]) for seed, part in parts.items()}

    def count(self, measure: Measure) -> int:
        """How many samples stand behind a value, at most; 0 where nothing was measured."""
        return int(self._k[self._at(measure)].max(initial=0))

    @property
    def photographs(self) -> int:
        """How many photographs have a value of any measure."""
        return len(self._images[1])

    def several(self, measure: Measure) -> bool:
        """Whether a photograph has several values of a measure, of different numbers of samples."""
        import numpy as np

        return len(np.unique(self._k[self._at(measure)])) > 1

    def has(self, *metrics: str) -> bool:
        """Whether anything was measured."""
        return any(key[0] in metrics for key in self._places)

    @property
    def metrics(self) -> set[str]:
        """What was measured of whole photographs."""
        return {key[0] for key in self._places if key[2] == "all"}

    def words(self, measure: Measure) -> tuple[str, str]:
        """Direction and unit, as the run has them."""
        row = self.rows.iloc[int(self._at(measure)[0])]
        return str(row["direction"]), text(row["unit"])

    def versions(self, measure: Measure) -> list[str]:
        """Versions of the metric behind a measure; one with parameters that are not the default has them in brackets."""
        return [text(v) for v in self.rows.iloc[self._at(measure)]["metric_version"].unique()]

    def variants(self, metric: str, region: str = "all") -> list[str]:
        """The variants of a metric that were measured, in the order of the table."""
        return [key[1] for key in self._places if (key[0], key[2]) == (metric, region)]

    def _at(self, measure: Measure) -> np.ndarray:
        """Positions of a measure's rows."""
        import numpy as np

        nothing = np.empty(0, dtype=np.intp)
        found = self._places.get((measure.metric, measure.variant, measure.region), nothing)
        return found[self._k[found] == measure.k] if measure.k else found

    @cached_property
    def _places(self) -> dict[tuple[str, str, str], np.ndarray]:
        keys = ["metric", "variant", "region"]
        found: Any = self.rows.groupby(keys, sort=False, observed=True).indices
        return dict(sorted(found.items(), key=lambda item: int(item[1][0])))

    @cached_property
    def _images(self) -> tuple[np.ndarray, pd.Index[str]]:
        import pandas as pd

        codes, images = pd.factorize(self.rows["image"])
        return codes, pd.Index(images.astype(object))

    @cached_property
    def _value(self) -> np.ndarray:
        return self.rows["value"].to_numpy(float)

    @cached_property
    def _seed(self) -> np.ndarray:
        return self.rows["seed"].to_numpy()

    @cached_property
    def _k(self) -> np.ndarray:
        return self.rows["k"].to_numpy(int)


def text(value: Any) -> str:
    """Missing values become empty text; a seed that a table has turned into 0.0 becomes 0 again."""
    import pandas as pd

    if value is None or pd.isna(value):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
