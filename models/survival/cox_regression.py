"""Cox proportional hazards with Efron's treatment of ties, as R's ``survival::coxph`` computes it.

The partial log-likelihood with Efron's approximation is, over the deaths i (in a group of d deaths
on the same day, numbered k = 0..d-1),

    sum_i [ eta_i - log( sum_{j at risk} exp(eta_j) - k/d * sum_{j dying that day} exp(eta_j) ) ],

with eta = x beta.

Breslow's approximation leaves the second term out.

References
----------
.. [1] Efron B. The efficiency of Cox's likelihood function for censored data. JASA 1977;72:557-565.
.. [2] Therneau T, Grambsch P. Modeling Survival Data: Extending the Cox Model. Springer 2000,
    section 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfc

from models.errors import NotConvergedError, TrainingError
from models.survival.risk_sets import Array, RiskSets, Ties
from models.survival.survival_data import Survival
from models.wording import counted

_MAX_ITERATIONS = 50
_MAX_HALVINGS = 30
_TOLERANCE = 1e-18
"""Newton's decrement (twice the log-likelihood still to be gained) at which the iteration ends."""
_LARGEST_EFFECT = 15.0
"""A coefficient above this per standard deviation means a likelihood without a maximum (perfect
separation).
"""


@dataclass(frozen=True, eq=False)
class CoxFit:
    """A fitted Cox model.

    Parameters
    ----------
    coefficients : ndarray, shape (p,)
        Log hazard ratios per unit of each covariate.
    covariance : ndarray, shape (p, p)
        Inverse of the observed information.
    means : ndarray, shape (p,)
        Means of the covariates in the fitted data, on which R centres the linear predictor.
    log_likelihood, null_log_likelihood : float
        Partial log-likelihood at the estimate and at 0.
    """

    coefficients: Array
    covariance: Array
    means: Array
    log_likelihood: float
    null_log_likelihood: float

    @property
    def standard_errors(self) -> Array:
        """Standard errors of the coefficients, shape (p,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def p_values(self) -> Array:
        """Two-sided Wald p values, shape (p,)."""
        return _two_sided_p(self.coefficients / self.standard_errors)

    def linear_predictor(self, covariates: ArrayLike) -> Array:
        """Return (x - mean) beta, shape (n,), as R's ``predict(fit, type = "lp")``."""
        return (np.asarray(covariates, dtype=np.float64) - self.means) @ self.coefficients


@dataclass(frozen=True, eq=False)
class UnivariateCox:
    """One Cox model for each of many columns.

    Parameters
    ----------
    coefficients, standard_errors, p_values : ndarray, shape (p,)
        Log hazard ratio per unit of the column, its standard error, two-sided Wald p value. NaN
        where `estimable` is false.
    estimable : ndarray of bool, shape (p,)
        False for a constant column and for one whose likelihood has no maximum (it separates early
        from late deaths perfectly).
    """

    coefficients: Array
    standard_errors: Array
    p_values: Array
    estimable: NDArray[np.bool_]


def fit_cox(
    covariates: ArrayLike,
    survival: Survival,
    ties: Ties = Ties.EFRON,
    strata: ArrayLike | None = None,
) -> CoxFit:
    """Fit a Cox model by Newton's method with step halving.

    Parameters
    ----------
    covariates : array_like, shape (n, p)
        One row per patient, finite.
    survival : Survival
        Follow-up of the same patients in the same order.
    ties : Ties
        Treatment of deaths on the same day.
    strata : array_like, shape (n,), optional
        Each stratum has a baseline hazard of its own: a death is compared with the patients of its
        stratum alone. R: ``coxph(Surv(days, event) ~ x + strata(s))``.

    Returns
    -------
    CoxFit

    Raises
    ------
    TrainingError
        If there is no death, a value is missing, or the covariates are collinear or constant.
    NotConvergedError
        If the likelihood has no maximum (perfect separation).
    """
    x = _covariates(covariates, survival)
    means, scale = x.mean(axis=0), x.std(axis=0)
    if not (scale > 0).all():
        raise TrainingError("A covariate of the Cox model is constant: leave it out.")
    parts = _parts((x - means) / scale, survival, ties, strata)
    beta = np.zeros(x.shape[1])
    value, gradient, information = _derivatives(parts, beta)
    null = value
    for _ in range(_MAX_ITERATIONS):
        step = _newton_step(information, gradient)
        if gradient @ step < _TOLERANCE * max(1.0, abs(value)):
            covariance = np.linalg.inv(information) / np.outer(scale, scale)
            return CoxFit(beta / scale, covariance, means, float(value), float(null))
        beta, value, gradient, information = _ascend(parts, beta, step, value)
        if np.abs(beta).max() > _LARGEST_EFFECT:
            break
    raise NotConvergedError(
        f"The Cox model of {counted(x.shape[1], 'covariate')} in {counted(survival.n, 'patient')} "
        f"with {counted(survival.n_events, 'death')} has no finite estimate, because a covariate "
        "separates early from late deaths perfectly: use fewer covariates or more patients."
    )


