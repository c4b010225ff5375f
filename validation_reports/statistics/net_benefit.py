"""Is it of use: net benefit of treating by the predicted risk, against treating all, none, or by
stage.

References
----------
.. [1] Vickers AJ, Elkin EB. Med Decis Making 2006;26:565-574.
.. [2] Vickers AJ, Cronin AM, Elkin EB, Gonen M. BMC Med Inform Decis Mak 2008;8:53 (censored
    outcomes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.survival.survival_data import Survival
from validation_reports.not_estimable import MINIMUM_EVENTS, NotEstimable, too_few_events
from validation_reports.statistics.kaplan_meier import SurvivalAt, kaplan_meier, survival_at
from validation_reports.statistics.margins import Verdict
from validation_reports.statistics.named_thresholds import (
    Alternative,
    NamedThreshold,
    judge_threshold,
)

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
        Net benefit of treating stage III and IV only, in the patients whose stage is known; empty
        where that has none, for too few patients.
    named : tuple of NamedThreshold
        What is shown at the thresholds that were named beforehand; empty where none were.
    method : str
        How it was computed.
    n, n_events : int or None
        Patients, and deaths by the horizon; `None` in reports of before.
    n_staged : int or None
        Of how many patients a stage is known; `None` where treating by stage was not asked for.
    """

    days: int
    thresholds: tuple[float, ...]
    model: tuple[float, ...]
    treat_all: tuple[float, ...]
    by_stage: tuple[float, ...]
    named: tuple[NamedThreshold, ...] = ()
    method: str = NET_BENEFIT_METHOD
    n: int | None = None
    n_events: int | None = None
    n_staged: int | None = None

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
    advanced: Sequence[bool | None] | NDArray[np.bool_] | None = None,
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
    advanced : sequence of bool or None, length n, optional
        Whether the patient has stage III or IV, `None` where that is not known. Treating by stage
        is then judged in the others alone, and the model against it in the same.
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
    alternatives = [Alternative("treat all", everybody), Alternative("treat none", ~everybody)]
    by_stage = None if advanced is None else _by_stage(advanced)
    n_staged = None if by_stage is None else int(by_stage.known.sum())
    if by_stage is not None and _can_be_judged(survival.subset(by_stage.known), days):
        alternatives.append(by_stage)
    else:
        by_stage = None
    model = tuple(_benefit(survival, risk > threshold, days, threshold) for threshold in thresholds)
    return DecisionCurve(
        days,
        thresholds,
        model,
        tuple(_benefit(survival, everybody, days, threshold) for threshold in thresholds),
        ()
        if by_stage is None
        else tuple(
            _benefit(
                survival.subset(by_stage.known), by_stage.treats[by_stage.known], days, threshold
            )
            for threshold in thresholds
        ),
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
        n=survival.n,
        n_events=deaths,
        n_staged=n_staged,
    )


def _by_stage(advanced: Sequence[bool | None] | NDArray[np.bool_]) -> Alternative | None:
    """Treat stage III and IV; `None` where nobody's stage is known."""
    known = np.array([one is not None for one in advanced], dtype=np.bool_)
    treats = np.array([bool(one) for one in advanced], dtype=np.bool_)
    return Alternative("treat stage III-IV", treats, known) if known.any() else None


def _can_be_judged(survival: Survival, days: int) -> bool:
    """Whether so many died by the horizon, and somebody was followed until it."""
    deaths = int((survival.event & (survival.days <= days)).sum())
    return deaths >= MINIMUM_EVENTS and isinstance(
        survival_at(kaplan_meier(survival), days), SurvivalAt
    )


def _benefit(survival: Survival, treated: NDArray[np.bool_], days: int, threshold: float) -> float:
    if not treated.any():
        return 0.0
    curve = kaplan_meier(survival.subset(treated))
    found = survival_at(curve, days)
    # where the treated were not followed that long, their curve is carried on from its last day
    alive = found.survival if isinstance(found, SurvivalAt) else curve.survival[-1]
    return float(treated.mean() * ((1 - alive) - alive * threshold / (1 - threshold)))
