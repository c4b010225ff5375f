"""The smooth calibration curve: observed risk as a function of the predicted one, and how far the
two lie apart.

References
----------
.. [1] Austin PC, Harrell FE, van Klaveren D. Stat Med 2020;39:2714-2742 (smooth curve, ICI,
    E50, E90).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_store.wording import counted
from models.errors import NotConvergedError, TrainingError
from models.survival.baseline_hazard import baseline_cumulative_hazard
from models.survival.cox_regression import CoxFit, fit_cox
from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable

Array = NDArray[np.float64]
MINIMUM_EVENTS_SMOOTH = 20
"""Deaths that the smooth curve with its two coefficients needs."""
SMOOTH_METHOD = (
    "Cox regression on a restricted cubic spline (3 knots) of log(-log(predicted survival))"
)
CURVE_POINTS = 41
_KNOTS = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class SmoothCalibration:
    """The smooth calibration curve and its mean (ICI), median (E50), 90th percentile (E90) and
    largest error [1]_.

    Parameters
    ----------
    ici, e50, e90, emax : float
        Absolute differences between smoothed observed and predicted risk, over the patients.
    predicted, observed : tuple of float
        The curve, from the lowest to the highest predicted risk.
    method : str
        How it was computed.
    """

    ici: float
    e50: float
    e90: float
    emax: float
    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    method: str = SMOOTH_METHOD


def smooth_calibration(
    survival: Survival, predicted_survival: Array, days: int
) -> SmoothCalibration | NotEstimable:
    """Fit the smooth calibration curve at `days` [1]_; R: ``rms::cph(Surv(days, event) ~
    rcs(cloglog(risk), 3))``.

    It takes survival, not risk: 1 - S is exactly 1 from S = 1e-16 on, where log(-log S) is still an
    ordinary number.
    """
    if survival.n_events < MINIMUM_EVENTS_SMOOTH:
        return NotEstimable(
            f"A smooth curve is not estimated from {counted(survival.n_events, 'death')}: at least "
            f"{MINIMUM_EVENTS_SMOOTH} are needed."
        )
    if survival.days.max() < days:
        return NotEstimable(
            f"A smooth curve at {counted(days, 'day')} is not estimated: nobody was alive so long, "
            f"and the last follow-up ends at {counted(float(survival.days.max()), 'day')}."
        )
    basis = spline_of_survival(predicted_survival)
    if isinstance(basis, NotEstimable):
        return basis
    x = np.log(-np.log(predicted_survival))
    knots = np.quantile(x, _KNOTS)
    fit: CoxFit | None
    try:
        fit = fit_cox(basis, survival)
    except (NotConvergedError, TrainingError):
        fit = None
    if fit is None or not (np.diag(fit.covariance) > 0).all():
        return NotEstimable(
            "A smooth curve is not estimated: its Cox regression has no finite solution."
        )
    linear_predictor = fit.linear_predictor
    baseline = baseline_cumulative_hazard(linear_predictor(basis), survival)

    def smoothed(values: Array) -> Array:
        return 1.0 - baseline.survival(days, linear_predictor(_spline(values, knots)))

    error = np.abs(smoothed(x) - (1.0 - predicted_survival))
    grid = np.linspace(x.min(), x.max(), CURVE_POINTS)
    return SmoothCalibration(
        ici=float(error.mean()),
        e50=float(np.quantile(error, 0.5)),
        e90=float(np.quantile(error, 0.9)),
        emax=float(error.max()),
        predicted=tuple(float(value) for value in -np.expm1(-np.exp(grid))),
        observed=tuple(float(value) for value in smoothed(grid)),
    )


def spline_of_survival(predicted_survival: Array) -> Array | NotEstimable:
    """Return the spline basis of log(-log(predicted survival)), shape (n, 2), that a smooth curve
    is fitted on.
    """
    if not ((predicted_survival > 0) & (predicted_survival < 1)).all():
        return NotEstimable(
            "A smooth curve is not estimated: a predicted survival is exactly 0 or 1."
        )
    x = np.log(-np.log(predicted_survival))
    knots = np.quantile(x, _KNOTS)
    if (np.diff(knots) <= 0).any():
        return NotEstimable(
            "A smooth curve is not estimated: too many patients have the same predicted risk."
        )
    return _spline(x, knots)


def smooth_calibration_coefficients(survival: Survival, x: Array) -> Array:
    """Return the two coefficients of the spline of `x`, log(-log(predicted survival)); 0 where
    there are none.
    """
    knots = np.quantile(x, _KNOTS)
    if (np.diff(knots) <= 0).any():
        return np.zeros(2)
    try:
        return fit_cox(_spline(x, knots), survival).coefficients.copy()
    except (NotConvergedError, TrainingError):
        return np.zeros(2)


def _spline(x: Array, knots: Array) -> Array:
    """Restricted cubic spline basis with three knots, linear beyond the outer two (Harrell), shape
    (n, 2).
    """
    first, middle, last = knots

    def cube(knot: float) -> Array:
        return np.maximum(x - knot, 0.0) ** 3

    bend = cube(first) - (cube(middle) * (last - first) - cube(last) * (middle - first)) / (
        last - middle
    )
    return np.column_stack([x, bend / (last - first) ** 2])
