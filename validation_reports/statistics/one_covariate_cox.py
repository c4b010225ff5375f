"""A Cox regression on one covariate, or the admission that these deaths do not determine it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.errors import NotConvergedError, TrainingError
from models.survival.cox_regression import fit_cox
from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable

LEAST_SPREAD = 1e-3
"""Scores of a smaller standard deviation predict hazards that differ by a thousandth: what one unit
of such a score does is told by no number of deaths that anybody has.
"""
_LARGEST_REACH = float(np.log(1e6))
"""An estimate or standard error beyond this many log hazards per standard deviation tells of a flat
likelihood.
"""


@dataclass(frozen=True)
class Coefficient:
    """Log hazard ratio per unit of the covariate and its standard error."""

    estimate: float
    standard_error: float


def hardly_differs(what: str, score: ArrayLike) -> NotEstimable | None:
    """Return the refusal to say what a unit of a score does where the patients' scores are so alike
    that they do not tell, else `None`.
    """
    if float(np.std(np.asarray(score, dtype=np.float64))) >= LEAST_SPREAD:
        return None
    return NotEstimable(
        f"{what} is not estimated: the patients' scores hardly differ (standard deviation below "
        f"{LEAST_SPREAD:g}), so that what a unit of them does cannot be told."
    )


def single_cox(
    covariate: ArrayLike, survival: Survival, strata: ArrayLike | None = None
) -> Coefficient | None:
    """Fit a Cox model with Efron ties; `None` where the likelihood has no maximum or hardly any
    curvature.

    Parameters
    ----------
    covariate : array_like, shape (n,)
        Finite, not constant.
    survival : Survival
        Follow-up of the same n patients.
    strata : array_like, shape (n,), optional
        As for `fit_cox`.
    """
    x = np.asarray(covariate, dtype=np.float64)
    try:
        fit = fit_cox(x[:, None], survival, strata=strata)
    except (NotConvergedError, TrainingError):
        return None
    estimate, variance = float(fit.coefficients[0]), float(fit.covariance[0, 0])
    spread = float(x.std())
    if not (np.isfinite(estimate) and 0 < variance < np.inf):
        return None
    if max(abs(estimate), float(np.sqrt(variance))) * spread > _LARGEST_REACH:
        return None
    return Coefficient(estimate, float(np.sqrt(variance)))
