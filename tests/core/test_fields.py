"""Principal components of colour fields against NumPy's singular values."""

import numpy as np
import pytest

from bench import fields


@pytest.fixture(scope="module")
def ab():
    """Fields with a few strong directions, a mean that is not zero, and noise."""
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(128, 4)))[0].T
    strong = rng.normal(size=(200, 4)) * [400, 200, 100, 50]
    return (20 + strong @ directions + rng.normal(0, 0.5, (200, 128))).reshape(200, 2, 8, 8).astype(np.float32)


@pytest.fixture(scope="module")
def exact(ab):
    flat = ab.reshape(len(ab), -1).astype(np.float64) / 128
    _, singular, rows = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    return flat.mean(axis=0), rows, singular**2 / (len(flat) - 1)


def test_components_are_those_of_the_svd(ab, exact):
    got, (mean, rows, variances) = fields.principal_components(ab, 4), exact
    np.testing.assert_allclose(got.mean, mean, atol=1e-5)
    np.testing.assert_allclose(got.variances, variances[:4], rtol=1e-3)
    np.testing.assert_allclose(np.abs(got.directions @ rows[:4].T), np.eye(4), atol=2e-3)


def test_total_and_share_are_those_of_all_components(ab, exact):
    got, variances = fields.principal_components(ab, 4), exact[2]
    assert got.total == pytest.approx(variances.sum(), rel=1e-4)
    assert got.share == pytest.approx(variances[:4].sum() / variances.sum(), rel=1e-3)
    assert fields.principal_components(ab, 1).share < got.share < 1


def test_directions_are_orthonormal_and_variances_fall(ab):
    got = fields.principal_components(ab, 10)
    np.testing.assert_allclose(got.directions @ got.directions.T, np.eye(10), atol=1e-5)
    assert (np.diff(got.variances) <= 0).all()


def test_there_are_fewer_components_than_fields(ab):
    assert fields.principal_components(ab[:5], 20).directions.shape == (4, 128)


def test_the_same_seed_gives_the_same_components(ab):
    first, second = (fields.principal_components(ab, 3, seed=7) for _ in range(2))
    assert np.array_equal(first.directions, second.directions)


def test_a_large_set_is_represented_by_a_subset_of_it(ab, monkeypatch):
    whole = fields.principal_components(ab, 4)
    monkeypatch.setattr(fields, "MOST", 100)
    part = fields.principal_components(ab, 4, seed=1)
    assert not np.array_equal(part.mean, whole.mean)
    assert not np.array_equal(part.mean, fields.principal_components(ab, 4, seed=2).mean)
    np.testing.assert_allclose(np.abs(np.diag(part.directions @ whole.directions.T)), 1, atol=0.1)
