"""The contracts between the core and the shelves.

Units everywhere: CIELAB (D65, sRGB, scikit-image's convention), float32; L in 0..100, ab unscaled.
Shapes: B photographs, k colourizations, h = w = 64 unless said otherwise.

Importing this is light; each name is imported from its module when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.contracts.datasets import Dataset, Law, Photo, PreparedSet
    from bench.contracts.execution import (
        Executor,
        Job,
        Pool,
        Progress,
        ProgressTask,
        Result,
        Step,
        Task,
    )
    from bench.contracts.methods import FitContext, Method, Revealed, Wanted
    from bench.contracts.metrics import Metric, Score, ScoreContext, SetScore
    from bench.contracts.samples import KINDS, ColorDistribution, SampleSet

_LAZY = {
    "ColorDistribution": "samples",
    "Dataset": "datasets",
    "Executor": "execution",
    "FitContext": "methods",
    "Job": "execution",
    "KINDS": "samples",
    "Law": "datasets",
    "Method": "methods",
    "Metric": "metrics",
    "Photo": "datasets",
    "Pool": "execution",
    "PreparedSet": "datasets",
    "Progress": "execution",
    "ProgressTask": "execution",
    "Result": "execution",
    "Revealed": "methods",
    "SampleSet": "samples",
    "Score": "metrics",
    "ScoreContext": "metrics",
    "SetScore": "metrics",
    "Step": "execution",
    "Task": "execution",
    "Wanted": "methods",
}
"""Name -> the module that has it, in this package."""
__all__ = [
    "KINDS",
    "ColorDistribution",
    "Dataset",
    "Executor",
    "FitContext",
    "Job",
    "Law",
    "Method",
    "Metric",
    "Photo",
    "Pool",
    "PreparedSet",
    "Progress",
    "ProgressTask",
    "Result",
    "Revealed",
    "SampleSet",
    "Score",
    "ScoreContext",
    "SetScore",
    "Step",
    "Task",
    "Wanted",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        value = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module '{__name__}' has no attribute {name!r}")
