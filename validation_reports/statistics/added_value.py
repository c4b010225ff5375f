"""Does the score add to stage: likelihood-ratio test, difference in concordance and adequacy of
stage alone.

References
----------
.. [1] Harrell FE. Regression Modeling Strategies. 2nd ed. Springer 2015, section 9.8.4
    (adequacy index).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from models.errors import NotConvergedError, TrainingError
from models.survival.cox_regression import CoxFit, fit_cox
from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable, too_few_events
from validation_reports.statistics.discrimination import Difference, compare_concordance
from validation_reports.statistics.stage_groups import (
    in_order,
    known_stages,
    without_sub_stage,
)

ADDED_VALUE_METHOD = (
    "Cox regression of stage with and without the linear predictor; likelihood-ratio test, 1 df"
)


@dataclass(frozen=True)
class AddedValue:
    """What the score adds to stage.

    Parameters
    ----------
    n, n_events : int
        Patients whose stage is known, and their deaths; the deaths are `None` in reports of before.
    concordance : Difference or NotEstimable
        Harrell's C of the score (first) and of stage in its order (second).
    likelihood_ratio, p_value : float
        Test of adding the score to a Cox model of stage, 1 degree of freedom.
    stages : tuple of str
        Stages as the Cox models have them: those of a stage that has no death of its own are joined
        with their group, and groups without one with the next lower.
    adequacy : float
        Share of the joint likelihood ratio that stage has alone: near 1 the score adds little [1]_.
    method : str
        How it was computed.
    """

    n: int
    concordance: Difference | NotEstimable
    likelihood_ratio: float
    p_value: float
    adequacy: float
    method: str = ADDED_VALUE_METHOD
    stages: tuple[str, ...] = ()
    n_events: int | None = None


def added_value(
    survival: Survival, linear_predictor: ArrayLike, stage: pd.Series[str], confidence: float = 0.95
) -> AddedValue | NotEstimable:
    """Compare a Cox model of stage with one of stage and score; R: ``anova(coxph(~ stage), coxph(~
    stage + lp))``.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    linear_predictor : array_like, shape (n,)
        The frozen model's linear predictor.
    stage : Series, shape (n,)
        Stage of each patient; patients without are left out.
    confidence : float
        Of the interval.
    """
    what, known = "The added value over stage", known_stages(stage).to_numpy()
    if not known.any():
        return NotEstimable(f"{what} is not estimated: no patient's stage is known.")
    chosen = survival.subset(known)
    score = np.asarray(linear_predictor, dtype=np.float64)[known]
    if refusal := too_few_events(what, chosen.n_events, chosen.n):
        return refusal
    levels = in_order({str(level) for level in stage[known]})
    if len(levels) < 2:
        return NotEstimable(f"{what} is not estimated: all patients have stage {levels[0]}.")
    grouped = _with_deaths([str(level) for level in stage[known]], chosen.event)
    names = in_order(set(grouped))
    dummies = np.array(
        [[level == name for level in grouped] for name in names[1:]], dtype=np.float64
    ).T
    alone = fitted(dummies, chosen) if len(names) > 1 else None
    both = fitted(np.column_stack([dummies, score]), chosen) if len(names) > 1 else None
    if alone is None or both is None:
        return NotEstimable(
            f"{what} is not estimated: these deaths do not determine the effects of stage and "
            "score."
        )
    ratio = 2 * (both.log_likelihood - alone.log_likelihood)
    whole = 2 * (both.log_likelihood - both.null_log_likelihood)
    return AddedValue(
        n=chosen.n,
        concordance=compare_concordance(chosen, score, _rank(stage[known], levels), confidence),
        likelihood_ratio=ratio,
        p_value=float(chdtrc(1, max(ratio, 0.0))),
        adequacy=2 * (alone.log_likelihood - alone.null_log_likelihood) / whole
        if whole > 0
        else 0.0,
        stages=tuple(names),
        n_events=chosen.n_events,
    )


def _with_deaths(stages: list[str], event: NDArray[np.bool_]) -> list[str]:
    """Return stages each of which has a death: of a stage with a sub-stage that has none the
    letters are left out, and a group that still has none joins the next lower, the lowest the next
    higher.
    """
    alive = set(stages) - {stage for stage, died in zip(stages, event, strict=True) if died}
    joined = {without_sub_stage(stage) for stage in alive}
    grouped = [
        group if (group := without_sub_stage(stage)) in joined else stage for stage in stages
    ]
    while True:
        names = in_order(set(grouped))
        dead = {stage for stage, died in zip(grouped, event, strict=True) if died}
        place = next((at for at, name in enumerate(names) if name not in dead), None)
        if place is None or len(names) == 1:
            return grouped
        pair = names[max(place, 1) - 1 : max(place, 1) + 1]
        grouped = ["+".join(pair) if stage in pair else stage for stage in grouped]


def _rank(stage: pd.Series[str], levels: list[str]) -> NDArray[np.float64]:
    """Return stages as numbers in their order."""
    return np.asarray([levels.index(str(level)) for level in stage], dtype=np.float64)


def fitted(covariates: NDArray[np.float64], survival: Survival) -> CoxFit | None:
    """Fit a Cox model with Efron ties; `None` where the likelihood has no maximum or the columns
    are collinear.
    """
    try:
        return fit_cox(covariates, survival)
    except (NotConvergedError, TrainingError):
        return None
