"""Are the predicted probabilities right: observed against expected deaths at each horizon, and the
calibration slope.

References
----------
.. [1] van Calster B et al. BMC Med 2019;17:230 (levels of calibration, O/E).
.. [2] Austin PC, Harrell FE, van Klaveren D. Stat Med 2020;39:2714-2742 (smooth curve, ICI,
    E50, E90).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.errors import NotConvergedError, TrainingError
from models.survival.baseline_hazard import BaselineHazard, baseline_cumulative_hazard
from models.survival.cox_regression import CoxFit, fit_cox
from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable, normal_quantile, too_few_events
from validation_reports.statistics.hazard_calibration import (
    NOT_YET,
    HazardScaleRatio,
    hazard_scale_ratio,
)
from validation_reports.statistics.kaplan_meier import SurvivalAt, kaplan_meier, survival_at
from validation_reports.statistics.one_covariate_cox import single_cox

Array = NDArray[np.float64]
MINIMUM_GROUP = 10
"""Patients that each group of a calibration plot has at least."""
MOST_GROUPS = 5
MINIMUM_EVENTS_SMOOTH = 20
"""Deaths that the smooth curve with its two coefficients needs."""
RATIO_METHOD = (
    "observed by Kaplan-Meier over mean predicted; interval from Greenwood's variance on the log "
    "scale"
)
EDGE_RATIO_METHOD = (
    "observed by Kaplan-Meier over mean predicted; everybody died, so the interval is the beta "
    "product's"
)
SLOPE_METHOD = "coefficient of the linear predictor in a Cox regression, Efron ties, Wald interval"
GROUP_METHOD = "groups of equal size by predicted risk; observed by Kaplan-Meier, log-log interval"
SMOOTH_METHOD = (
    "Cox regression on a restricted cubic spline (3 knots) of log(-log(predicted survival))"
)
_KNOTS = (0.1, 0.5, 0.9)
CURVE_POINTS = 41


@dataclass(frozen=True)
class RiskEstimate:
    """Probability of death by the horizon, by Kaplan-Meier: estimate, Greenwood standard error,
    interval.
    """

    estimate: float
    standard_error: float
    lower: float
    upper: float

    @classmethod
    def of(cls, found: SurvivalAt) -> RiskEstimate:
        """Turn survival into risk."""
        return cls(1 - found.survival, found.standard_error, 1 - found.upper, 1 - found.lower)


@dataclass(frozen=True)
class CalibrationGroup:
    """Patients of similar predicted risk: how many, the mean prediction and what was observed."""

    n: int
    predicted: float
    observed: RiskEstimate | NotEstimable


@dataclass(frozen=True)
class SmoothCalibration:
    """The smooth calibration curve and its mean (ICI), median (E50), 90th percentile (E90) and
    largest error [2]_.

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


@dataclass(frozen=True)
class ObservedExpected:
    """Observed over expected deaths by the horizon (1 is right, above 1 the model is too
    optimistic).
    """

    estimate: float
    lower: float
    upper: float
    log_standard_error: float
    method: str = RATIO_METHOD


@dataclass(frozen=True)
class HorizonCalibration:
    """Calibration at one horizon.

    Parameters
    ----------
    days : int
        The horizon.
    at_risk : int
        Patients still followed at the horizon.
    predicted : float
        Mean predicted probability of death by the horizon.
    observed : RiskEstimate
        Probability of death by Kaplan-Meier.
    ratio : ObservedExpected or NotEstimable
        O/E.
    groups : tuple of CalibrationGroup
        By predicted risk, ascending; empty when there are too few patients for two groups.
    smooth : SmoothCalibration or NotEstimable
        The smooth curve.
    group_method : str
        How the groups were made.
    """

    days: int
    at_risk: int
    predicted: float
    observed: RiskEstimate
    ratio: ObservedExpected | NotEstimable
    groups: tuple[CalibrationGroup, ...]
    smooth: SmoothCalibration | NotEstimable
    group_method: str = GROUP_METHOD


@dataclass(frozen=True)
class CalibrationSlope:
    """Slope of the linear predictor in new patients: 1 is right, below 1 the predictions are too
    extreme.
    """

    estimate: float
    standard_error: float
    lower: float
    upper: float
    confidence: float
    method: str = SLOPE_METHOD


@dataclass(frozen=True)
class Calibration:
    """How right the predictions are.

    Parameters
    ----------
    slope : CalibrationSlope or NotEstimable
        Of the linear predictor.
    horizons : tuple of (int, HorizonCalibration or NotEstimable)
        Horizon in days, ascending, and calibration there.
    hazard : HazardScaleRatio or NotEstimable
        Observed over expected deaths on the hazard scale.
    score_spread : float or None
        Standard deviation of the linear predictor, on which the precision of a slope depends;
        `None` in reports of before.
    """

    slope: CalibrationSlope | NotEstimable
    horizons: tuple[tuple[int, HorizonCalibration | NotEstimable], ...]
    hazard: HazardScaleRatio | NotEstimable = NOT_YET
    score_spread: float | None = None