def univariate_cox(
    features: ArrayLike, survival: Survival, ties: Ties = Ties.EFRON
) -> UnivariateCox:
    """Fit one Cox model per column, all columns at once.

    Parameters
    ----------
    features : array_like, shape (n, p)
        Finite values; scale does not matter.
    survival : Survival
        Follow-up of the same patients in the same order.
    ties : Ties
        Treatment of deaths on the same day.

    Returns
    -------
    UnivariateCox

    Raises
    ------
    TrainingError
        If there is no death or a value is missing.
    """
    x = _covariates(features, survival)
    scale = x.std(axis=0)
    # A spread at the level of rounding error is no spread.
    varies = scale > 1e-12 * np.abs(x).max(axis=0, initial=0.0)
    sets = RiskSets.of(survival, ties)
    z = ((x - x.mean(axis=0)) / np.where(varies, scale, 1.0))[sets.order]
    z[:, ~varies] = 0.0
    p = z.shape[1]
    beta, information = np.zeros(p), np.zeros(p)
    converged = np.zeros(p, dtype=np.bool_)
    open_columns = np.flatnonzero(varies)
    value = np.full(p, -np.inf)
    step = np.zeros(p)
    for _ in range(_MAX_ITERATIONS + _MAX_HALVINGS):
        if open_columns.size == 0:
            break
        trial = beta[open_columns] + step[open_columns]
        new, gradient, info = _column_derivatives(sets, z[:, open_columns], trial)
        better = new >= value[open_columns] - 1e-12 * np.abs(new)
        step[open_columns[~better]] *= 0.5
        accepted = open_columns[better]
        beta[accepted], value[accepted] = trial[better], new[better]
        information[accepted] = info[better]
        with np.errstate(divide="ignore", invalid="ignore"):
            step[accepted] = gradient[better] / info[better]
        decrement = gradient[better] * step[accepted]
        done = decrement < _TOLERANCE * np.maximum(1.0, np.abs(new[better]))
        lost = ~np.isfinite(step[accepted]) | (np.abs(trial[better]) > _LARGEST_EFFECT)
        converged[accepted[done & ~lost]] = True
        keep = np.ones(open_columns.size, dtype=np.bool_)
        keep[np.flatnonzero(better)[done | lost]] = False
        open_columns = open_columns[keep]
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(converged, 1.0 / np.sqrt(information), np.nan)
    beta = np.where(converged, beta, np.nan)
    divisor = np.where(varies, scale, 1.0)
    return UnivariateCox(beta / divisor, error / divisor, _two_sided_p(beta / error), converged)


def _covariates(values: ArrayLike, survival: Survival) -> Array:
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 2 or x.shape[0] != survival.n or x.shape[1] == 0:
        raise TrainingError(
            f"The covariates have shape {x.shape}: expected {counted(survival.n, 'row')} and at "
            "least one column."
        )
    missing = int((~np.isfinite(x)).sum())
    if missing:
        raise TrainingError(
            f"{counted(missing, 'covariate value')} {'is' if missing == 1 else 'are'} missing or "
            "infinite: leave those patients out."
        )
    return x


def _parts(
    z: Array, survival: Survival, ties: Ties, strata: ArrayLike | None
) -> list[tuple[RiskSets, Array]]:
    """Return the risk sets and the covariates, sorted by time, of every stratum with deaths."""
    if strata is None:
        sets = RiskSets.of(survival, ties)
        return [(sets, z[sets.order])]
    labels, parts = np.asarray(strata), []
    if not survival.n_events:
        RiskSets.of(survival, ties)  # refuses with its sentence
    for label in np.unique(labels[survival.event]):
        rows = np.flatnonzero(labels == label)
        sets = RiskSets.of(survival.subset(rows), ties)
        parts.append((sets, z[rows][sets.order]))
    return parts


def _derivatives(parts: list[tuple[RiskSets, Array]], beta: Array) -> tuple[float, Array, Array]:
    """Log-likelihood, gradient (p,) and information (p, p) of one model, summed over the strata."""
    total, gradient, information = 0.0, np.zeros(beta.size), np.zeros((beta.size, beta.size))
    for sets, z in parts:
        eta = z @ beta
        shift = eta.max()
        weights = np.exp(eta - shift)
        s0 = sets.sums(weights)
        mean = sets.sums(weights[:, None] * z) / s0[:, None]
        square = sets.sums(weights[:, None, None] * z[:, :, None] * z[:, None, :])
        total += float((eta[sets.deaths] - shift - np.log(s0)).sum())
        gradient += (z[sets.deaths] - mean).sum(axis=0)
        information += (square / s0[:, None, None]).sum(axis=0) - mean.T @ mean
    return total, gradient, information


def _column_derivatives(sets: RiskSets, z: Array, beta: Array) -> tuple[Array, Array, Array]:
    """Log-likelihood, gradient and information, each (p,), of p models of one column."""
    eta = z * beta
    shift = eta.max(axis=0)
    weights = np.exp(eta - shift)
    s0 = sets.sums(weights)
    weights *= z
    mean = sets.sums(weights) / s0
    weights *= z
    square = sets.sums(weights) / s0
    value = (eta[sets.deaths] - shift - np.log(s0)).sum(axis=0)
    return value, (z[sets.deaths] - mean).sum(axis=0), (square - mean**2).sum(axis=0)


def _newton_step(information: Array, gradient: Array) -> Array:
    if np.linalg.cond(information) > 1e12:
        raise TrainingError(
            "The covariates of the Cox model are collinear: leave out those that follow from "
            "others."
        )
    return np.asarray(np.linalg.solve(information, gradient), dtype=np.float64)


def _ascend(
    parts: list[tuple[RiskSets, Array]], beta: Array, step: Array, value: float
) -> tuple[Array, float, Array, Array]:
    """Take the step, halved until the likelihood does not fall."""
    for _ in range(_MAX_HALVINGS):
        trial = beta + step
        new, gradient, information = _derivatives(parts, trial)
        if new >= value - 1e-12 * abs(value):
            return trial, new, gradient, information
        step = step / 2
    raise NotConvergedError(
        "The likelihood of the Cox model could not be increased: check the covariates for outliers."
    )


def _two_sided_p(z: Array) -> Array:
    return np.asarray(erfc(np.abs(z) / np.sqrt(2.0)), dtype=np.float64)
