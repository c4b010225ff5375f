"""Are the predicted probabilities right: observed against expected deaths at each horizon, and the
calibration slope.

References
----------
.. [1] van Calster B et al. BMC Med 2019;17:230 (levels of calibration, O/E).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.survival.baseline_hazard import BaselineHazard
from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable, normal_quantile, too_few_events
from validation_reports.statistics.hazard_calibration import (
    LARGEST_RATIO,
    NOT_YET,
    HazardScaleRatio,
    hazard_scale_ratio,
)
from validation_reports.statistics.kaplan_meier import SurvivalAt, kaplan_meier, survival_at
from validation_reports.statistics.one_covariate_cox import hardly_differs, single_cox
from validation_reports.statistics.smooth_calibration import SmoothCalibration, smooth_calibration

Array = NDArray[np.float64]
MINIMUM_GROUP = 10
"""Patients that each group of a calibration plot has at least."""
MOST_GROUPS = 5
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
    n, n_events : int or None
        Patients, and deaths by the horizon; `None` in reports of before.
    """

    days: int
    at_risk: int
    predicted: float
    observed: RiskEstimate
    ratio: ObservedExpected | NotEstimable
    groups: tuple[CalibrationGroup, ...]
    smooth: SmoothCalibration | NotEstimable
    group_method: str = GROUP_METHOD
    n: int | None = None
    n_events: int | None = None


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
    if refusal := hardly_differs("The calibration slope", score):
        return refusal
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
    plotted: bool = True,
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
    plotted : bool
        Whether to add what a plot shows: the groups and the smooth curve.
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
        groups=_groups(survival, predicted_risk, days, confidence) if plotted else (),
        smooth=smooth_calibration(survival, predicted_survival, days)
        if plotted
        else NotEstimable("No curve was asked for."),
        n=survival.n,
        n_events=int(survival.event[survival.days <= days].sum()),
    )


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
    if observed.estimate / expected > LARGEST_RATIO:
        return NotEstimable(
            f"The ratio of observed to expected deaths by {days} days is not estimated: more than "
            f"{LARGEST_RATIO:g} times as many died as were predicted, so the scores are not on the "
            "scale of the model."
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