def calibrate(
    survival: Survival,
    linear_predictor: ArrayLike,
    predicted_survival: Mapping[int, ArrayLike],
    confidence: float = 0.95,
    baseline: BaselineHazard | None = None,
) -> Calibration:
    """Compare predictions with outcomes.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    linear_predictor : array_like, shape (n,)
        The frozen model's linear predictor.
    predicted_survival : mapping of int to array_like, shape (n,)
        The frozen model's survival probabilities by horizon in days.
    confidence : float
        Of all intervals.
    baseline : BaselineHazard, optional
        The frozen model's baseline hazard, for what is compared on the hazard scale.

    Returns
    -------
    Calibration
    """
    horizons = tuple(
        (
            days,
            calibrate_at(
                survival, np.asarray(predicted_survival[days], dtype=np.float64), days, confidence
            ),
        )
        for days in sorted(predicted_survival)
    )
    return Calibration(
        calibration_slope(survival, linear_predictor, confidence),
        horizons,
        hazard_scale_ratio(survival, linear_predictor, baseline, confidence),
        float(np.std(np.asarray(linear_predictor, dtype=np.float64))),
    )


def calibration_slope(
    survival: Survival,
    linear_predictor: ArrayLike,
    confidence: float = 0.95,
    strata: ArrayLike | None = None,
) -> CalibrationSlope | NotEstimable:
    """Estimate the calibration slope; R: ``coxph(Surv(days, event) ~ lp)``, with ``+ strata(s)``
    where each stratum has a baseline hazard of its own.
    """
    score = np.asarray(linear_predictor, dtype=np.float64)
    z = normal_quantile(confidence)
    if refusal := too_few_events("The calibration slope", survival.n_events, survival.n):
        return refusal
    if np.ptp(score) == 0:
        return NotEstimable(
            "The calibration slope is not estimated: all patients have the same score."
        )
    fit = single_cox(score, survival, strata)
    if fit is None:
        return NotEstimable(
            "The calibration slope is not estimated: these deaths do not determine it."
        )
    slope, error = fit.estimate, fit.standard_error
    return CalibrationSlope(slope, error, slope - z * error, slope + z * error, confidence)


def calibrate_at(
    survival: Survival,
    predicted_survival: Array,
    days: int,
    confidence: float = 0.95,
    *,
    smooth: bool = True,
) -> HorizonCalibration | NotEstimable:
    """Compare predicted and observed probability of death by one horizon.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    predicted_survival : ndarray, shape (n,)
        Predicted probability of being alive at `days`.
    days : int
        The horizon.
    confidence : float
        Of all intervals.
    smooth : bool
        Whether to fit the smooth curve too.
    """
    z = normal_quantile(confidence)
    if refusal := too_few_events(f"Calibration at {days} days", survival.n_events, survival.n):
        return refusal
    at_horizon = survival_at(kaplan_meier(survival, confidence), days)
    if isinstance(at_horizon, NotEstimable):
        return at_horizon
    observed = RiskEstimate.of(at_horizon)
    predicted_risk = 1.0 - predicted_survival
    expected = float(predicted_risk.mean())
    return HorizonCalibration(
        days=days,
        at_risk=at_horizon.at_risk,
        predicted=expected,
        observed=observed,
        ratio=_ratio(survival, observed, expected, days, z),
        groups=_groups(survival, predicted_risk, days, confidence),
        smooth=smooth_calibration(survival, predicted_survival, days)
        if smooth
        else NotEstimable("No curve was asked for."),
    )


def smooth_calibration(
    survival: Survival, predicted_survival: Array, days: int
) -> SmoothCalibration | NotEstimable:
    """Fit the smooth calibration curve at `days` [2]_; R: ``rms::cph(Surv(days, event) ~
    rcs(cloglog(risk), 3))``.

    It takes survival, not risk: 1 - S is exactly 1 from S = 1e-16 on, where log(-log S) is still an
    ordinary number.
    """
    if survival.n_events < MINIMUM_EVENTS_SMOOTH:
        return NotEstimable(
            f"A smooth curve is not estimated from {survival.n_events} deaths: at least "
            f"{MINIMUM_EVENTS_SMOOTH} are needed."
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


def _ratio(
    survival: Survival, observed: RiskEstimate, expected: float, days: int, z: float
) -> ObservedExpected | NotEstimable:
    deaths = int(survival.event[survival.days <= days].sum())
    if refusal := too_few_events(
        f"The ratio of observed to expected deaths by {days} days", deaths, survival.n
    ):
        return refusal
    if expected <= 0:
        return NotEstimable(
            "The ratio of observed to expected deaths is not estimated: no death was predicted."
        )
    if observed.standard_error == 0:
        # Everybody died: Greenwood's variance is 0, and the interval that of the beta product
        return ObservedExpected(
            observed.estimate / expected,
            observed.lower / expected,
            observed.upper / expected,
            float(np.log(observed.estimate / observed.lower)) / z,
            EDGE_RATIO_METHOD,
        )
    ratio, error = observed.estimate / expected, observed.standard_error / observed.estimate
    return ObservedExpected(
        ratio, float(ratio * np.exp(-z * error)), float(ratio * np.exp(z * error)), error
    )


def _groups(
    survival: Survival, predicted_risk: Array, days: int, confidence: float
) -> tuple[CalibrationGroup, ...]:
    count = min(MOST_GROUPS, survival.n // MINIMUM_GROUP)
    if count < 2:
        return ()
    edges = np.quantile(predicted_risk, np.arange(1, count) / count)
    member = np.searchsorted(edges, predicted_risk, side="left")
    groups = []
    for rows in (member == number for number in range(count)):
        if not rows.any():  # ties at a quantile can empty a group
            continue
        found = survival_at(kaplan_meier(survival.subset(rows), confidence), days)
        observed = found if isinstance(found, NotEstimable) else RiskEstimate.of(found)
        groups.append(
            CalibrationGroup(int(rows.sum()), float(predicted_risk[rows].mean()), observed)
        )
    return tuple(groups)


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
