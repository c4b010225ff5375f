"""How far the predicted risks are from what happened: Brier score, scaled Brier score (IPA) and
integrated Brier score.

References
----------
.. [1] Graf E, Schmoor C, Sauerbrei W, Schumacher M. Stat Med 1999;18:2529-2545 (Brier score
    under censoring).
.. [2] Kattan MW, Gerds TA. Diagn Progn Res 2018;2:7 (IPA).
.. [3] Blanche P, Proust-Lima C, Loubere L, et al. Biometrics 2015;71:102-113 (influence function).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from feature_store.wording import counted
from models.survival.baseline_hazard import BaselineHazard
from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable, normal_quantile, too_few_events
from validation_reports.statistics.censoring import horizon_weights, through_censoring
from validation_reports.statistics.kaplan_meier import SurvivalAt, kaplan_meier, survival_at

Array = NDArray[np.float64]
BRIER_METHOD = (
    "Brier score, inverse probability of censoring weights; influence-function standard error"
)
INTEGRATED_METHOD = (
    "trapezoidal mean of the Brier score on a grid of 15 days from day 15 to the last horizon"
)
GRID_STEP = 15
_NO_SPREAD = 1e-12


@dataclass(frozen=True)
class BrierScore:
    """Mean squared distance between outcome and prediction at a horizon (0 is perfect).

    Parameters
    ----------
    days : int
        The horizon.
    estimate, standard_error, lower, upper : float
        The score, its standard error and normal interval.
    null : float
        Score of a prediction that is the same for everybody, by Kaplan-Meier.
    ipa : float
        Index of prediction accuracy, 1 - estimate / null: above 0 is better than no model [2]_.
    confidence : float
        Of the interval.
    method : str
        How it was computed.
    """

    days: int
    estimate: float
    standard_error: float
    lower: float
    upper: float
    null: float
    ipa: float
    confidence: float
    method: str = BRIER_METHOD


@dataclass(frozen=True)
class IntegratedBrier:
    """The Brier score over time: mean up to the last horizon, of the model and of no model, and
    their IPA.
    """

    from_day: int
    until: int
    estimate: float
    null: float
    ipa: float
    method: str = INTEGRATED_METHOD


def brier_score(
    survival: Survival, predicted_risk: ArrayLike, days: int, confidence: float = 0.95
) -> BrierScore | NotEstimable:
    """Estimate the Brier score at a horizon [1]_; R: ``riskRegression::Score(metrics = "brier")``.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    predicted_risk : array_like, shape (n,)
        Predicted probability of death by the horizon.
    days : int
        The horizon.
    confidence : float
        Of the interval.
    """
    z = normal_quantile(confidence)
    deaths = int((survival.event & (survival.days <= days)).sum())
    if refusal := too_few_events(f"The Brier score at {days} days", deaths, survival.n):
        return refusal
    baseline = survival_at(kaplan_meier(survival), days)
    if isinstance(baseline, NotEstimable) or not (survival.days > days).any():
        return NotEstimable(
            f"The Brier score at {days} days is not estimated: nobody was followed beyond it."
        )
    risk = np.asarray(predicted_risk, dtype=np.float64)
    part = _parts(survival, risk, days)
    estimate = float(part.mean())
    weighed_at = np.where(survival.days > days, np.nextafter(float(days), np.inf), survival.days)
    influence = part - estimate + through_censoring(survival, part, weighed_at)
    error = float(np.std(influence, ddof=1) / np.sqrt(survival.n))
    if not error > _NO_SPREAD:
        return NotEstimable(
            f"The Brier score at {days} days is {estimate:.3f} for every patient alike, so these "
            "patients give it no interval."
        )
    null = float(_parts(survival, np.full(survival.n, 1 - baseline.survival), days).mean())
    return BrierScore(
        days,
        estimate,
        error,
        max(0.0, estimate - z * error),
        estimate + z * error,
        null,
        _ipa(estimate, null),
        confidence,
    )


def integrated_brier(
    survival: Survival, linear_predictor: ArrayLike, baseline: BaselineHazard | None, until: int
) -> IntegratedBrier | NotEstimable:
    """Integrate the Brier score of the frozen model from day 15 to `until`.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    linear_predictor : array_like, shape (n,)
        The frozen model's linear predictor.
    baseline : BaselineHazard or None
        The frozen model's baseline hazard.
    until : int
        Last horizon in days.
    """
    if baseline is None:
        return NotEstimable(
            "The integrated Brier score is not estimated: the frozen baseline hazard was not given."
        )
    if refusal := too_few_events("The integrated Brier score", survival.n_events, survival.n):
        return refusal
    curve = kaplan_meier(survival)
    if until > baseline.last_day or not (survival.days > until).any() or until < 2 * GRID_STEP:
        return NotEstimable(
            "The integrated Brier score is not estimated: nobody was followed beyond "
            f"{counted(until, 'day')}."
        )
    grid = np.arange(GRID_STEP, until + 1, GRID_STEP)
    risk = 1.0 - baseline.survival(grid, np.asarray(linear_predictor, dtype=np.float64))
    model, null = np.empty(grid.size), np.empty(grid.size)
    for column, days in enumerate(grid):
        at_day = survival_at(curve, float(days))
        share = 1.0 - at_day.survival if isinstance(at_day, SurvivalAt) else 1.0
        model[column] = _parts(survival, risk[:, column], float(days)).mean()
        null[column] = _parts(survival, np.full(survival.n, share), float(days)).mean()
    width = float(grid[-1] - grid[0])
    estimate, none = (
        float(np.trapezoid(model, grid) / width),
        float(np.trapezoid(null, grid) / width),
    )
    return IntegratedBrier(int(grid[0]), int(grid[-1]), estimate, none, _ipa(estimate, none))


def _parts(survival: Survival, risk: Array, days: float) -> Array:
    """Each patient's weighted squared distance."""
    died = survival.event & (survival.days <= days)
    return horizon_weights(survival, days) * (died - risk) ** 2


def _ipa(estimate: float, null: float) -> float:
    return 1.0 - estimate / null if null > 0 else 0.0
