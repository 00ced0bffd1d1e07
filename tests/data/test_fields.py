"""Principal components of colour fields against NumPy's singular values."""

import os
import subprocess
import sys

import numpy as np
import pytest

from bench.data import fields

from ..patience import LONG


@pytest.fixture(scope="module")
def ab():
    """Fields with a few strong directions, a mean that is not zero, and noise."""
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(128, 4)))[0].T
    strong = rng.normal(size=(200, 4)) * [400, 200, 100, 50]
    return (
        (20 + strong @ directions + rng.normal(0, 0.5, (200, 128)))
        .reshape(200, 2, 8, 8)
        .astype(np.float32)
    )


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


CHILD = """
import hashlib, sys
import numpy as np
from bench.data import fields
from bench.machine import threads
rng = np.random.default_rng(0)
ab = (rng.normal(size=(300, 60)) * np.geomspace(40, 2, 60)) @ rng.normal(size=(60, 2048)) + rng.normal(size=(300, 2048))
with threads.pinned(int(sys.argv[1])):
    found = fields.principal_components(ab.round().reshape(300, 2, 32, 32).astype(np.float32), 20)
print(*(hashlib.sha256(part.tobytes()).hexdigest() for part in (found.mean, found.directions, found.variances)))
"""


@pytest.fixture(scope="module")
def bits():
    """Of components by two kinds of processor: OpenBLAS sums in another order for each, and can be
    told which one it has."""

    def found(kind, threads):
        command, where = (
            [sys.executable, "-c", CHILD, threads],
            os.environ | {"OPENBLAS_CORETYPE": kind},
        )
        done = subprocess.run(
            command, env=where, check=True, capture_output=True, text=True, timeout=LONG
        )
        return done.stdout.split()

    return found("Haswell", "1"), found("Sandybridge", "2")


def test_components_have_the_same_bits_whatever_the_processor_and_the_threads(bits):
    first, second = bits
    assert len(first) == 3
    assert first == second
