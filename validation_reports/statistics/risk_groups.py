"""Do the two risk groups differ in survival: hazard ratio, log-rank test, Kaplan-Meier curves and
medians.

References
----------
.. [1] Mantel N. Cancer Chemother Rep 1966;50:163-170 (log-rank test).
.. [2] Efron B. JASA 1977;72:557-565 (ties).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from feature_store.wording import counted
from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable, normal_quantile, too_few_events
from validation_reports.statistics.kaplan_meier import (
    MedianTime,
    SurvivalCurve,
    median_time,
    shown_curve,
    thinned,
)
from validation_reports.statistics.one_covariate_cox import single_cox

_LARGEST_LOG_RATIO = float(np.log(1e6))
DEATHS_IN_GROUP = 5
"""Deaths that each group needs, were they spread evenly over the patients, for an interval or a
test. In 600 cohorts without a difference each, a group of one to four patients was called worse in
6 to 13%; in 4000 each, groups with 6 to 12 such deaths in 3 to 4.5%, where 2.5% are allowed.
"""
HAZARD_RATIO_METHOD = "Cox regression, Efron ties, Wald interval"
LOG_RANK_METHOD = "log-rank test, two-sided, 1 degree of freedom"


@dataclass(frozen=True)
class HazardRatio:
    """Hazard of the high-risk group over that of the low-risk group.

    Parameters
    ----------
    estimate, lower, upper : float
        Ratio and its interval.
    log_estimate, standard_error : float
        Natural logarithm of the ratio, and its standard error.
    confidence : float
        Of the interval.
    method : str
        How it was computed.
    """

    estimate: float
    lower: float
    upper: float
    log_estimate: float
    standard_error: float
    confidence: float
    method: str = HAZARD_RATIO_METHOD


@dataclass(frozen=True)
class LogRank:
    """Log-rank test: chi-square, p value, and observed and expected deaths of the high-risk
    group.
    """

    chi_square: float
    p_value: float
    observed_high: int
    expected_high: float
    method: str = LOG_RANK_METHOD


@dataclass(frozen=True)
class RiskGroup:
    """One risk group: its size, deaths, curve (thinned for the eye) and median survival."""

    label: str
    n: int
    n_events: int
    curve: SurvivalCurve
    median: MedianTime | NotEstimable


@dataclass(frozen=True)
class RiskGroups:
    """The two groups beside each other; a group without patients is absent from `groups`."""

    hazard_ratio: HazardRatio | NotEstimable
    log_rank: LogRank | NotEstimable
    groups: tuple[RiskGroup, ...]


def compare_risk_groups(
    survival: Survival, high_risk: ArrayLike, confidence: float = 0.95
) -> RiskGroups:
    """Compare the groups that the frozen cut-off makes.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    high_risk : array_like of bool, shape (n,)
        Whether the patient's score lies above the cut-off.
    confidence : float
        Of all intervals.

    Returns
    -------
    RiskGroups
        R: ``coxph(Surv(days, event) ~ high)``, ``survdiff``, ``survfit(conf.type = "log-log")``.

    Raises
    ------
    ValueError
        If there is not one group per patient.
    """
    high = np.asarray(high_risk, dtype=np.bool_)
    if high.shape != (survival.n,):
        raise ValueError(
            f"Expected {counted(survival.n, 'risk group')}, one per patient, found shape "
            f"{high.shape}."
        )
    groups = tuple(
        _group(label, survival.subset(rows), confidence)
        for label, rows in (("low risk", ~high), ("high risk", high))
        if rows.any()
    )
    return RiskGroups(hazard_ratio(survival, high, confidence), log_rank(survival, high), groups)


def hazard_ratio(
    survival: Survival,
    high: NDArray[np.bool_],
    confidence: float = 0.95,
    strata: ArrayLike | None = None,
) -> HazardRatio | NotEstimable:
    """Estimate the hazard ratio of high over low risk; there is none while a group is empty,
    without deaths, or without `DEATHS_IN_GROUP` to expect.

    With strata each has a baseline hazard of its own; R: ``coxph(Surv(days, event) ~ high +
    strata(s))``.
    """
    z = normal_quantile(confidence)
    what = "The hazard ratio"
    refusal = (
        _refusal(what, survival, high)
        or _few_expected(what, survival, high, strata)
        or _no_deaths(what, survival, high)
    )
    if refusal:
        return refusal
    fit = single_cox(high, survival, strata)
    reach = float("inf") if fit is None else abs(fit.estimate) + z * fit.standard_error
    if fit is None or reach > _LARGEST_LOG_RATIO:
        return NotEstimable("The hazard ratio is not estimated: these deaths do not determine it.")
    log_ratio, error = fit.estimate, fit.standard_error
    return HazardRatio(
        estimate=float(np.exp(log_ratio)),
        lower=float(np.exp(log_ratio - z * error)),
        upper=float(np.exp(log_ratio + z * error)),
        log_estimate=log_ratio,
        standard_error=error,
        confidence=confidence,
    )


def log_rank(
    survival: Survival, high: NDArray[np.bool_], strata: ArrayLike | None = None
) -> LogRank | NotEstimable:
    """Test whether the two groups have the same survival [1]_; the variance at tied deaths is
    hypergeometric.

    With strata, observed less expected deaths and their variances are added up over them.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    high : ndarray of bool, shape (n,)
        Whether the patient is at high risk.
    strata : array_like, shape (n,), optional
        Only patients of one stratum are compared.

    Returns
    -------
    LogRank or NotEstimable
        R: ``survdiff(Surv(days, event) ~ high + strata(s))``.
    """
    if refusal := _refusal("The log-rank test", survival, high):
        return refusal
    expected, variance = _expected_in_strata(survival, high, strata)
    if not variance > 0:
        return NotEstimable(
            "The log-rank test has no variance: the groups were never at risk together at a death."
        )
    if refusal := _few_expected("The log-rank test", survival, high, strata):
        return refusal
    observed = int(survival.event[high].sum())
    chi_square = float((observed - expected) ** 2 / variance)
    return LogRank(chi_square, float(chdtrc(1, chi_square)), observed, expected)


def _expected_in_strata(
    survival: Survival, high: NDArray[np.bool_], strata: ArrayLike | None
) -> tuple[float, float]:
    """Return the deaths expected at high risk and their variance, added up over the strata."""
    labels = np.zeros(survival.n) if strata is None else np.asarray(strata)
    parts = [
        _expected_deaths(survival.subset(labels == label), high[labels == label])
        for label in np.unique(labels)
    ]
    return sum(part[0] for part in parts), sum(part[1] for part in parts)


def _few_expected(
    what: str, survival: Survival, high: NDArray[np.bool_], strata: ArrayLike | None
) -> NotEstimable | None:
    """Return the refusal where one group would have so few deaths, were they spread evenly over the
    patients of a stratum, that neither interval nor test keeps its level.

    Who died in which group does not count: deaths that the log-rank test expects are few as well
    where a large group dies early.
    """
    labels = np.zeros(survival.n) if strata is None else np.asarray(strata)
    for label, rows in (("low", ~high), ("high", high)):
        evenly = sum(
            survival.event[labels == one].sum() * rows[labels == one].mean()
            for one in np.unique(labels)
        )
        if evenly < DEATHS_IN_GROUP:
            group = survival.subset(rows)
            found = f"{counted(group.n, 'patient')}, {counted(group.n_events, 'death')}"
            return NotEstimable(
                f"{what} is not estimated: at {label} risk ({found}) fewer than {DEATHS_IN_GROUP} "
                "deaths would be expected if the groups did not differ."
            )
    return None


def _expected_deaths(survival: Survival, high: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the deaths expected at high risk if both groups died alike, and their variance."""
    times = np.unique(survival.days[survival.event])
    at_risk, at_risk_high = _at_risk(survival.days, times), _at_risk(survival.days[high], times)
    deaths = _deaths(survival.days[survival.event], times)
    share = at_risk_high / at_risk
    left = (at_risk - deaths) / np.maximum(at_risk - 1, 1)
    return float((deaths * share).sum()), float((deaths * share * (1 - share) * left).sum())


def _group(label: str, survival: Survival, confidence: float) -> RiskGroup:
    curve = shown_curve(survival, confidence)
    return RiskGroup(label, survival.n, survival.n_events, thinned(curve), median_time(curve))


def _refusal(what: str, survival: Survival, high: NDArray[np.bool_]) -> NotEstimable | None:
    if refusal := too_few_events(what, survival.n_events, survival.n):
        return refusal
    for label, rows in (("low", ~high), ("high", high)):
        if not rows.any():
            return NotEstimable(
                f"{what} is not estimated: no patient is in the {label}-risk group."
            )
    return None


def _no_deaths(what: str, survival: Survival, high: NDArray[np.bool_]) -> NotEstimable | None:
    for label, rows in (("low", ~high), ("high", high)):
        if not survival.event[rows].any():
            found = counted(int(rows.sum()), "patient")
            return NotEstimable(
                f"{what} is not estimated: none of the {found} at {label} risk died."
            )
    return None


def _at_risk(days: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    return (days.size - np.searchsorted(np.sort(days), times, side="left")).astype(np.float64)


def _deaths(days: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.bincount(np.searchsorted(times, days), minlength=times.size).astype(np.float64)
