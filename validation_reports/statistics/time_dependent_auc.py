"""Does the score tell who is dead and who is alive at a horizon: the cumulative/dynamic AUC under
censoring.

References
----------
.. [1] Uno H, Cai T, Tian L, Wei LJ. JASA 2007;102:527-537 (weights).
.. [2] Blanche P, Dartigues JF, Jacqmin-Gadda H. Stat Med 2013;32:5381-5397 (influence function;
    R package timeROC).
.. [3] DeLong ER, DeLong DM, Clarke-Pearson DL. Biometrics 1988;44:837-845.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.survival.survival_data import Survival
from validation_reports.not_estimable import (
    MINIMUM_EVENTS,
    NotEstimable,
    normal_quantile,
    too_few_events,
)
from validation_reports.statistics.censoring import through_censoring, uncensored_before
from validation_reports.statistics.discrimination import (
    EDGE_METHOD,
    Difference,
    paired_difference,
)
from validation_reports.statistics.edge_intervals import auc_variance, normal_holds, score_limits

Array = NDArray[np.float64]
AUC_METHOD = (
    "cumulative/dynamic AUC, inverse probability of censoring weights; influence-function standard "
    "error, normal interval"
)
COMPARISON_METHOD = (
    "difference of two time-dependent AUCs in the same patients; influence-function standard error"
)
DELONG_METHOD = "DeLong's test; patients censored before the horizon are left out"


@dataclass(frozen=True)
class TimeDependentAuc:
    """Probability that a patient who died by the horizon had a higher score than one who was alive
    after it.

    Parameters
    ----------
    days : int
        The horizon.
    estimate, standard_error, lower, upper : float
        0.5 is chance; the interval is normal where `normal_holds`, else that of `auc_limits`.
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


@dataclass(frozen=True, eq=False)
class _Influence:
    """An AUC with each patient's influence on it, and how many were compared."""

    estimate: float
    influence: Array
    cases: int
    controls: int

    @property
    def standard_error(self) -> float:
        return _error(self.influence)


