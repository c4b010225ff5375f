"""Is it of use: net benefit of treating by the predicted risk, against treating all, none, or by
stage.

References
----------
.. [1] Vickers AJ, Elkin EB. Med Decis Making 2006;26:565-574.
.. [2] Vickers AJ, Cronin AM, Elkin EB, Gonen M. BMC Med Inform Decis Mak 2008;8:53 (censored
    outcomes).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable, too_few_events
from validation_reports.statistics.kaplan_meier import SurvivalAt, kaplan_meier, survival_at
from validation_reports.statistics.margins import Verdict
from validation_reports.statistics.named_thresholds import NamedThreshold, judge_threshold

THRESHOLDS = tuple(step / 20 for step in range(1, 20))
NET_BENEFIT_METHOD = (
    "net benefit, deaths among the treated by Kaplan-Meier; treated are those above the threshold"
)


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit per patient at each threshold probability of death by the horizon; treating none
    is 0.

    Parameters
    ----------
    days : int
        The horizon.
    thresholds : tuple of float
        Threshold probabilities.
    model, treat_all : tuple of float
        Net benefit of treating by the model, and of treating everybody.
    by_stage : tuple of float
        Net benefit of treating stage III and IV only; empty where stages are not known.
    named : tuple of NamedThreshold
        What is shown at the thresholds that were named beforehand; empty where none were.
    method : str
        How it was computed.
    """

    days: int
    thresholds: tuple[float, ...]
    model: tuple[float, ...]
    treat_all: tuple[float, ...]
    by_stage: tuple[float, ...]
    named: tuple[NamedThreshold, ...] = ()
    method: str = NET_BENEFIT_METHOD

    @property
    def useful(self) -> tuple[float, ...]:
        """Named thresholds at which the model is shown to beat treating all, none and (where known)
        by stage.
        """
        return tuple(one.threshold for one in self.named if one.verdict is Verdict.YES)


def decision_curve(
    survival: Survival,
    predicted_risk: ArrayLike,
    days: int,
    advanced: ArrayLike | None = None,
    thresholds: tuple[float, ...] = THRESHOLDS,
    named: tuple[float, ...] = (),
    *,
    horizons: int = 1,
    confidence: float = 0.95,
) -> DecisionCurve | NotEstimable:
    """Compute net benefit [1]_: share treated x (observed risk of the treated - odds x the rest).

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    predicted_risk : array_like, shape (n,)
        Predicted probability of death by the horizon.
    days : int
        The horizon.
    advanced : array_like of bool, shape (n,), optional
        Whether the patient has stage III or IV.
    thresholds : tuple of float
        Threshold probabilities between 0 and 1, for the curve.
    named : tuple of float
        Those that were named beforehand, for verdicts.
    horizons : int
        At how many of them verdicts are given.
    confidence : float
        Of the verdicts' intervals together.
    """
    deaths = int((survival.event & (survival.days <= days)).sum())
    if refusal := too_few_events(f"Net benefit at {days} days", deaths, survival.n):
        return refusal
    if isinstance(found := survival_at(kaplan_meier(survival), days), NotEstimable):
        return found
    risk = np.asarray(predicted_risk, dtype=np.float64)
    everybody = np.ones(survival.n, dtype=np.bool_)
    stage = None if advanced is None else np.asarray(advanced, dtype=np.bool_)
    alternatives = [("treat all", everybody), ("treat none", ~everybody)]
    if stage is not None:
        alternatives.append(("treat stage III-IV", stage))
    model = tuple(_benefit(survival, risk > threshold, days, threshold) for threshold in thresholds)
    return DecisionCurve(
        days,
        thresholds,
        model,
        tuple(_benefit(survival, everybody, days, threshold) for threshold in thresholds),
        ()
        if stage is None
        else tuple(_benefit(survival, stage, days, threshold) for threshold in thresholds),
        tuple(
            judge_threshold(
                survival,
                risk,
                days,
                threshold,
                alternatives,
                at_once=len(named) * horizons,
                confidence=confidence,
            )
            for threshold in named
        ),
    )


def _benefit(survival: Survival, treated: NDArray[np.bool_], days: int, threshold: float) -> float:
    if not treated.any():
        return 0.0
    curve = kaplan_meier(survival.subset(treated))
    found = survival_at(curve, days)
    # where the treated were not followed that long, their curve is carried on from its last day
    alive = found.survival if isinstance(found, SurvivalAt) else curve.survival[-1]
    return float(treated.mean() * ((1 - alive) - alive * threshold / (1 - threshold)))
