"""Does the score put patients in the right order: Harrell's concordance with its interval.

References
----------
.. [1] Harrell FE, Lee KL, Mark DB. Stat Med 1996;15:361-387.
.. [2] Therneau T, Atkinson E. Concordance. Vignette of the R package survival (infinitesimal jackknife).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.survival_data import Survival
from validation_reports.not_estimable import NotEstimable, normal_quantile, too_few_events

Array = NDArray[np.float64]
CONCORDANCE_METHOD = "Harrell's C; infinitesimal-jackknife standard error, normal interval"
_BLOCK = 512


@dataclass(frozen=True)
class Concordance:
    """Harrell's C: the share of comparable pairs in which the patient with the higher score died first.

    Parameters
    ----------
    estimate, standard_error, lower, upper : float
        0.5 is chance, 1 is perfect order; the interval is cut to 0-1.
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

    @property
    def n_pairs(self) -> int:
        """Comparable pairs."""
        return self.concordant + self.discordant + self.tied_score


def harrell_c(survival: Survival, risk_score: ArrayLike, confidence: float = 0.95) -> Concordance | NotEstimable:
    """Estimate Harrell's C of a score that is higher for patients who die earlier.

    A pair is comparable when the earlier time is a death; a patient who is censored on the day of a death outlived it.
    With n_i comparable pairs of patient i, c_i of them concordant (ties one half) and N pairs in all, the influence of
    patient i is (c_i - C n_i) / N and the variance is the sum of squared influences [2]_.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    risk_score : array_like, shape (n,)
        The linear predictor, finite.
    confidence : float
        Of the interval.

    Returns
    -------
    Concordance or NotEstimable
        R: ``concordance(Surv(days, event) ~ score, reverse = TRUE)``.

    Raises
    ------
    ValueError
        If there is not one finite score per patient.
    """
    score = np.asarray(risk_score, dtype=np.float64)
    if score.shape != (survival.n,) or not np.isfinite(score).all():
        raise ValueError(f"expected {survival.n} finite risk scores, one per patient, found shape {score.shape}")
    z = normal_quantile(confidence)
    if refusal := too_few_events("Harrell's C", survival.n_events, survival.n):
        return refusal
    credit, pairs, counts, tied_time = _pairs(survival, score)
    total = sum(counts)
    if total == 0:
        return NotEstimable(
            "Harrell's C is not estimated: no two patients can be compared, as nobody outlived a death."
        )
    estimate = float(credit.sum() / 2 / total)
    error = float(np.sqrt((((credit - estimate * pairs) / total) ** 2).sum()))
    return Concordance(
        estimate=estimate,
        standard_error=error,
        lower=max(0.0, estimate - z * error),
        upper=min(1.0, estimate + z * error),
        confidence=confidence,
        concordant=counts[0],
        discordant=counts[1],
        tied_score=counts[2],
        tied_time=tied_time,
    )


def _pairs(survival: Survival, score: Array) -> tuple[Array, Array, tuple[int, int, int], int]:
    """Return each patient's credit and number of comparable pairs, the counts by outcome, and same-day deaths."""
    days, event = survival.days, survival.event
    credit, pairs = np.zeros(survival.n), np.zeros(survival.n)
    concordant = discordant = tied_score = tied_time = 0
    died = np.flatnonzero(event)
    for start in range(0, died.size, _BLOCK):
        rows = died[start : start + _BLOCK]
        same_day = days == days[rows, None]
        comparable = (days > days[rows, None]) | (same_day & ~event)
        higher = comparable & (score[rows, None] > score)
        tied = comparable & (score[rows, None] == score)
        share = higher + 0.5 * tied
        credit += share.sum(axis=0)
        credit[rows] += share.sum(axis=1)
        pairs += comparable.sum(axis=0)
        pairs[rows] += comparable.sum(axis=1)
        concordant += int(higher.sum())
        tied_score += int(tied.sum())
        discordant += int(comparable.sum() - higher.sum() - tied.sum())
        tied_time += int((same_day & event).sum()) - rows.size
    return credit, pairs, (concordant, discordant, tied_score), tied_time // 2
