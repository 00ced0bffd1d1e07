"""The contracts between the core and the shelves.

Units everywhere: CIELAB (D65, sRGB, scikit-image's convention), float32; L in 0..100, ab unscaled.
Shapes: B photographs, k colourizations, h = w = 64 unless said otherwise.
"""

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