def time_dependent_auc(
    survival: Survival, risk_score: ArrayLike, days: int, confidence: float = 0.95
) -> TimeDependentAuc | NotEstimable:
    """Estimate the AUC at a horizon.

    Patient i who died by the horizon has the weight 1 / G(T_i-), where G is the Kaplan-Meier
    estimate of remaining uncensored [1]_; the weight of those alive is common and cancels. The
    standard error takes the estimation of G into account [2]_.

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
    if refusal := _refusal(f"The AUC at {days} days", survival, days):
        return refusal
    found = _auc(survival, np.asarray(risk_score, dtype=np.float64), days)
    estimate, error = found.estimate, found.standard_error
    lower, upper = auc_limits(estimate, error, found.cases, found.controls, confidence)
    return TimeDependentAuc(
        days=days,
        estimate=estimate,
        standard_error=error,
        lower=lower,
        upper=upper,
        confidence=confidence,
        cases=found.cases,
        controls=found.controls,
        method=AUC_METHOD
        if normal_holds(estimate, error)
        else f"{AUC_METHOD.removesuffix(', normal interval')}; {EDGE_METHOD}",
    )


def auc_limits(
    estimate: float, standard_error: float, cases: int, controls: int, confidence: float
) -> tuple[float, float]:
    """Return the interval of an AUC: the normal one where it holds its level, else that of
    `edge_intervals`.

    Parameters
    ----------
    estimate, standard_error : float
        The AUC.
    cases, controls : int
        That were compared, together more than 2.
    confidence : float
        Of the interval.
    """
    if normal_holds(estimate, standard_error):
        reach = normal_quantile(confidence) * standard_error
        return max(0.0, estimate - reach), min(1.0, estimate + reach)
    variance = auc_variance(cases, controls)
    return score_limits(estimate, standard_error, variance, cases + controls - 2, confidence)


def compare_auc(
    survival: Survival, first: ArrayLike, second: ArrayLike, days: int, confidence: float = 0.95
) -> Difference | NotEstimable:
    """Compare the AUC of two scores in the same patients [2]_; R: ``timeROC::compare``.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    first, second : array_like, shape (n,)
        The scores, finite.
    days : int
        The horizon.
    confidence : float
        Of the interval.
    """
    if refusal := _refusal(f"The difference in AUC at {days} days", survival, days):
        return refusal
    one, two = (
        _auc(survival, np.asarray(score, dtype=np.float64), days) for score in (first, second)
    )
    error = _error(one.influence - two.influence)
    return paired_difference(
        one.estimate, two.estimate, error, confidence, COMPARISON_METHOD, f"AUC at {days} days"
    )


def delong(
    survival: Survival, first: ArrayLike, second: ArrayLike, days: int, confidence: float = 0.95
) -> Difference | NotEstimable:
    """Compare two AUCs by DeLong's test [3]_, as the paper does; who was censored before the
    horizon is left out.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    first, second : array_like, shape (n,)
        The scores, finite.
    days : int
        The horizon.
    confidence : float
        Of the interval.

    Returns
    -------
    Difference or NotEstimable
        R: ``pROC::roc.test(..., method = "delong")``.
    """
    if refusal := _refusal(f"DeLong's test at {days} days", survival, days):
        return refusal
    case, control = survival.event & (survival.days <= days), survival.days > days
    scores = [np.asarray(values, dtype=np.float64) for values in (first, second)]
    one, two = (placements(score[case], score[control]) for score in scores)
    variance = delong_variance(one.of_cases - two.of_cases, one.of_controls - two.of_controls)
    return paired_difference(
        one.estimate,
        two.estimate,
        float(np.sqrt(variance)),
        confidence,
        DELONG_METHOD,
        f"AUC at {days} days",
    )


@dataclass(frozen=True, eq=False)
class Placements:
    """Where each case stands among the controls, and each control among the cases [3]_.

    Parameters
    ----------
    of_cases : ndarray, shape (m,)
        Share of the controls below each case, ties counting one half; their mean is the AUC.
    of_controls : ndarray, shape (n,)
        Share of the cases above each control.
    """

    of_cases: Array
    of_controls: Array

    @property
    def estimate(self) -> float:
        """The AUC."""
        return float(self.of_cases.mean())


def placements(cases: Array, controls: Array) -> Placements:
    """Place the scores of cases, shape (m,), and of controls, shape (n,), among each other."""
    return Placements(
        _share_below(cases, controls, np.ones(controls.size)),
        1.0 - _share_below(controls, cases, np.ones(cases.size)),
    )


def delong_variance(of_cases: Array, of_controls: Array) -> float:
    """Return DeLong's variance [3]_ of an AUC from its placements, or of a difference of two AUCs
    from the differences of theirs.
    """
    return float(
        np.var(of_cases, ddof=1) / of_cases.size + np.var(of_controls, ddof=1) / of_controls.size
    )


def _refusal(what: str, survival: Survival, days: int) -> NotEstimable | None:
    cases, controls = (
        int((survival.event & (survival.days <= days)).sum()),
        int((survival.days > days).sum()),
    )
    if refusal := too_few_events(what, cases, survival.n):
        return refusal
    if controls < MINIMUM_EVENTS:
        return NotEstimable(
            f"{what} is not estimated: {controls} "
            f"{'patient was' if controls == 1 else 'patients were'} followed beyond it, at least "
            f"{MINIMUM_EVENTS} are needed."
        )
    return None


def _auc(survival: Survival, score: Array, days: int) -> _Influence:
    case, control = survival.event & (survival.days <= days), survival.days > days
    weight = np.where(case, 1.0 / np.where(case, uncensored_before(survival), 1.0), 0.0)
    share_below = _share_below(score, score[control], np.ones(int(control.sum())))
    estimate = float((weight * share_below).sum() / weight.sum())
    share_above = 1.0 - _share_below(score, score[case], weight[case])
    influence = weight * (share_below - estimate) / weight.sum()
    through_weights = through_censoring(survival, influence, survival.days)
    influence = influence + control * (share_above - estimate) / control.sum() + through_weights
    return _Influence(estimate, influence, int(case.sum()), int(control.sum()))


def _error(influence: Array) -> float:
    n = influence.size
    return float(np.sqrt(((influence - influence.mean()) ** 2).sum() * n / (n - 1)))


def _share_below(score: Array, reference: Array, weight: Array) -> Array:
    """Return, for each score, the weighted share of `reference` below it, ties counting one
    half.
    """
    order = np.argsort(reference, kind="stable")
    cumulative = np.concatenate([[0.0], np.cumsum(weight[order])])
    below = cumulative[np.searchsorted(reference[order], score, side="left")]
    up_to = cumulative[np.searchsorted(reference[order], score, side="right")]
    share: Array = (below + up_to) / (2 * cumulative[-1])
    return share
