"""What is found within centres: patients are compared with patients of their own centre alone, and
what the centres show is added up.

In a plain pool a score looks good that tells centres apart and nobody within them, and risks look
right that are too high at one centre and too low at another. Stratification by centre takes the
differences between centres out [1]_ [2]_.

References
----------
.. [1] Therneau T, Grambsch P. Modeling Survival Data: Extending the Cox Model. Springer 2000,
    section 3.2 (strata).
.. [2] Debray TPA, Damen JAAG, Riley RD, et al. Stat Methods Med Res 2019;28:2768-2786.
.. [3] Cochran WG. Sampling Techniques. 3rd ed. Wiley 1977, section 5.4 (variance of a stratified
    mean).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.survival.baseline_hazard import BaselineHazard
from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable, normal_quantile, too_few_events
from validation_reports.statistics.calibration import (
    Calibration,
    CalibrationSlope,
    HorizonCalibration,
    ObservedExpected,
    RiskEstimate,
    calibration_slope,
)
from validation_reports.statistics.discrimination import Concordance, harrell_c
from validation_reports.statistics.hazard_calibration import hazard_scale_ratio
from validation_reports.statistics.kaplan_meier import SurvivalAt, kaplan_meier, survival_at
from validation_reports.statistics.risk_groups import (
    HazardRatio,
    LogRank,
    RiskGroups,
    hazard_ratio,
    log_rank,
)

Array = NDArray[np.float64]
BY_CENTER = "stratified by centre"
RATIO_METHOD = (
    "deaths of each centre by Kaplan-Meier, added up, over the sum of the predicted risks; "
    "interval on the log scale from the sum of Greenwood's variances"
)
_Found = TypeVar(
    "_Found",
    Concordance | NotEstimable,
    HazardRatio | NotEstimable,
    LogRank | NotEstimable,
    CalibrationSlope | NotEstimable,
)
_NO_CURVE = NotEstimable("Smooth curves are shown for each centre and for the plain pool.")


@dataclass(frozen=True)
class WithinCenters:
    """The main figures, from comparisons within centres alone.

    Parameters
    ----------
    center : str
        Which centres, in words.
    n_centers, n, n_events : int
        Centres, patients and deaths.
    concordance : Concordance or NotEstimable
        Harrell's C over all pairs of patients of one centre.
    risk_groups : RiskGroups
        Stratified hazard ratio and log-rank test; without curves, which are those of the centres.
    calibration : Calibration
        Stratified slope, and observed over expected deaths added up over the centres.
    left_out : tuple of (int, tuple of str)
        Horizon in days and the centres at which nobody was followed until it.
    """

    center: str
    n_centers: int
    n: int
    n_events: int
    concordance: Concordance | NotEstimable
    risk_groups: RiskGroups
    calibration: Calibration
    left_out: tuple[tuple[int, tuple[str, ...]], ...] = ()


def within_centers(
    survival: Survival,
    linear_predictor: ArrayLike,
    high_risk: ArrayLike,
    predicted_survival: Mapping[int, ArrayLike],
    centers: ArrayLike,
    baseline: BaselineHazard | None = None,
    confidence: float = 0.95,
    label: str = "within centres",
) -> WithinCenters:
    """Estimate the main figures within centres.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients of all centres.
    linear_predictor, high_risk : array_like, shape (n,)
        The score, and whether it lies above the frozen cut-off.
    predicted_survival : mapping of int to array_like, shape (n,)
        Survival probability by horizon in days.
    centers : array_like of str, shape (n,)
        Each patient's centre.
    baseline : BaselineHazard, optional
        The frozen model's baseline hazard.
    confidence : float
        Of all intervals.
    label : str
        What the figures are called.

    Returns
    -------
    WithinCenters
        R: ``concordance``, ``coxph`` and ``survdiff`` with ``strata(center)``.
    """
    score = np.asarray(linear_predictor, dtype=np.float64)
    high = np.asarray(high_risk, dtype=np.bool_)
    names = np.asarray(centers)
    concordance = harrell_c(survival, score, confidence, names)
    ratio = hazard_ratio(survival, high, confidence, names)
    test = log_rank(survival, high, names)
    slope = calibration_slope(survival, score, confidence, names)
    horizons, left_out = [], []
    for days in sorted(predicted_survival):
        alive = np.asarray(predicted_survival[days], dtype=np.float64)
        found, absent = over_centers(survival, alive, names, days, confidence)
        horizons.append((days, found))
        if absent:
            left_out.append((days, absent))
    apart = score - _means(score, names)
    return WithinCenters(
        center=label,
        n_centers=int(np.unique(names).size),
        n=survival.n,
        n_events=survival.n_events,
        concordance=_called(concordance),
        risk_groups=RiskGroups(_called(ratio), _called(test), ()),
        calibration=Calibration(
            _called(slope),
            tuple(horizons),
            hazard_scale_ratio(survival, score, baseline, confidence),
            float(np.sqrt((apart**2).mean())),
        ),
        left_out=tuple(left_out),
    )


def over_centers(
    survival: Survival,
    predicted_survival: Array,
    centers: NDArray[np.str_],
    days: int,
    confidence: float = 0.95,
) -> tuple[HorizonCalibration | NotEstimable, tuple[str, ...]]:
    """Compare predicted and observed risk by one horizon, the deaths of each centre estimated from
    its own follow-up.

    The observed risk is the mean of the centres' Kaplan-Meier estimates, weighted by their
    patients; its variance is the sum of w^2 Greenwood [3]_. Where nobody of a centre died or
    everybody, and Greenwood's variance is 0, that of its exact interval is taken.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    predicted_survival : ndarray, shape (n,)
        Predicted probability of being alive at `days`.
    centers : ndarray of str, shape (n,)
        Each patient's centre.
    days : int
        The horizon.
    confidence : float
        Of all intervals.

    Returns
    -------
    HorizonCalibration or NotEstimable
        Without groups and curve.
    tuple of str
        Centres at which nobody was followed until the horizon, and which are left out.
    """
    z = normal_quantile(confidence)
    known: list[tuple[NDArray[np.bool_], SurvivalAt]] = []
    absent = []
    for name in np.unique(centers):
        rows = centers == name
        found = survival_at(kaplan_meier(survival.subset(rows), confidence), days)
        if isinstance(found, NotEstimable):
            absent.append(str(name))
        else:
            known.append((rows, found))
    what = f"The ratio of observed to expected deaths by {days} days, over the centres,"
    used = np.logical_or.reduce([rows for rows, _ in known]) if known else np.zeros(0, dtype=bool)
    deaths = int(survival.event[used & (survival.days <= days)].sum()) if known else 0
    if refusal := too_few_events(what, deaths, int(used.sum())):
        return refusal, tuple(absent)
    weight = np.array([rows.sum() for rows, _ in known]) / used.sum()
    risk = float(1 - (weight * [found.survival for _, found in known]).sum())
    error = float(np.sqrt((weight**2 * [_variance(found, z) for _, found in known]).sum()))
    predicted = float(1.0 - predicted_survival[used].mean())
    lower, upper = _log_log_limits(1 - risk, error, z)
    return HorizonCalibration(
        days=days,
        at_risk=sum(found.at_risk for _, found in known),
        predicted=predicted,
        observed=RiskEstimate(risk, error, 1 - upper, 1 - lower),
        ratio=NotEstimable(f"{what} is not estimated: no death was predicted.")
        if predicted <= 0
        else ObservedExpected(
            risk / predicted,
            float(risk / predicted * np.exp(-z * error / risk)),
            float(risk / predicted * np.exp(z * error / risk)),
            error / risk,
            RATIO_METHOD,
        ),
        groups=(),
        smooth=_NO_CURVE,
        n=int(used.sum()),
        n_events=deaths,
    ), tuple(absent)


def _variance(found: SurvivalAt, z: float) -> float:
    if found.standard_error > 0:
        return found.standard_error**2
    return float(((found.upper - found.lower) / z) ** 2)


def _log_log_limits(alive: float, error: float, z: float) -> tuple[float, float]:
    if not 1e-9 < alive < 1 - 1e-9:
        return max(0.0, alive - z * error), min(1.0, alive + z * error)
    reach = z * error / (alive * -np.log(alive))
    return float(alive ** np.exp(reach)), float(alive ** np.exp(-reach))


def _means(score: Array, centers: NDArray[np.str_]) -> Array:
    _, place, size = np.unique(centers, return_inverse=True, return_counts=True)
    means: Array = (np.bincount(place, weights=score) / size)[place]
    return means


def _called(found: _Found) -> _Found:
    """Return a figure whose method says that it is stratified."""
    if isinstance(found, NotEstimable):
        return found
    return replace(found, method=f"{found.method}, {BY_CENTER}")
