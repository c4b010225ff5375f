"""Does the score put patients in the right order: Harrell's and Uno's concordance, alone and
against another score.

References
----------
.. [1] Harrell FE, Lee KL, Mark DB. Stat Med 1996;15:361-387.
.. [2] Therneau T, Atkinson E. Concordance. Vignette of the R package survival (infinitesimal
    jackknife).
.. [3] Uno H, Cai T, Pencina MJ, D'Agostino RB, Wei LJ. Stat Med 2011;30:1105-1117.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfc

from feature_store.wording import counted
from models.survival.concordance import compare_pairs
from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable, normal_quantile, too_few_events
from validation_reports.statistics.censoring import uncensored_before
from validation_reports.statistics.edge_intervals import (
    concordance_variance,
    normal_holds,
    pairs_by_chance,
    score_limits,
)

Array = NDArray[np.float64]
CONCORDANCE_METHOD = "Harrell's C; infinitesimal-jackknife standard error, normal interval"
UNO_METHOD = (
    "Uno's C, deaths weighted by 1 / G(t-)²; infinitesimal-jackknife standard error, normal "
    "interval"
)
EDGE_METHOD = (
    "interval by inverting the score test (Newcombe), because the normal one is too short so near "
    "to 0 or 1 or from so few patients"
)
DIFFERENCE_METHOD = (
    "difference of two Harrell's C in the same patients; infinitesimal-jackknife standard error"
)


@dataclass(frozen=True)
class Concordance:
    """Harrell's C: the share of comparable pairs in which the patient with the higher score died
    first.

    Parameters
    ----------
    estimate, standard_error, lower, upper : float
        0.5 is chance, 1 is perfect order; the interval is normal where `normal_holds`, else that of
        `concordance_limits`.
    confidence : float
        Of the interval.
    concordant, discordant, tied_score : int
        Comparable pairs by outcome; a tie of the score counts one half.
    tied_time : int
        Pairs that died on the same day, which are not comparable.
    method : str
        How it was computed.
    """

    estimate: float
    standard_error: float
    lower: float
    upper: float
    confidence: float
    concordant: int
    discordant: int
    tied_score: int
    tied_time: int
    method: str = CONCORDANCE_METHOD


@dataclass(frozen=True)
class UnoConcordance:
    """Uno's C, which does not depend on how many patients were censored [3]_.

    Parameters
    ----------
    estimate, standard_error, lower, upper : float
        As of `Concordance`.
    confidence : float
        Of the interval.
    until : float or None
        Only deaths up to this day count; `None` for all.
    method : str
        How it was computed.
    """

    estimate: float
    standard_error: float
    lower: float
    upper: float
    confidence: float
    until: float | None
    method: str = UNO_METHOD


@dataclass(frozen=True)
class Difference:
    """A paired difference of two scores in the same patients: first minus second, its interval and
    p value.
    """

    first: float
    second: float
    estimate: float
    standard_error: float
    lower: float
    upper: float
    p_value: float
    confidence: float
    method: str


def harrell_c(
    survival: Survival,
    risk_score: ArrayLike,
    confidence: float = 0.95,
    strata: ArrayLike | None = None,
) -> Concordance | NotEstimable:
    """Estimate Harrell's C of a score that is higher for patients who die earlier.

    A pair is comparable when the earlier time is a death; a patient who is censored on the day of a
    death outlived it. With n_i comparable pairs of patient i, c_i of them concordant (ties one
    half) and N pairs in all, the influence of patient i is (c_i - C n_i) / N and the variance is
    the sum of squared influences [2]_.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    risk_score : array_like, shape (n,)
        The linear predictor, finite.
    confidence : float
        Of the interval.
    strata : array_like, shape (n,), optional
        Only patients of one stratum are compared with each other.

    Returns
    -------
    Concordance or NotEstimable
        R: ``concordance(Surv(days, event) ~ score, reverse = TRUE)``, with ``+ strata(s)``.

    Raises
    ------
    ValueError
        If there is not one finite score per patient.
    """
    score = _checked(survival, risk_score)
    if refusal := too_few_events("Harrell's C", survival.n_events, survival.n):
        return refusal
    pairs = compare_pairs(survival, score, strata=strata)
    if pairs.total == 0:
        return NotEstimable(
            "Harrell's C is not estimated: no two patients can be compared, as nobody outlived a "
            "death."
        )
    estimate, error = pairs.estimate, pairs.standard_error
    lower, upper = concordance_limits(
        estimate, error, *_by_chance(survival, strata), survival.n_events, confidence
    )
    return Concordance(
        estimate=estimate,
        standard_error=error,
        lower=lower,
        upper=upper,
        confidence=confidence,
        concordant=pairs.concordant,
        discordant=pairs.discordant,
        tied_score=pairs.tied_score,
        tied_time=pairs.tied_time,
        method=_method(CONCORDANCE_METHOD, estimate, error),
    )


def uno_c(
    survival: Survival, risk_score: ArrayLike, until: float | None = None, confidence: float = 0.95
) -> UnoConcordance | NotEstimable:
    """Estimate Uno's C [3]_; R: ``concordance(..., timewt = "n/G2", ymax = until, reverse =
    TRUE)``.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    risk_score : array_like, shape (n,)
        The linear predictor, finite.
    until : float, optional
        Only deaths up to this day count.
    confidence : float
        Of the interval.
    """
    score = _checked(survival, risk_score)
    counted = survival.event & (survival.days <= (np.inf if until is None else until))
    if refusal := too_few_events("Uno's C", int(counted.sum()), survival.n):
        return refusal
    weight = np.where(counted, 1.0 / np.where(counted, uncensored_before(survival), 1.0) ** 2, 0.0)
    pairs = compare_pairs(survival, score, weight)
    if pairs.total == 0:
        return NotEstimable(
            "Uno's C is not estimated: no two patients can be compared, as nobody outlived a death."
        )
    estimate, error = pairs.estimate, pairs.standard_error
    lower, upper = concordance_limits(
        estimate, error, *pairs_by_chance(survival, weight), int(counted.sum()), confidence
    )
    return UnoConcordance(
        estimate, error, lower, upper, confidence, until, _method(UNO_METHOD, estimate, error)
    )


def concordance_limits(
    estimate: float,
    standard_error: float,
    pairs: float,
    by_chance: float,
    deaths: int,
    confidence: float,
) -> tuple[float, float]:
    """Return the interval of a concordance: the normal one where it holds its level, else that of
    `edge_intervals`.

    Parameters
    ----------
    estimate, standard_error : float
        The concordance.
    pairs, by_chance : float
        Of `pairs_by_chance`, added over the strata where there are any.
    deaths : int
        That were compared.
    confidence : float
        Of the interval.
    """
    if normal_holds(estimate, standard_error):
        reach = normal_quantile(confidence) * standard_error
        return max(0.0, estimate - reach), min(1.0, estimate + reach)
    variance = concordance_variance(pairs, by_chance)
    return score_limits(estimate, standard_error, variance, max(deaths - 1, 1), confidence)


def _by_chance(survival: Survival, strata: ArrayLike | None) -> tuple[float, float]:
    """Return `pairs_by_chance`, added over the strata."""
    if strata is None:
        return pairs_by_chance(survival)
    labels = np.asarray(strata)
    found = [pairs_by_chance(survival.subset(labels == label)) for label in np.unique(labels)]
    return sum(pairs for pairs, _ in found), sum(by_chance for _, by_chance in found)


def _method(normal: str, estimate: float, error: float) -> str:
    if normal_holds(estimate, error):
        return normal
    return f"{normal.removesuffix(', normal interval')}; {EDGE_METHOD}"


def compare_concordance(
    survival: Survival, first: ArrayLike, second: ArrayLike, confidence: float = 0.95
) -> Difference | NotEstimable:
    """Compare Harrell's C of two scores in the same patients; R: ``concordance(fit1, fit2)`` and a
    contrast.
    """
    one, two = _checked(survival, first), _checked(survival, second)
    if refusal := too_few_events("The difference in Harrell's C", survival.n_events, survival.n):
        return refusal
    a, b = compare_pairs(survival, one), compare_pairs(survival, two)
    if a.total == 0:
        return NotEstimable(
            "The difference in Harrell's C is not estimated: no two patients can be compared."
        )
    return paired_difference(
        a.estimate,
        b.estimate,
        float(np.sqrt(((a.influence - b.influence) ** 2).sum())),
        confidence,
        DIFFERENCE_METHOD,
        "Harrell's C",
    )


def paired_difference(
    first: float, second: float, error: float, confidence: float, method: str, what: str
) -> Difference | NotEstimable:
    """Return a difference with its normal interval and two-sided p value; refused where the scores
    order alike.
    """
    if not error > 1e-12:
        return NotEstimable(
            f"The two scores put every patient in the same order, so their {what} does not differ."
        )
    z, estimate = normal_quantile(confidence), first - second
    return Difference(
        first,
        second,
        estimate,
        error,
        estimate - z * error,
        estimate + z * error,
        float(erfc(abs(estimate / error) / np.sqrt(2.0))),
        confidence,
        method,
    )


def _checked(survival: Survival, risk_score: ArrayLike) -> Array:
    score = np.asarray(risk_score, dtype=np.float64)
    if score.shape != (survival.n,) or not np.isfinite(score).all():
        raise ValueError(
            f"Expected {counted(survival.n, 'finite risk score')}, one per patient, found shape "
            f"{score.shape}."
        )
    return score
