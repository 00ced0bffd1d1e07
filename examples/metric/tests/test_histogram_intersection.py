"""The rules that every metric keeps, and NumPy's histogram."""

import numpy as np
import pytest
import torch
from huebench_histogram_intersection import histogram_intersection

from bench.testing import parametrize_with_checks


@parametrize_with_checks(["histogram-intersection"])
def test_conformance(check):
    check()


@pytest.mark.parametrize("bins", [2, 16, 37])
def test_it_is_what_numpy_s_histograms_give(bins):
    numbers = torch.Generator().manual_seed(bins)
    ab, truth = (40 * torch.randn(*shape, 2, 16, 16, generator=numbers) for shape in ((2, 3), (2,)))

    def shares(field):
        edges = np.linspace(-128, 128, bins + 1)
        return np.histogram2d(*field.flatten(1).double().numpy(), bins=(edges, edges))[0] / 256

    wanted = [
        [np.minimum(shares(field), shares(truth[i])).sum() for field in ab[i]] for i in range(2)
    ]
    found = histogram_intersection(ab, truth, bins=bins)
    assert found["mean"].numpy() == pytest.approx(np.array(wanted), abs=1e-12)
    assert found["best"].numpy() == pytest.approx(np.max(wanted, axis=1), abs=1e-12)
