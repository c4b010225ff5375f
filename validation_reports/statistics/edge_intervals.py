"""Intervals that keep width and level where the normal ones lose both: near 0 and 1, and from few
patients.

The normal interval of a concordance or an AUC has width zero in patients who are in perfect order,
and holds the truth too seldom long before. There the score test is inverted instead, as Newcombe
does for an AUC [1]_: the interval holds every value whose distance from the estimate is no more
than its *own* standard error allows, and that never is 0 except at 0 and 1 themselves. The variance
as a function of the value has the form of Hanley and McNeil [2]_, which comes from exponential
scores, and is scaled so that it agrees with the estimated one at the estimate, but to no less than
half of what the counts alone let expect, because influence functions find too little variance in
few patients. Simulated coverage: ``make coverage-validation``.

References
----------
.. [1] Newcombe RG. Stat Med 2006;25:559-573 (method 5).
.. [2] Hanley JA, McNeil BJ. Radiology 1982;143:29-36.
.. [3] Kendall MG. Biometrika 1938;30:81-93 (variance of the number of concordant pairs by chance).
.. [4] Fay MP, Brittain EH, Proschan MA. Biostatistics 2013;14:723-736 (beta product).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import betaincinv, stdtrit

from models.survival.survival_data import Survival

Array = NDArray[np.float64]
ENOUGH_FOR_NORMAL = 40.0
"""What the normal interval needs: so many comparisons of the rarer kind, rightly or wrongly
ordered, out of as many independent ones as would give the standard error that was found.
"""
_LEAST_SCALE = 0.5
_NEARLY = 1e-9


def normal_holds(estimate: float, standard_error: float) -> bool:
    """Whether a share with this standard error is far enough from 0 and 1 for a normal interval.

    Parameters
    ----------
    estimate, standard_error : float
        Of a concordance or an AUC.
    """
    if not (0 < estimate < 1 and standard_error > 0):
        return False
    comparisons = estimate * (1 - estimate) / standard_error**2
    return comparisons * min(estimate, 1 - estimate) >= ENOUGH_FOR_NORMAL


def score_limits(
    estimate: float,
    standard_error: float,
    variance: Callable[[float], float],
    degrees_of_freedom: float,
    confidence: float,
) -> tuple[float, float]:
    """Return the limits of the inverted score test [1]_, between 0 and 1.

    Parameters
    ----------
    estimate, standard_error : float
        The share; 0 where it has no variance in these patients.
    variance : callable
        Variance of the estimate expected from the counts, were the given value (0 to 1) the truth.
    degrees_of_freedom : float
        Of Student's t, at least 1.
    confidence : float
        Of the interval.
    """
    expected = variance(estimate)
    scale = max(_LEAST_SCALE, standard_error**2 / expected) if expected > 0 else 1.0
    reach = float(stdtrit(degrees_of_freedom, 0.5 + confidence / 2)) ** 2 * scale

    def excess(value: float) -> float:
        return (estimate - value) ** 2 - reach * variance(value)

    inside = min(max(estimate, _NEARLY), 1 - _NEARLY)
    lower = scipy.optimize.brentq(excess, 0.0, inside, xtol=1e-12) if estimate > 0 else 0.0
    upper = scipy.optimize.brentq(excess, inside, 1.0, xtol=1e-12) if estimate < 1 else 1.0
    return float(lower), float(upper)


def auc_variance(cases: int, controls: int) -> Callable[[float], float]:
    """Return the variance of an AUC as a function of its value, as Newcombe symmetrises it [1]_
    [2]_.

    Parameters
    ----------
    cases, controls : int
        Above 0.
    """
    others = (cases + controls) / 2 - 1

    def variance(value: float) -> float:
        return value * (1 - value) * (1 + others * _form(value)) / (cases * controls)

    return variance


def concordance_variance(pairs: float, by_chance: float) -> Callable[[float], float]:
    """Return the variance of a concordance as a function of its value: that by chance at 0.5, and
    of Hanley's and McNeil's form elsewhere.

    Parameters
    ----------
    pairs : float
        Comparable pairs, weighted.
    by_chance : float
        Variance of the weight of those that a score of no meaning orders rightly; strata add theirs
        (`pairs_by_chance`).
    """
    at_half = by_chance / pairs**2

    def variance(value: float) -> float:
        return at_half * 6 * value * (1 - value) * _form(value)

    return variance


def pairs_by_chance(survival: Survival, weight: Array | None = None) -> tuple[float, float]:
    """Return the weight of all comparable pairs, and the variance of the weight that a score of no
    meaning orders rightly.

    Two pairs that share a patient are ordered alike by chance: their covariance is 1 / 12, with a
    minus sign where he is the earlier of one and the later of the other. So the variance is
    (sum of w^2 over the pairs + sum over the patients of s^2) / 12, where s is the weight of the
    pairs in which he died first less that of those in which he outlived; without censoring and ties
    this is Kendall's [3]_.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    weight : ndarray, shape (n,), optional
        Weight of each death; all weigh 1 by default.
    """
    days, event = survival.days, survival.event
    own = event.astype(np.float64) if weight is None else np.where(event, weight, 0.0)
    all_days, censored = np.sort(days), np.sort(days[~event])
    outlive = survival.n - np.searchsorted(all_days, days, side="right")
    outlive = outlive + (
        np.searchsorted(censored, days, side="right") - np.searchsorted(censored, days, side="left")
    )
    order = np.argsort(days[event], kind="stable")
    died = days[event][order]
    reached = np.concatenate([[0.0], np.cumsum(own[event][order])])
    before = np.where(
        event,
        reached[np.searchsorted(died, days, side="left")],
        reached[np.searchsorted(died, days, side="right")],
    )
    signed = own * outlive - before
    return float((own * outlive).sum()), float(((own**2 * outlive).sum() + (signed**2).sum()) / 12)


def survival_of_all(at_risk: int, confidence: float) -> float:
    """Return the lower limit of survival where nobody of `at_risk` patients died: the beta product
    [4]_, here that of Clopper and Pearson.
    """
    return float(((1 - confidence) / 2) ** (1 / at_risk)) if at_risk else 0.0


def survival_of_none(
    at_risk: NDArray[np.integer], deaths: NDArray[np.integer], confidence: float
) -> float:
    """Return the upper limit of survival where everybody died.

    The product of Beta(n_i - d_i + 1, d_i) over the days with deaths is matched to one beta
    distribution by its mean and variance [4]_, which is exact without censoring.

    Parameters
    ----------
    at_risk, deaths : ndarray of int, shape (k,)
        Patients at risk just before each day, and deaths on it; days without are left out.
    confidence : float
        Of the interval.
    """
    n, d = at_risk[deaths > 0].astype(np.float64), deaths[deaths > 0].astype(np.float64)
    left = n - d + 1
    mean = float(np.prod(left / (n + 1)))
    square = float(np.prod(left * (left + 1) / ((n + 1) * (n + 2))))
    size = (mean - square) / (square - mean**2)
    return float(betaincinv(mean * size, (1 - mean) * size, 0.5 + confidence / 2))


def _form(value: float) -> float:
    return (1 - value) / (2 - value) + value / (1 + value)
