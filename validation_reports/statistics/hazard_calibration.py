"""Did as many patients die as the predicted hazards say: observed over expected deaths on the
hazard scale.

Each patient is expected to have Lambda_0(t) exp(lp) deaths until the end of his own follow-up; the
sum over the patients is what the frozen model expects of this cohort, however it was censored [1]_.

References
----------
.. [1] Crowson CS, Atkinson EJ, Therneau TM. Stat Methods Med Res 2016;25:1692-1706.
.. [2] Garwood F. Biometrika 1936;28:437-442 (exact limits of a Poisson mean).
.. [3] Cox DR. Biometrika 1953;40:354-360 (rates observed until a fixed time or number of events).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtri, gammainc, gammaincc

from feature_store.wording import counted
from models.survival.baseline_hazard import BaselineHazard
from models.survival.survival_data import Survival
from validation_reports.not_estimable import MINIMUM_EVENTS, NotEstimable, too_few_events

HAZARD_SCALE_METHOD = (
    "deaths over the sum of the predicted cumulative hazards until the end of each patient's "
    "follow-up; exact Poisson interval"
)
LARGEST_RATIO = 1000.0
"""Observed over expected deaths beyond this are told of no cohort."""
_MOST_EACH = 100.0
"""Deaths expected of each patient, who can die once."""
NOT_YET = NotEstimable(
    "Observed over expected deaths on the hazard scale were not computed by the version that made "
    "this report: validate again."
)


@dataclass(frozen=True)
class HazardScaleRatio:
    """Observed over expected deaths on the hazard scale (1 is right, above 1 the model is too
    optimistic).

    Parameters
    ----------
    observed : int
        Deaths.
    expected : float
        Sum of the predicted cumulative hazards.
    estimate, lower, upper : float
        Their ratio and its interval.
    confidence : float
        Of the interval.
    until : float
        Last day that counts: the longest follow-up, or the last that the model knows a hazard of.
    method : str
        How it was computed.
    """

    observed: int
    expected: float
    estimate: float
    lower: float
    upper: float
    confidence: float
    until: float
    method: str = HAZARD_SCALE_METHOD

    @property
    def p_value(self) -> float:
        """Two-sided, of as many deaths as expected: twice the smaller tail, which is when the exact
        interval excludes 1.
        """
        at_most = float(gammaincc(self.observed + 1, self.expected))
        at_least = float(gammainc(self.observed, self.expected)) if self.observed else 1.0
        return min(1.0, 2 * min(at_most, at_least))


def hazard_scale_ratio(
    survival: Survival,
    linear_predictor: ArrayLike,
    baseline: BaselineHazard | None,
    confidence: float = 0.95,
) -> HazardScaleRatio | NotEstimable:
    """Compare deaths with predicted cumulative hazards [1]_; R: ``glm(event ~
    offset(log(expected)), family = poisson)``.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    linear_predictor : array_like, shape (n,)
        The frozen model's linear predictor.
    baseline : BaselineHazard or None
        The frozen model's baseline hazard.
    confidence : float
        Of the interval.
    """
    what = "The ratio of observed to expected deaths on the hazard scale"
    if baseline is None:
        return NotEstimable(f"{what} is not estimated: the frozen baseline hazard was not given.")
    until = min(float(survival.days.max()), baseline.last_day)
    observed = int((survival.event & (survival.days <= until)).sum())
    expected = float(baseline.hazard_until(survival.days, linear_predictor).sum())
    # Few deaths where many were expected are no lack of data: the interval is exact.
    if not expected >= MINIMUM_EVENTS and (refusal := too_few_events(what, observed, survival.n)):
        return refusal
    if not 0 < expected < np.inf:
        deaths = "0 deaths" if expected == 0 else "infinitely many deaths"
        return NotEstimable(
            f"{what} is not estimated: the model expects {deaths} during this follow-up."
        )
    if expected > _MOST_EACH * survival.n:
        return NotEstimable(
            f"{what} is not estimated: the model expects more than {_MOST_EACH:g} deaths of each "
            f"of {counted(survival.n, 'patient')}, so at least some scores are not on its scale."
        )
    if observed / expected > LARGEST_RATIO:
        return NotEstimable(
            f"{what} is not estimated: more than {LARGEST_RATIO:g} times as many died as the model "
            "expects, so the scores are not on its scale."
        )
    return ratio_of_counts(observed, expected, until, confidence)


def ratio_of_counts(
    observed: int, expected: float, until: float, confidence: float = 0.95
) -> HazardScaleRatio:
    """Return observed over expected with Garwood's exact interval [2]_.

    It is exact where exposure is fixed and deaths vary. Where nearly all die it is the exposure
    that varies: its lower limit is then exact too, and its upper one too wide [3]_, so that the
    level holds under any censoring. Counts of several centres may be added before.

    Parameters
    ----------
    observed : int
        Deaths.
    expected : float
        Above 0.
    until : float
        Last day that counts.
    confidence : float
        Of the interval.
    """
    tail = (1 - confidence) / 2
    lower = float(chdtri(2 * observed, 1 - tail)) / 2 if observed else 0.0
    upper = float(chdtri(2 * observed + 2, tail)) / 2
    return HazardScaleRatio(
        observed,
        expected,
        observed / expected,
        lower / expected,
        upper / expected,
        confidence,
        until,
    )
