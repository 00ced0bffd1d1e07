"""Statistics of colour fields: what `bench data stats` prints and what the VAE's specificity loss needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SCALE = 128.0
MOST = 20_000
"""Fields used for principal components; a larger set gives a random subset."""


@dataclass(frozen=True)
class Components:
    """Leading principal components of flattened fields ab / 128 (8,192 numbers: the plane a, then b).

    mean `(8192,)`; directions `(k, 8192)`, orthonormal; variances `(k,)`, largest first; total variance.
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
    """Principal components of colour fields `(N, 2, h, w)` in CIELAB units, by scikit-learn's randomized SVD.

    >>> rng = np.random.default_rng(0)
    >>> principal_components(rng.normal(size=(50, 2, 4, 4)), 3).directions.shape
    (3, 32)
    """
    from sklearn.decomposition import PCA

    rows = np.arange(len(ab))
    if len(rows) > MOST:
        rows = np.sort(np.random.default_rng(seed).permutation(len(ab))[:MOST])
    flat = (np.asarray(ab[rows], dtype=np.float32) / np.float32(SCALE)).reshape(len(rows), -1)
    count = min(count, len(flat) - 1)
    pca = PCA(count, svd_solver="randomized", iterated_power=7, random_state=seed % 2**32).fit(flat)
    total = float(flat.var(axis=0, dtype=np.float64, ddof=1).sum())
    return Components(pca.mean_, np.ascontiguousarray(pca.components_, np.float32),
                      pca.explained_variance_.astype(np.float32), total)  # fmt: skip
