"""Who is at risk when somebody dies, and what tied deaths mean.

Cox's partial likelihood, its derivatives and the baseline hazard all need the same sums over the
patients at risk at each death. One structure gives these sums for any columns of values, so the
same few lines serve one model of many covariates and thousands of models of one covariate.

References
----------
.. [1] Therneau T, Grambsch P. Modeling Survival Data: Extending the Cox Model. Springer 2000,
    section 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from models.errors import TrainingError
from models.survival.survival_data import Survival
from models.wording import counted

Array = NDArray[np.float64]


class Ties(StrEnum):
    """How deaths on the same day are treated."""

    EFRON = "efron"
    BRESLOW = "breslow"


@dataclass(frozen=True)
class RiskSets:
    """Patients sorted by time with, for every death, where its risk set begins and what Efron takes
    off.

    Parameters
    ----------
    order : ndarray of int, shape (n,)
        Positions that sort the patients by time; every other field counts in this order.
    deaths : ndarray of int, shape (d,)
        The deaths.
    risk_from : ndarray of int, shape (d,)
        First patient at risk at each death; all later ones are at risk too.
    tie_starts : ndarray of int, shape (k,)
        First death of each of the k days with deaths.
    tie_of_death : ndarray of int, shape (d,)
        Day of each death, 0..k-1.
    fraction : ndarray, shape (d,)
        Share of the dying that Efron takes off; 0 everywhere under Breslow.
    """

    order: NDArray[np.intp]
    deaths: NDArray[np.intp]
    risk_from: NDArray[np.intp]
    tie_starts: NDArray[np.intp]
    tie_of_death: NDArray[np.intp]
    fraction: Array

    @classmethod
    def of(cls, survival: Survival, ties: Ties) -> RiskSets:
        """Sort the cohort.

        Raises
        ------
        TrainingError
            If nobody died.
        """
        order = np.argsort(survival.days, kind="stable")
        days, event = survival.days[order], survival.event[order]
        deaths = np.flatnonzero(event)
        if deaths.size == 0:
            raise TrainingError(
                f"None of the {counted(survival.n, 'patient')} died, so a Cox model cannot be "
                "fitted: use a cohort with deaths."
            )
        death_days = days[deaths]
        first_of_tie = np.r_[True, death_days[1:] != death_days[:-1]]
        tie_starts = np.flatnonzero(first_of_tie)
        tie_of_death = np.cumsum(first_of_tie) - 1
        tie_sizes = np.diff(np.r_[tie_starts, deaths.size])
        rank = np.arange(deaths.size) - tie_starts[tie_of_death]
        fraction = rank / tie_sizes[tie_of_death] if ties is Ties.EFRON else np.zeros(deaths.size)
        risk_from = np.searchsorted(days, death_days, side="left")
        return cls(order, deaths, risk_from, tie_starts, tie_of_death, fraction)

    def sums(self, values: Array) -> Array:
        """Sum sorted `values` (n, ...) over each death's risk set, less Efron's share: (deaths,
        ...).
        """
        at_risk = np.cumsum(values[::-1], axis=0)[::-1][self.risk_from]
        if not self.fraction.any():
            return at_risk
        dying = np.add.reduceat(values[self.deaths], self.tie_starts, axis=0)[self.tie_of_death]
        return at_risk - self.fraction.reshape((-1,) + (1,) * (values.ndim - 1)) * dying
