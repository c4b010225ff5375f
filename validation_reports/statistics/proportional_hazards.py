"""Does the score weigh the same early and late: a check of proportional hazards.

References
----------
.. [1] Grambsch PM, Therneau TM. Biometrika 1994;81:515-526.
.. [2] Therneau T. R package survival, ``cox.zph`` since version 3.0 (score test, Kaplan-Meier
    time scale).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc

from models.survival.risk_sets import RiskSets, Ties
from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable, too_few_events
from validation_reports.statistics.one_covariate_cox import hardly_differs, single_cox

PROPORTIONALITY_METHOD = (
    "score test for a log hazard ratio that changes with 1 - Kaplan-Meier time (cox.zph), 1 df"
)


@dataclass(frozen=True)
class ProportionalityTest:
    """Test of proportional hazards.

    Parameters
    ----------
    chi_square, p_value : float
        Score test; a small p value says that the effect changes with time.
    trend : float
        One-step estimate of the change in log hazard ratio per unit of score from the first to the
        last death: below 0 the score weighs less later on.
    method : str
        How it was computed.
    """

    chi_square: float
    p_value: float
    trend: float
    method: str = PROPORTIONALITY_METHOD


def check_proportional_hazards(
    survival: Survival, score: ArrayLike
) -> ProportionalityTest | NotEstimable:
    """Test whether the effect of a score is constant over time [1]_; R: ``cox.zph(coxph(Surv(days,
    event) ~ lp))``.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    score : array_like, shape (n,)
        The linear predictor, or 0 and 1 for a risk group.
    """
    what = "The check of proportional hazards"
    if refusal := too_few_events(what, survival.n_events, survival.n):
        return refusal
    x = np.asarray(score, dtype=np.float64)
    if np.ptp(x) > 0 and (refusal := hardly_differs(what, x)):
        return refusal
    fit = single_cox(x, survival) if np.ptp(x) > 0 else None
    if fit is None:
        return NotEstimable(
            f"{what} is not possible: these deaths do not determine the effect of the score."
        )
    sets = RiskSets.of(survival, Ties.EFRON)
    ordered = x[sets.order] - x.mean()
    weight = np.exp(fit.estimate * ordered)
    s0 = sets.sums(weight)
    mean = sets.sums(weight * ordered) / s0
    variance = sets.sums(weight * ordered**2) / s0 - mean**2
    time = _kaplan_meier_time(sets, survival.n)
    time = time - time.mean()
    gradient = float((time * (ordered[sets.deaths] - mean)).sum())
    spread = float((time**2 * variance).sum() - (time * variance).sum() ** 2 / variance.sum())
    if not spread > 1e-12 * variance.sum():
        return NotEstimable(f"{what} is not possible: all deaths were on one day.")
    chi_square = gradient**2 / spread
    return ProportionalityTest(chi_square, float(chdtrc(1, chi_square)), gradient / spread)


def _kaplan_meier_time(sets: RiskSets, n: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return 1 - S(t-) for every death, with S the Kaplan-Meier curve of all."""
    at_risk = (n - sets.risk_from[sets.tie_starts]).astype(np.float64)
    deaths = np.diff(np.r_[sets.tie_starts, sets.deaths.size])
    before = np.r_[1.0, np.cumprod(1 - deaths / at_risk)[:-1]]
    return np.asarray(1.0 - before[sets.tie_of_death], dtype=np.float64)
