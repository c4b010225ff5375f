"""The penalty of the Lasso-Cox path, chosen by cross-validation as R's ``cv.glmnet`` chooses it.

For fold k

    D_k(lambda) = deviance(all patients, beta_-k) - deviance(patients outside k, beta_-k),

divided by the fold's deaths and weighted by them, which uses the risk sets of the whole cohort
(``grouped = TRUE``).

References
----------
.. [1] Simon N, Friedman J, Hastie T, Tibshirani R. Regularization paths for Cox's proportional
    hazards model via
   coordinate descent. J Stat Softw 2011;39(5):1-13.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import TrainingError
from models.survival.lasso_path import lasso_path, population_sd
from models.survival.risk_sets import Array, RiskSets, Ties
from models.survival.survival_data import Survival
from models.wording import counted


class LambdaRule(StrEnum):
    """Which penalty of the cross-validated path is taken (glmnet's ``lambda.min`` and
    ``lambda.1se``).
    """

    MIN = "min"
    """The penalty with the smallest deviance."""
    ONE_STANDARD_ERROR = "1se"
    """The largest penalty whose deviance is within one standard error of the smallest: fewer
    features.
    """


@dataclass(frozen=True, eq=False)
class LassoCrossValidation:
    """A Lasso path with its cross-validated deviance.

    Parameters
    ----------
    lambdas : ndarray, shape (m,)
        Penalties, falling.
    coefficients : ndarray, shape (p, m)
        Coefficients at each penalty, per unit of the columns.
    deviance, deviance_error : ndarray, shape (m,)
        Cross-validated partial-likelihood deviance per death, and its standard error over the
        folds.
    index_min : int
        Position of the smallest deviance (``lambda.min``).
    """

    lambdas: Array
    coefficients: Array
    deviance: Array
    deviance_error: Array
    index_min: int

    @property
    def index_1se(self) -> int:
        """Position of the largest penalty within one standard error of the smallest deviance
        (``lambda.1se``).
        """
        within = (
            self.deviance <= self.deviance[self.index_min] + self.deviance_error[self.index_min]
        )
        return int(np.argmax(within))

    def index(self, rule: LambdaRule) -> int:
        """Return the position of the penalty that `rule` takes."""
        return self.index_min if rule is LambdaRule.MIN else self.index_1se


def lasso_lambdas(
    columns: ArrayLike, survival: Survival, count: int = 100, ratio: float | None = None
) -> Array:
    """Return penalties from the smallest that selects nothing down to `ratio` of it, evenly spaced
    in logarithm; by default glmnet's.

    Parameters
    ----------
    columns : array_like, shape (n, p)
        Candidate features.
    survival : Survival
        Follow-up of the same patients.
    count : int
        Number of penalties.
    ratio : float, optional
        Smallest penalty over largest; by default 0.0001, or 0.01 of fewer patients than features.

    Returns
    -------
    ndarray, shape (count,)
    """
    x = np.asarray(columns, dtype=np.float64)
    sets = RiskSets.of(survival, Ties.BRESLOW)
    scaled = ((x - x.mean(axis=0)) / population_sd(x))[sets.order]
    at_risk = sets.sums(np.ones(survival.n))
    gradient = (scaled[sets.deaths] - sets.sums(scaled) / at_risk[:, None]).sum(axis=0)
    largest = float(np.abs(gradient).max()) / survival.n
    if not largest > 0:
        raise TrainingError(
            "No candidate feature has any association with survival: the Lasso has nothing to "
            "select."
        )
    if ratio is None:
        ratio = 1e-4 if x.shape[0] >= x.shape[1] else 1e-2
    return np.asarray(largest * ratio ** (np.arange(count) / max(count - 1, 1)), dtype=np.float64)


def assign_folds(survival: Survival, n_folds: int, seed: int) -> NDArray[np.intp]:
    """Draw folds of equal size that share deaths and censored patients evenly.

    Parameters
    ----------
    survival : Survival
        The cohort.
    n_folds : int
        Number of folds.
    seed : int
        Seed of the draw.

    Returns
    -------
    ndarray of int, shape (n,)
        Fold of each patient, 0..n_folds-1.

    Raises
    ------
    TrainingError
        If a fold would have no death.
    """
    if n_folds < 2 or survival.n_events < n_folds:
        raise TrainingError(
            f"{counted(survival.n_events, 'death')} cannot be shared among "
            f"{counted(n_folds, 'fold')} of cross-validation: at least two folds and one death in "
            "each are needed, so train on a larger cohort."
        )
    random = np.random.default_rng(seed)
    shuffled = np.r_[
        random.permutation(np.flatnonzero(survival.event)),
        random.permutation(np.flatnonzero(~survival.event)),
    ]
    folds = np.empty(survival.n, dtype=np.intp)
    folds[shuffled] = np.arange(survival.n) % n_folds
    return folds


def cross_validate_lasso(
    columns: ArrayLike,
    survival: Survival,
    lambdas: ArrayLike,
    folds: NDArray[np.intp],
    *,
    stops: bool = False,
) -> LassoCrossValidation:
    """Choose the penalty by the deviance of patients left out.

    Parameters
    ----------
    columns : array_like, shape (n, p)
        Candidate features.
    survival : Survival
        Follow-up of the same patients.
    lambdas : array_like, shape (m,)
        Penalties, falling.
    folds : ndarray of int, shape (n,)
        Fold of each patient.
    stops : bool
        Whether paths end where glmnet's do, see `lasso_path`; a fold's last coefficients count for
        the penalties beyond its own path's end.

    Returns
    -------
    LassoCrossValidation
    """
    x = np.asarray(columns, dtype=np.float64)
    penalties = np.asarray(lambdas, dtype=np.float64)
    path = lasso_path(x, survival, penalties, stops=stops)
    penalties = penalties[: path.shape[1]]
    differences, deaths = [], []
    for fold in np.unique(folds):
        outside = folds != fold
        held_out = int((survival.event & ~outside).sum())
        if held_out == 0:
            continue
        training = survival.subset(outside)
        beta = lasso_path(x[outside], training, penalties, stops=stops)
        beta = np.pad(beta, ((0, 0), (0, penalties.size - beta.shape[1])), mode="edge")
        differences.append(
            partial_deviance(x, survival, beta) - partial_deviance(x[outside], training, beta)
        )
        deaths.append(held_out)
    weights = np.array(deaths, dtype=np.float64)
    per_death = np.array(differences) / weights[:, None]
    mean = np.average(per_death, axis=0, weights=weights)
    error = np.sqrt(
        np.average((per_death - mean) ** 2, axis=0, weights=weights) / max(weights.size - 1, 1)
    )
    return LassoCrossValidation(penalties, path, mean, error, int(np.argmin(mean)))


def partial_deviance(columns: ArrayLike, survival: Survival, coefficients: ArrayLike) -> Array:
    """Return twice the log partial likelihood (Breslow ties) lost against the saturated model.

    Parameters
    ----------
    columns : array_like, shape (n, p)
        Features.
    survival : Survival
        Follow-up of the same patients.
    coefficients : array_like, shape (p, m)
        One model per column.

    Returns
    -------
    ndarray, shape (m,)
    """
    sets = RiskSets.of(survival, Ties.BRESLOW)
    eta = (np.asarray(columns, dtype=np.float64) @ np.asarray(coefficients, dtype=np.float64))[
        sets.order
    ]
    shift = eta.max(axis=0)
    value = (eta[sets.deaths] - shift - np.log(sets.sums(np.exp(eta - shift)))).sum(axis=0)
    tied = np.bincount(sets.tie_of_death)
    return np.asarray(-2.0 * ((tied * np.log(tied)).sum() + value), dtype=np.float64)
