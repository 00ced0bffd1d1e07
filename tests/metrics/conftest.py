"""What the metrics' tests share: random fields, and the scores of a batch by column."""

import numpy as np
import pytest
import torch

from bench.contracts import SampleSet, ScoreContext, colour_weights

SCALE = 128.0


@pytest.fixture(scope="session")
def fields():
    """`fields(seed, *shape)`: uniform ab values in -90..90, float32."""
    return lambda seed, *shape: torch.from_numpy(
        np.random.default_rng(seed).uniform(-90, 90, shape).astype(np.float32)
    )


@pytest.fixture(scope="session")
def context():
    """`context(B, grey=, law=, weights=)`: lightness 50 and flat colour weights unless given."""

    def make(count, grey=None, law=None, weight=None):
        grey = torch.full((count, 1, 256, 256), 50.0) if grey is None else grey
        weight = weight or colour_weights.ColourWeights("channel64", np.full((2, 64), 1 / 64), 64.0)
        return ScoreContext(weight, np.full(313, 1 / 313), SCALE, grey, list(range(count)), law)

    return make


@pytest.fixture(scope="session")
def score(context):
    """`score(metric, samples or ab, truth, context)`: column -> values; a column is (variant,
    region), or with n."""

    def found(metric, samples, truth, given=None):
        if not isinstance(samples, SampleSet):
            samples = SampleSet(samples, "iid", n_drawn=samples.shape[1])
        scores = metric.score(samples, truth, given or context(len(truth)))
        return {
            (s.variant, s.region, s.n) if s.n else (s.variant, s.region): s.values for s in scores
        }

    return found
