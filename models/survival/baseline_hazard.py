"""The baseline hazard: how a patient of average risk fares, from which every survival probability
follows.

References
----------
.. [1] Therneau T, Grambsch P. Modeling Survival Data: Extending the Cox Model. Springer 2000,
    section 10.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.errors import TrainingError
from models.survival.risk_sets import Array, RiskSets, Ties
from models.survival.survival_data import Survival
from models.wording import counted

_GREATEST = 700.0
"""Linear predictor whose hazard ratio is still a number."""


@dataclass(frozen=True, eq=False)
class BaselineHazard:
    """Cumulative baseline hazard, a step function that is 0 before the first death.

    Parameters
    ----------
    days : ndarray, shape (k,)
        Days with a death, ascending.
    cumulative : ndarray, shape (k,)
        Cumulative hazard from that day on, never falling.
    last_day : float
        Longest follow-up; nothing is known beyond it.

    Raises
    ------
    TrainingError
        If the steps are not an ascending, finite function.
    """

    days: Array
    cumulative: Array
    last_day: float

    def __post_init__(self) -> None:
        days = np.array(self.days, dtype=np.float64)
        cumulative = np.array(self.cumulative, dtype=np.float64)
        if days.ndim != 1 or days.size == 0 or days.shape != cumulative.shape:
            raise TrainingError(
                f"The baseline hazard has {counted(days.size, 'day')} and "
                f"{counted(cumulative.size, 'value')}: expected one value per day."
            )
        finite = np.isfinite(days).all() and np.isfinite(cumulative).all()
        if (
            not finite
            or (np.diff(days) <= 0).any()
            or (np.diff(cumulative) < 0).any()
            or cumulative[0] < 0
        ):
            raise TrainingError(
                "The baseline hazard is not an ascending, finite step function: fit the model "
                "again."
            )
        days.flags.writeable = False
        cumulative.flags.writeable = False
        object.__setattr__(self, "days", days)
        object.__setattr__(self, "cumulative", cumulative)
        object.__setattr__(self, "last_day", float(self.last_day))

    def at(self, days: ArrayLike) -> Array:
        """Return the cumulative baseline hazard at `days`, NaN beyond the longest follow-up."""
        asked = np.asarray(days, dtype=np.float64)
        step = np.searchsorted(self.days, asked, side="right")
        values = np.r_[0.0, self.cumulative][step]
        return np.where(asked <= self.last_day, values, np.nan)

    def survival(self, days: ArrayLike, linear_predictor: ArrayLike) -> Array:
        """Return S0(t)^exp(lp), shape of lp followed by shape of `days`."""
        # A hazard beyond every number would make what has no hazard yet no number either.
        risk = np.exp(np.minimum(np.asarray(linear_predictor, dtype=np.float64), _GREATEST))
        return np.exp(-np.multiply.outer(risk, self.at(days)))

    def hazard_until(self, days: ArrayLike, linear_predictor: ArrayLike) -> Array:
        """Return each patient's cumulative hazard H0(t) exp(lp) until a day of his or her own,
        carried on flat beyond the longest follow-up.

        Parameters
        ----------
        days, linear_predictor : array_like, shape (n,)
            One of each for every patient.

        Returns
        -------
        ndarray, shape (n,)
            0 where there is no hazard yet, whatever the score; infinite where it is beyond every
            number.
        """
        reached = self.at(np.minimum(np.asarray(days, dtype=np.float64), self.last_day))
        with np.errstate(over="ignore", invalid="ignore"):
            hazard = reached * np.exp(np.asarray(linear_predictor, dtype=np.float64))
        return np.where(reached > 0, hazard, 0.0)


def baseline_cumulative_hazard(
    linear_predictor: ArrayLike, survival: Survival, ties: Ties = Ties.EFRON
) -> BaselineHazard:
    """Estimate the cumulative hazard of a patient whose linear predictor is 0.

    Parameters
    ----------
    linear_predictor : array_like, shape (n,)
        Centred linear predictor of the patients that the Cox model was fitted on.
    survival : Survival
        Their follow-up.
    ties : Ties
        Must be that of the fit; Efron's increments are R's ``survfit(..., ctype = 2)``, the default
        after an Efron fit.

    Returns
    -------
    BaselineHazard
    """
    sets = RiskSets.of(survival, ties)
    weights = np.exp(np.asarray(linear_predictor, dtype=np.float64))[sets.order]
    increments = np.add.reduceat(1.0 / sets.sums(weights), sets.tie_starts)
    days = survival.days[sets.order][sets.deaths][sets.tie_starts]
    return BaselineHazard(days, np.cumsum(increments), float(survival.days.max()))
