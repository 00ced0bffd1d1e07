"""`bench data stats`: what the colour fields of a data set look like, beside the authors' own
figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.contracts import Progress
from bench.contracts.request import Request
from bench.data import prepare
from bench.data import source as data_source
from bench.data.fields import principal_components
from bench.engine import planning, runner

COMPONENTS = 20


def statistics(
    name: str,
    *,
    progress: Progress,
    data_home: Path | None = None,
    store: Path | str | None = None,
    protocol: str = "paper",
    limit: int | None = None,
) -> list[dict[str, str]]:
    """Rows `quantity, here, authors` over all photographs of a data set, both parts of the split
    together."""
    request = Request(
        datasets=(name,), protocol=protocol, store=store, data_home=runner.data_home(data_home)
    )
    source, rules, kept = planning.first_source(request, progress)
    everything = replace(source, train=source.train + source.test, test=())
    fields = prepare.prepare(everything, "train", limit, rules, kept, progress)
    left_out = {**source.left_out, **fields.excluded}
    data_source.name_left_out(source.name, left_out, progress)
    measured = measure(fields.ab) | {
        "photographs": float(len(fields)),
        "grey-only": float(len(fields.grey_only)),
        "left out": float(len(left_out)),
    }
    published = source.spec.reference_statistics if protocol == "paper" and limit is None else {}
    return [
        {
            "quantity": q,
            "here": f"{v:.4g}" if v % 1 else f"{v:.0f}",
            "authors": f"{published[q]:.4g}" if q in published else "",
        }
        for q, v in measured.items()
    ]


def measure(ab: np.ndarray) -> dict[str, float]:
    """Principal-component statistics of fields ab / 128 (variances) and mean a and b (CIELAB
    units)."""
    found = principal_components(ab, COMPONENTS)
    last = len(found.variances)
    mean = np.zeros(2)
    for start in range(0, len(ab), 512):
        mean += np.asarray(ab[start : start + 512], dtype=np.float64).mean((2, 3)).sum(0)
    return {
        "total variance": found.total,
        "variance of component 1": float(found.variances[0]),
        f"variance of component {last}": float(found.variances[-1]),
        f"share of the first {last}": found.share,
        "mean a": float(mean[0] / len(ab)),
        "mean b": float(mean[1] / len(ab)),
    }
