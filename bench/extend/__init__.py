"""What a plugin may take from the harness instead of writing it again.

A metric or a table is one function: `metric`, `table`; with what the built-ins use, `shares`,
`mean_over`, `on`, `Table`, `Caption`, `write_tables`, `write_csv`. To draw: `panels`, `looks`,
`paper_style`, `save_figure`. To train a network: `Schedule`, `train`, `seeded`. To compute with it:
`channels_last`, `with_precision`, `in_float32`, `mean_over_devices`. To keep it: `save_weights`,
`load_weights`, `read_config`. To learn from another method's features: `FeatureExtractor`,
`feature_extractor`, `stored_features`, `map_batches`.

Importing this is light; each name is imported from its module when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.extend.devices import mean_over_devices
    from bench.extend.features import (
        FeatureExtractor,
        Features,
        feature_extractor,
        map_batches,
        stored_features,
    )
    from bench.extend.markup import Caption, Table
    from bench.extend.metrics import mean_over, metric, on, shares
    from bench.extend.precision import channels_last, in_float32, with_precision
    from bench.extend.schedule import Schedule
    from bench.extend.style import looks, panels, paper_style, save_figure
    from bench.extend.tables import table, write_csv, write_tables
    from bench.extend.training import seeded, train
    from bench.extend.weights import load_weights, read_config, save_weights

_LAZY = {
    "Caption": "markup",
    "FeatureExtractor": "features",
    "Features": "features",
    "Schedule": "schedule",
    "Table": "markup",
    "channels_last": "precision",
    "feature_extractor": "features",
    "in_float32": "precision",
    "load_weights": "weights",
    "looks": "style",
    "map_batches": "features",
    "mean_over": "metrics",
    "mean_over_devices": "devices",
    "metric": "metrics",
    "on": "metrics",
    "panels": "style",
    "paper_style": "style",
    "read_config": "weights",
    "save_figure": "style",
    "save_weights": "weights",
    "seeded": "training",
    "shares": "metrics",
    "stored_features": "features",
    "table": "tables",
    "train": "training",
    "with_precision": "precision",
    "write_csv": "tables",
    "write_tables": "tables",
}
"""Name -> the module that has it, in this package."""
__all__ = [
    "Caption",
    "FeatureExtractor",
    "Features",
    "Schedule",
    "Table",
    "channels_last",
    "feature_extractor",
    "in_float32",
    "load_weights",
    "looks",
    "map_batches",
    "mean_over",
    "mean_over_devices",
    "metric",
    "on",
    "panels",
    "paper_style",
    "read_config",
    "save_figure",
    "save_weights",
    "seeded",
    "shares",
    "stored_features",
    "table",
    "train",
    "with_precision",
    "write_csv",
    "write_tables",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        value = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module '{__name__}' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_LAZY)
