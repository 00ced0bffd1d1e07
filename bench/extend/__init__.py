"""What a plugin may take from the harness instead of writing it again.

Nothing heavy is imported before a name is used, so a module that registers a plugin may import this
one.

To train a network: `Schedule`, `train`, `seeded`. To compute with it: `channels_last`,
`with_precision`, `in_float32`, `mean_over_devices`. To keep it: `save_weights`, `load_weights`,
`read_config`. To learn from another method's features: `FeatureExtractor`, `feature_extractor`,
`stored_features`, `map_batches`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.extend.devices import mean_over_devices as mean_over_devices
    from bench.extend.features import FeatureExtractor as FeatureExtractor
    from bench.extend.features import Features as Features
    from bench.extend.features import feature_extractor as feature_extractor
    from bench.extend.features import map_batches as map_batches
    from bench.extend.features import stored_features as stored_features
    from bench.extend.precision import channels_last as channels_last
    from bench.extend.precision import in_float32 as in_float32
    from bench.extend.precision import with_precision as with_precision
    from bench.extend.schedule import Schedule as Schedule
    from bench.extend.training import seeded as seeded
    from bench.extend.training import train as train
    from bench.extend.weights import load_weights as load_weights
    from bench.extend.weights import read_config as read_config
    from bench.extend.weights import save_weights as save_weights

_LAZY = {
    "FeatureExtractor": "bench.extend.features",
    "Features": "bench.extend.features",
    "Schedule": "bench.extend.schedule",
    "channels_last": "bench.extend.precision",
    "feature_extractor": "bench.extend.features",
    "in_float32": "bench.extend.precision",
    "load_weights": "bench.extend.weights",
    "map_batches": "bench.extend.features",
    "mean_over_devices": "bench.extend.devices",
    "read_config": "bench.extend.weights",
    "save_weights": "bench.extend.weights",
    "seeded": "bench.extend.training",
    "stored_features": "bench.extend.features",
    "train": "bench.extend.training",
    "with_precision": "bench.extend.precision",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_LAZY)
