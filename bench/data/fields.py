"""Statistics of colour fields: what `bench data stats` prints and what the VAE's specificity loss
needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SCALE = 128.0
MOST = 20_000
"""Fields used for principal components; a larger set gives a random subset."""
STEPS = 2.0**20
"""Of a component's numbers within 1."""


@dataclass(frozen=True)
class Components:
    """Leading principal components of flattened fields ab / 128 (8,192 numbers: the plane a, then
    b).

    mean `(8192,)`; directions `(k, 8192)`, orthonormal; variances `(k,)`, largest first; total
    variance.
    """

    mean: np.ndarray
    directions: np.ndarray
    variances: np.ndarray
    total: float

    @property
    def share(self) -> float:
        """Part of the variance that the components hold."""
        return float(self.variances.sum() / self.total)


def principal_components(ab: np.ndarray, count: int, seed: int = 0) -> Components:
    """Principal components of colour fields `(N, 2, h, w)` in CIELAB units, by scikit-learn's
    randomized SVD.

    It computes in float64 and is rounded to steps of 2^-20 (variances: to 20 bits). So the same
    fields give the same bits whatever the processor and the number of threads: both choose how a
    matrix product is summed, and a network that is trained with a loss of other last bits ends
    elsewhere.

    >>> rng = np.random.default_rng(0)
    >>> principal_components(rng.normal(size=(50, 2, 4, 4)), 3).directions.shape
    (3, 32)
    """
    from sklearn.decomposition import PCA

    rows = np.arange(len(ab))
    if len(rows) > MOST:
        rows = np.sort(np.random.default_rng(seed).permutation(len(ab))[:MOST])
    flat = np.asarray(ab[rows], dtype=np.float64).reshape(len(rows), -1) / SCALE
    total = float(flat.var(axis=0, ddof=1).sum())
    count = min(count, len(flat) - 1)
    pca = PCA(
        count, copy=False, svd_solver="randomized", iterated_power=7, random_state=seed % 2**32
    ).fit(flat)
    fraction, exponent = np.frexp(pca.explained_variance_)
    return Components(
        _rounded(pca.mean_),
        _rounded(pca.components_),
        np.ldexp(_rounded(fraction), exponent),
        total,
    )


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.rint(values * STEPS) / STEPS, dtype=np.float32)
