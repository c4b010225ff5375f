"""Harrell's C: the pairs of patients that it counts, and its value in the patients that a model was
trained on.

References
----------
.. [1] Harrell FE, Lee KL, Mark DB. Stat Med 1996;15:361-387.
.. [2] Therneau T, Atkinson E. Concordance. Vignette of the R package survival (infinitesimal
    jackknife).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.errors import TrainingError
from models.survival.risk_sets import Array
from models.survival.survival_data import Survival

_NORMAL_975 = 1.959963984540054
_BLOCK = 512
"""Deaths that are compared with everybody at once."""


@dataclass(frozen=True, eq=False)
class ComparedPairs:
    """Every comparable pair of patients, and who of them was ranked rightly.

    Parameters
    ----------
    credit, pairs : ndarray, shape (n,)
        Each patient's pairs that were ranked rightly (a tie of the score counts one half), and all
        comparable ones; both weighted.
    concordant, discordant, tied_score : int
        Comparable pairs by outcome, without weights.
    tied_time : int
        Pairs that died on the same day, which are not comparable.
    """

    credit: Array
    pairs: Array
    concordant: int
    discordant: int
    tied_score: int
    tied_time: int

    @property
    def total(self) -> float:
        """Weight of all comparable pairs; 0 where nobody can be compared."""
        return float(self.pairs.sum() / 2)

    @property
    def estimate(self) -> float:
        """Share of the pairs that were ranked rightly."""
        return float(self.credit.sum() / 2 / self.total)

    @property
    def influence(self) -> Array:
        """Each patient's influence on the estimate [2]_, shape (n,)."""
        return (self.credit - self.estimate * self.pairs) / self.total

    @property
    def standard_error(self) -> float:
        """Infinitesimal-jackknife standard error of the estimate [2]_."""
        return float(np.sqrt((self.influence**2).sum()))


def compare_pairs(survival: Survival, score: Array, weight: Array | None = None) -> ComparedPairs:
    """Compare every death with everybody who outlived it.

    A pair is comparable when the earlier time is a death; a patient who is censored on the day of a
    death outlived it.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    score : ndarray, shape (n,)
        Higher for patients who die earlier.
    weight : ndarray, shape (n,), optional
        Weight of each death; a death of weight 0 is not compared. All weigh 1 by default.
    """
    days, event = survival.days, survival.event
    credit, pairs = np.zeros(survival.n), np.zeros(survival.n)
    concordant = discordant = tied_score = tied_time = 0
    died = np.flatnonzero(event if weight is None else event & (weight > 0))
    for start in range(0, died.size, _BLOCK):
        rows = died[start : start + _BLOCK]
        same_day = days == days[rows, None]
        comparable = (days > days[rows, None]) | (same_day & ~event)
        higher = comparable & (score[rows, None] > score)
        tied = comparable & (score[rows, None] == score)
        concordant += int(higher.sum())
        tied_score += int(tied.sum())
        discordant += int(comparable.sum() - higher.sum() - tied.sum())
        tied_time += int((same_day & event).sum()) - rows.size
        own = np.ones(rows.size) if weight is None else weight[rows]
        share = (higher + 0.5 * tied) * own[:, None]
        counted = comparable * own[:, None]
        credit += share.sum(axis=0)
        credit[rows] += share.sum(axis=1)
        pairs += counted.sum(axis=0)
        pairs[rows] += counted.sum(axis=1)
    return ComparedPairs(credit, pairs, concordant, discordant, tied_score, tied_time // 2)


@dataclass(frozen=True)
class TrainingConcordance:
    """Harrell's C and its infinitesimal-jackknife standard error.

    Parameters
    ----------
    estimate, standard_error : float
        0.5 is chance, 1 is perfect order.
    """

    estimate: float
    standard_error: float

    @property
    def interval(self) -> tuple[float, float]:
        """The normal 95 % interval, cut to 0-1."""
        half = _NORMAL_975 * self.standard_error
        return max(0.0, self.estimate - half), min(1.0, self.estimate + half)


def training_concordance(survival: Survival, score: ArrayLike) -> TrainingConcordance:
    """Estimate Harrell's C [1]_ of a score that is higher for patients who die earlier.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    score : array_like, shape (n,)
        The linear predictor.

    Returns
    -------
    TrainingConcordance
        R: ``concordance(Surv(days, event) ~ score, reverse = TRUE)``.

    Raises
    ------
    TrainingError
        If no two patients can be compared.
    """
    pairs = compare_pairs(survival, np.asarray(score, dtype=np.float64))
    if pairs.total == 0:
        raise TrainingError(
            "No two patients can be compared, as nobody outlived a death: train on more patients."
        )
    return TrainingConcordance(pairs.estimate, pairs.standard_error)
