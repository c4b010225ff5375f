"""Does the score tell who is dead and who is alive at a horizon: the cumulative/dynamic AUC under censoring.

References
----------
.. [1] Uno H, Cai T, Tian L, Wei LJ. JASA 2007;102:527-537 (weights).
.. [2] Blanche P, Dartigues JF, Jacqmin-Gadda H. Stat Med 2013;32:5381-5397 (influence function; R package timeROC).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.survival_data import Survival
from validation_reports.not_estimable import MINIMUM_EVENTS, NotEstimable, normal_quantile, too_few_events

Array = NDArray[np.float64]
AUC_METHOD = (
    "cumulative/dynamic AUC, inverse probability of censoring weights; influence-function standard error, "
    "normal interval"
)


@dataclass(frozen=True)
class TimeDependentAuc:
    """Probability that a patient who died by the horizon had a higher score than one who was alive after it.

    Parameters
    ----------
    days : int
        The horizon.
    estimate, standard_error, lower, upper : float
        0.5 is chance; the interval is cut to 0-1.
    confidence : float
        Of the interval.
    cases, controls : int
        Patients who died by the horizon, and who were followed beyond it.
    method : str
        How it was computed.
    """

    days: int
    estimate: float
    standard_error: float
    lower: float
    upper: float
    confidence: float
    cases: int
    controls: int
    method: str = AUC_METHOD


def time_dependent_auc(
    survival: Survival, risk_score: ArrayLike, days: int, confidence: float = 0.95
) -> TimeDependentAuc | NotEstimable:
    """Estimate the AUC at a horizon.

    Patient i who died by the horizon has the weight 1 / G(T_i-), where G is the Kaplan-Meier estimate of remaining
    uncensored [1]_; the weight of those alive is common and cancels. The standard error takes the estimation of G into
    account [2]_.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    risk_score : array_like, shape (n,)
        The linear predictor, finite.
    days : int
        The horizon.
    confidence : float
        Of the interval.

    Returns
    -------
    TimeDependentAuc or NotEstimable
        R: ``timeROC(T, delta, marker, cause = 1, times = days, iid = TRUE)``.
    """
    score = np.asarray(risk_score, dtype=np.float64)
    z = normal_quantile(confidence)
    case, control = survival.event & (survival.days <= days), survival.days > days
    if refusal := too_few_events(f"The AUC at {days} days", int(case.sum()), survival.n):
        return refusal
    if control.sum() < MINIMUM_EVENTS:
        return NotEstimable(
            f"The AUC at {days} days is not estimated: {int(control.sum())} patients were followed beyond it, at least "
            f"{MINIMUM_EVENTS} are needed."
        )
    weight = np.where(case, 1.0 / _uncensored_before(survival), 0.0)
    share_below = _share_below(score, score[control], np.ones(int(control.sum())))
    estimate = float((weight * share_below).sum() / weight.sum())
    share_above = 1.0 - _share_below(score, score[case], weight[case])
    influence = weight * (share_below - estimate) / weight.sum()
    influence_of_weights = _through_censoring(survival, influence)
    influence = influence + control * (share_above - estimate) / control.sum() + influence_of_weights
    error = float(np.sqrt(((influence - influence.mean()) ** 2).sum() * survival.n / (survival.n - 1)))
    return TimeDependentAuc(
        days=days,
        estimate=estimate,
        standard_error=error,
        lower=max(0.0, estimate - z * error),
        upper=min(1.0, estimate + z * error),
        confidence=confidence,
        cases=int(case.sum()),
        controls=int(control.sum()),
    )


def _share_below(score: Array, reference: Array, weight: Array) -> Array:
    """Return, for each score, the weighted share of `reference` below it, ties counting one half."""
    order = np.argsort(reference, kind="stable")
    cumulative = np.concatenate([[0.0], np.cumsum(weight[order])])
    below = cumulative[np.searchsorted(reference[order], score, side="left")]
    up_to = cumulative[np.searchsorted(reference[order], score, side="right")]
    share: Array = (below + up_to) / (2 * cumulative[-1])
    return share


def _censoring_steps(survival: Survival) -> tuple[Array, Array, Array]:
    """Return the days with censoring, how many were censored and how many could have been (deaths go first)."""
    times, censored = np.unique(survival.days[~survival.event], return_counts=True)
    later = survival.n - np.searchsorted(np.sort(survival.days), times, side="right")
    return times, censored.astype(np.float64), (later + censored).astype(np.float64)


def _uncensored_before(survival: Survival) -> Array:
    """Return G(T_i-), the probability of not being censored before each patient's time."""
    times, censored, at_risk = _censoring_steps(survival)
    steps = np.concatenate([[1.0], np.cumprod(1.0 - censored / at_risk)])
    before: Array = steps[np.searchsorted(times, survival.days, side="left")]
    return before


def _through_censoring(survival: Survival, influence: Array) -> Array:
    """Return what each patient adds by having shaped G: the martingale integral of the censoring process."""
    times, censored, at_risk = _censoring_steps(survival)
    order = np.argsort(survival.days, kind="stable")
    from_rank = np.concatenate([np.cumsum(influence[order][::-1])[::-1], [0.0]])
    ahead = from_rank[np.searchsorted(survival.days[order], times, side="right")]  # cases after each censoring day
    compensator = np.concatenate([[0.0], np.cumsum(ahead * censored / at_risk**2)])
    # a patient who dies on a censoring day was no longer at risk of being censored then
    side_left = np.searchsorted(times, survival.days, side="left")
    side_right = np.searchsorted(times, survival.days, side="right")
    loss: Array = compensator[np.where(survival.event, side_left, side_right)]
    gain: Array = np.zeros(survival.n)
    if times.size:
        own = np.minimum(side_left, times.size - 1)
        gain = np.where(survival.event, 0.0, ahead[own] / at_risk[own])
    return gain - loss
