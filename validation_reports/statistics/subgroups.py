"""For whom does it hold: discrimination, risk groups and calibration in the paper's subgroups, and
their difference.

References
----------
.. [1] Wang R, Lagakos SW, Ware JH, Hunter DJ, Drazen JM. N Engl J Med 2007;357:2189-2194
    (interaction tests).
.. [2] Holm S. Scand J Stat 1979;6:65-70 (adjustment for the number of characteristics).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable, too_few_events
from validation_reports.statistics.added_value import fitted
from validation_reports.statistics.calibration import (
    HorizonCalibration,
    ObservedExpected,
    calibrate_at,
)
from validation_reports.statistics.discrimination import Concordance, harrell_c
from validation_reports.statistics.margins import holm
from validation_reports.statistics.risk_groups import RiskGroups, compare_risk_groups
from validation_reports.statistics.stage_groups import ADVANCED, EARLY, stage_group

Mask = NDArray[np.bool_]
INTERACTION_METHOD = (
    "likelihood-ratio test of score x subgroup in a Cox regression with both, Efron ties; Holm "
    "over the characteristics"
)
AGE_LIMIT = 65.0


@dataclass(frozen=True)
class Subgroup:
    """One level of a subgroup: what was found in its patients alone.

    Parameters
    ----------
    level : str
        Which patients.
    n, n_events : int
        Patients and deaths.
    concordance : Concordance or NotEstimable
        Harrell's C.
    risk_groups : RiskGroups
        Hazard ratio and curves at the frozen cut-off.
    ratio : tuple of (int, ObservedExpected or NotEstimable)
        Horizon in days and O/E.
    """

    level: str
    n: int
    n_events: int
    concordance: Concordance | NotEstimable
    risk_groups: RiskGroups
    ratio: tuple[tuple[int, ObservedExpected | NotEstimable], ...]


@dataclass(frozen=True)
class InteractionTest:
    """Does the effect of the score differ between the levels.

    Parameters
    ----------
    likelihood_ratio : float
        Test statistic.
    degrees_of_freedom : int
        Levels less one.
    p_value : float
        Of this test alone.
    adjusted_p_value : float or None
        After Holm over the characteristics tested; `None` in reports of before.
    method : str
        How it was computed.
    n, n_events : int or None
        Patients in one of the levels and their deaths; `None` in reports of before.
    """

    likelihood_ratio: float
    degrees_of_freedom: int
    p_value: float
    adjusted_p_value: float | None = None
    method: str = INTERACTION_METHOD
    n: int | None = None
    n_events: int | None = None


@dataclass(frozen=True)
class SubgroupAnalysis:
    """The levels of one characteristic, how many patients have none, and the interaction test."""

    name: str
    levels: tuple[Subgroup, ...]
    n_unknown: int
    interaction: InteractionTest | NotEstimable


def subgroup_masks(covariates: pd.DataFrame) -> dict[str, dict[str, Mask]]:
    """Return the paper's subgroups as masks: stage I-II / III-IV (the paper has no stage IV),
    histology, sex, age below / from 65 years.

    Parameters
    ----------
    covariates : DataFrame
        Columns ``age``, ``sex``, ``histology``, ``stage``; a patient without a value is in no
        level.
    """
    stage = covariates["stage"].map(stage_group)
    age = covariates["age"].to_numpy(dtype=np.float64)
    return {
        "stage": {level: (stage == level).to_numpy() for level in (EARLY, ADVANCED)},
        "histology": {
            level: (covariates["histology"] == level).to_numpy()
            for level in ("adenocarcinoma", "squamous cell carcinoma")
        },
        "sex": {level: (covariates["sex"] == level).to_numpy() for level in ("female", "male")},
        "age": {
            f"< {AGE_LIMIT:g} years": age < AGE_LIMIT,
            f"≥ {AGE_LIMIT:g} years": age >= AGE_LIMIT,
        },
    }


def analyse_subgroups(
    survival: Survival,
    linear_predictor: ArrayLike,
    high_risk: ArrayLike,
    predicted_survival: Mapping[int, ArrayLike],
    covariates: pd.DataFrame,
    confidence: float = 0.95,
) -> tuple[SubgroupAnalysis, ...]:
    """Analyse every subgroup; a level without patients is absent.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    linear_predictor, high_risk : array_like, shape (n,)
        The score, and whether it lies above the frozen cut-off.
    predicted_survival : mapping of int to array_like, shape (n,)
        Survival probability by horizon in days.
    covariates : DataFrame, shape (n, any)
        As for `subgroup_masks`.
    confidence : float
        Of all intervals.
    """
    score, high = (
        np.asarray(linear_predictor, dtype=np.float64),
        np.asarray(high_risk, dtype=np.bool_),
    )
    predicted = {
        days: np.asarray(values, dtype=np.float64) for days, values in predicted_survival.items()
    }
    found = []
    for name, masks in subgroup_masks(covariates).items():
        present = {level: rows for level, rows in masks.items() if rows.any()}
        levels = tuple(
            Subgroup(
                level,
                int(rows.sum()),
                int(survival.event[rows].sum()),
                harrell_c(survival.subset(rows), score[rows], confidence),
                compare_risk_groups(survival.subset(rows), high[rows], confidence),
                tuple(
                    (days, _ratio(survival.subset(rows), alive[rows], days, confidence))
                    for days, alive in predicted.items()
                ),
            )
            for level, rows in present.items()
        )
        unknown = survival.n - sum(level.n for level in levels)
        found.append(
            SubgroupAnalysis(
                name, levels, unknown, interaction_test(survival, score, tuple(present.values()))
            )
        )
    return _after_holm(found)


def _after_holm(analyses: list[SubgroupAnalysis]) -> tuple[SubgroupAnalysis, ...]:
    """Adjust the interaction tests for their number [2]_."""
    tested = [item for item in analyses if isinstance(item.interaction, InteractionTest)]
    adjusted = dict(
        zip(
            (item.name for item in tested),
            holm([vars(item.interaction)["p_value"] for item in tested]),
            strict=True,
        )
    )
    return tuple(
        replace(item, interaction=replace(item.interaction, adjusted_p_value=adjusted[item.name]))
        if isinstance(item.interaction, InteractionTest)
        else item
        for item in analyses
    )


def interaction_test(
    survival: Survival, linear_predictor: ArrayLike, levels: tuple[Mask, ...]
) -> InteractionTest | NotEstimable:
    """Test score x subgroup [1]_; R: ``anova(coxph(~ lp + g), coxph(~ lp * g))``.

    Parameters
    ----------
    survival : Survival
        Follow-up of n patients.
    linear_predictor : array_like, shape (n,)
        The score.
    levels : tuple of ndarray of bool, shape (n,)
        Patients of each level; patients of none are left out.
    """
    what = "The interaction"
    if len(levels) < 2:
        return NotEstimable(f"{what} is not tested: patients of one level only are here.")
    known = np.logical_or.reduce(levels)
    chosen, score = survival.subset(known), np.asarray(linear_predictor, dtype=np.float64)[known]
    for level in levels:
        if refusal := too_few_events(
            f"{what} with a level", int(survival.event[level].sum()), int(level.sum())
        ):
            return refusal
    dummies = np.column_stack([level[known].astype(np.float64) for level in levels[1:]])
    main = fitted(np.column_stack([score, dummies]), chosen)
    product = fitted(np.column_stack([score, dummies, dummies * score[:, None]]), chosen)
    if main is None or product is None:
        return NotEstimable(
            f"{what} is not tested: these deaths do not determine the effects in each level."
        )
    ratio = 2 * (product.log_likelihood - main.log_likelihood)
    freedom = len(levels) - 1
    return InteractionTest(
        ratio,
        freedom,
        float(chdtrc(freedom, max(ratio, 0.0))),
        n=chosen.n,
        n_events=chosen.n_events,
    )


def _ratio(
    survival: Survival, predicted_survival: NDArray[np.float64], days: int, confidence: float
) -> ObservedExpected | NotEstimable:
    found = calibrate_at(survival, predicted_survival, days, confidence, plotted=False)
    return found.ratio if isinstance(found, HorizonCalibration) else found
