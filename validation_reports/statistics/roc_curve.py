"""The curve whose area is the time-dependent AUC: who had died by a horizon, against who was alive
after it.

References
----------
.. [1] Heagerty PJ, Lumley T, Pepe MS. Biometrics 2000;56:337-344 (cumulative cases, dynamic
    controls).
.. [2] Uno H, Cai T, Tian L, Wei LJ. JASA 2007;102:527-537 (weights).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.censoring import horizon_weights
from validation_reports.statistics.time_dependent_auc import TimeDependentAuc, time_dependent_auc


@dataclass(frozen=True)
class RocCurve:
    """A ROC curve at a horizon, from (0, 0) to (1, 1), and its area.

    Parameters
    ----------
    auc : TimeDependentAuc
        The area with its interval.
    false_positive, true_positive : tuple of float
        Shares of those alive and of the dead whose score is at or above each threshold, thresholds
        falling.
    """

    auc: TimeDependentAuc
    false_positive: tuple[float, ...]
    true_positive: tuple[float, ...]


def roc_curve(survival: Survival, risk_score: ArrayLike, days: int) -> RocCurve | NotEstimable:
    """Draw a point of the curve for every different score.

    Deaths by the horizon weigh 1 / G(T-) [2]_; who was censored before it counts only through G.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    risk_score : array_like, shape (n,)
        The linear predictor, finite.
    days : int
        The horizon.

    Returns
    -------
    RocCurve or NotEstimable
        The area by trapezoids is the AUC exactly, ties counting one half.
    """
    auc = time_dependent_auc(survival, risk_score, days)
    if isinstance(auc, NotEstimable):
        return auc
    score = np.asarray(risk_score, dtype=np.float64)
    order = np.argsort(-score, kind="stable")
    last_of_tie = np.concatenate([np.diff(score[order]) != 0, [True]])
    weights = horizon_weights(survival, days)[order]
    dead = (survival.event & (survival.days <= days))[order]
    curves = []
    for part in (weights * ~dead, weights * dead):
        reached = np.cumsum(part)[last_of_tie]
        curves.append((0.0, *(reached / reached[-1]).tolist()))
    return RocCurve(auc, *curves)
