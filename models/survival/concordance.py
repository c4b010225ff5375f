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
from models.survival.pair_counts import patients_pairs
from models.survival.risk_sets import Array
from models.survival.survival_data import Survival

_NORMAL_975 = 1.959963984540054


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


def compare_pairs(
    survival: Survival,
    score: ArrayLike,
    weight: Array | None = None,
    strata: ArrayLike | None = None,
) -> ComparedPairs:
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
    strata : array_like, shape (n,), optional
        Only patients of one stratum are compared with each other; the estimate is over all their
        pairs. R: ``concordance(Surv(days, event) ~ score + strata(s))``.
    """
    points = np.asarray(score, dtype=np.float64)
    if strata is None:
        return _of_one_stratum(survival, points, weight)
    labels = np.asarray(strata)
    credit, pairs = np.zeros(survival.n), np.zeros(survival.n)
    kinds = np.zeros(4, dtype=np.int64)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        within = None if weight is None else weight[rows]
        found = _of_one_stratum(survival.subset(rows), points[rows], within)
        credit[rows], pairs[rows] = found.credit, found.pairs
        kinds += (found.concordant, found.discordant, found.tied_score, found.tied_time)
    return ComparedPairs(credit, pairs, *(int(count) for count in kinds))


def _of_one_stratum(survival: Survival, score: Array, weight: Array | None) -> ComparedPairs:
    order = np.lexsort((~survival.event, survival.days))
    days = survival.days[order]
    _, rank = np.unique(score[order], return_inverse=True)
    credit, pairs, kinds = np.zeros(survival.n), np.zeros(survival.n), np.zeros(4, dtype=np.int64)
    patients_pairs(
        np.ones(survival.n) if weight is None else np.asarray(weight, dtype=np.float64)[order],
        np.r_[np.flatnonzero(np.r_[True, days[1:] != days[:-1]]), days.size].astype(np.int64),
        survival.event[order],
        rank.astype(np.int64) + 1,
        credit,
        pairs,
        kinds,
    )
    place = np.argsort(order)
    return ComparedPairs(credit[place], pairs[place], *(int(count) for count in kinds))


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
    pairs = compare_pairs(survival, score)
    if pairs.total == 0:
        raise TrainingError(
            "No two patients can be compared, as nobody outlived a death: train on more patients."
        )
    return TrainingConcordance(pairs.estimate, pairs.standard_error)
