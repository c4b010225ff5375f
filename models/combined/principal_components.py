"""Principal components of the selected features, their signs fixed by a rule (paper, 'Combined
model').
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.combined.feature_selection import frozen_vector
from models.errors import TrainingError
from models.survival.risk_sets import Array
from models.wording import counted


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """A rotation of p features to k components.

    Parameters
    ----------
    center : ndarray, shape (p,)
        Training means of the z-scores, 0 up to rounding.
    loadings : ndarray, shape (p, k)
        Orthonormal columns; in each, the entry of largest magnitude is positive.

    Raises
    ------
    TrainingError
        If the shapes differ or a value is not finite.
    """

    center: Array
    loadings: Array

    def __post_init__(self) -> None:
        center, loadings = frozen_vector(self.center), frozen_vector(self.loadings)
        if loadings.ndim != 2 or center.shape != loadings.shape[:1] or 0 in loadings.shape:
            raise TrainingError(
                f"The component loadings have shape {loadings.shape} for "
                f"{counted(center.size, 'feature')}: expected one row each."
            )
        if not (np.isfinite(center).all() and np.isfinite(loadings).all()):
            raise TrainingError(
                "A component loading is not a finite number: train the model again."
            )
        object.__setattr__(self, "center", center)
        object.__setattr__(self, "loadings", loadings)

    def scores(self, z: ArrayLike) -> Array:
        """Return the components of z-scores (n, p), shape (n, k)."""
        return (np.asarray(z, dtype=np.float64) - self.center) @ self.loadings


def fit_principal_components(
    z: ArrayLike, variance: float = 0.95
) -> tuple[PrincipalComponents, float]:
    """Keep as few components as explain `variance` of the total.

    Parameters
    ----------
    z : array_like, shape (n, p)
        Z-scores of the training patients.
    variance : float
        Share of the variance to keep at least; the paper's is 0.95.

    Returns
    -------
    PrincipalComponents
    float
        Share of the variance that they explain.

    Raises
    ------
    TrainingError
        If there are fewer than two patients or no variance.
    """
    values = np.asarray(z, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] < 2:
        raise TrainingError(
            "Principal components need at least two patients, but the z-scores have shape "
            f"{values.shape}."
        )
    center = values.mean(axis=0)
    _, singular, rotation = np.linalg.svd(values - center, full_matrices=False)
    power = singular**2
    if not power.sum() > 0:
        raise TrainingError(
            "The selected features do not vary, so there are no principal components."
        )
    cumulative = np.cumsum(power) / power.sum()
    # A share that misses the threshold by rounding error only is not missing.
    count = int(np.searchsorted(cumulative, variance - 1e-12)) + 1
    loadings = rotation[:count].T
    largest = loadings[np.abs(loadings).argmax(axis=0), np.arange(count)]
    return PrincipalComponents(center, loadings * np.sign(largest)), float(cumulative[count - 1])
