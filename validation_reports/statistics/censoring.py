"""Who was still watched: the censoring distribution, inverse-probability weights and what
estimating them costs.

G(t) is the Kaplan-Meier estimate of not being censored by t; on a day with both, deaths come first,
as in R.

References
----------
.. [1] Graf E, Schmoor C, Sauerbrei W, Schumacher M. Stat Med 1999;18:2529-2545 (weights).
.. [2] Blanche P, Dartigues JF, Jacqmin-Gadda H. Stat Med 2013;32:5381-5397 (influence function
    of the weights).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from models.survival.survival_data import Survival

Array = NDArray[np.float64]


_AFTER_DAY = 1e-3


def alive_on(survival: Survival, horizons: Iterable[int]) -> Survival:
    """Return the follow-up in which whoever was censored on the day of a horizon was followed just
    beyond it: deaths of a day come first, so they were alive at the horizon.

    Without this nobody is known to have lived where follow-up ends at the horizon for everybody.
    """
    on_horizon = ~survival.event & np.isin(survival.days, list(horizons))
    if not on_horizon.any():
        return survival
    return Survival(survival.days + _AFTER_DAY * on_horizon, survival.event)


def uncensored_before(survival: Survival) -> Array:
    """Return G(T_i-), the probability of not being censored before each patient's time, shape
    (n,).
    """
    times, censored, at_risk = _steps(survival)
    curve = np.concatenate([[1.0], np.cumprod(1.0 - censored / at_risk)])
    before: Array = curve[np.searchsorted(times, survival.days, side="left")]
    return before


def uncensored_at(survival: Survival, days: float) -> float:
    """Return G(days), the probability of not being censored by then."""
    times, censored, at_risk = _steps(survival)
    gone = times <= days
    return float(np.prod(1.0 - censored[gone] / at_risk[gone]))


def horizon_weights(survival: Survival, days: float) -> Array:
    """Return each patient's weight at a horizon [1]_, shape (n,).

    1 / G(T_i-) for who died by then, 1 / G(days) for who was followed beyond, 0 for who was
    censored before.
    """
    case, control = survival.event & (survival.days <= days), survival.days > days
    reached = uncensored_at(survival, days) if control.any() else 1.0
    before = np.where(case, uncensored_before(survival), 1.0)
    return np.where(case, 1.0 / before, np.where(control, 1.0 / reached, 0.0))


def through_censoring(survival: Survival, part: Array, weighed_at: Array) -> Array:
    """Return what each patient adds to an estimate by having shaped G [2]_, shape (n,).

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    part : ndarray, shape (n,)
        Each patient's weighted part of the estimate.
    weighed_at : ndarray, shape (n,)
        Day before which a censoring changes the patient's weight: the day of death of a case; just
        after the horizon for who was followed beyond it.
    """
    times, censored, at_risk = _steps(survival)
    order = np.argsort(weighed_at, kind="stable")
    from_rank = np.concatenate([np.cumsum(part[order][::-1])[::-1], [0.0]])
    ahead = from_rank[np.searchsorted(weighed_at[order], times, side="right")]
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


def _steps(survival: Survival) -> tuple[Array, Array, Array]:
    """Return the days with censoring, how many were censored and how many could have been (deaths
    go first).
    """
    times, censored = np.unique(survival.days[~survival.event], return_counts=True)
    later = survival.n - np.searchsorted(np.sort(survival.days), times, side="right")
    return times, censored.astype(np.float64), (later + censored).astype(np.float64)
