"""Likeness to the training patients: nothing cried where nothing shifted, a shift found where there
is one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.support.scored_cohorts import made_cohort
from validation_reports.cohort.training_patients import TrainingPatients
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.cohort_shift import (
    CohortShift,
    Membership,
    ShiftVerdict,
    compare_with_training,
    stability_index,
)

MADE = made_cohort("T", 300, 1)
TRAINING = TrainingPatients(
    "T",
    MADE.linear_predictor,
    MADE.covariates,
    pd.DataFrame({"gtv:volume": np.exp(MADE.linear_predictor)}),
)


def test_patients_of_the_same_kind_are_alike() -> None:
    verdicts, inside = [], 0
    for seed in range(20):
        cohort = made_cohort("A", 100, 100 + seed)
        found = compare_with_training(TRAINING, cohort.linear_predictor, cohort.covariates, None)
        assert isinstance(found, CohortShift)
        assert isinstance(found.membership, Membership)
        verdicts.append(found.verdict)
        inside += found.membership.lower <= 0.5
    assert verdicts.count(ShiftVerdict.ALIKE) >= 16
    assert inside >= 18


def test_older_and_sicker_patients_are_very_different() -> None:
    cohort = made_cohort("A", 120, 2)
    older = cohort.covariates.assign(age=cohort.covariates["age"] + 12)
    volume = pd.DataFrame({"gtv:volume": 50 * np.exp(cohort.linear_predictor)})
    found = compare_with_training(TRAINING, cohort.linear_predictor + 1.2, older, volume)
    assert isinstance(found, CohortShift)
    assert found.verdict is ShiftVerdict.VERY_DIFFERENT
    assert isinstance(found.membership, Membership)
    assert found.membership.lower > 0.7
    by_name = {variable.name: variable for variable in found.variables}
    assert by_name["score"].shift > 0.25
    assert by_name["gtv:volume"].n_outside is not None
    assert by_name["gtv:volume"].n_outside > 60
    assert by_name["sex"].shift < 0.1


def test_the_stability_index_by_hand() -> None:
    index, chance = stability_index(np.array([50, 50]), np.array([80, 20]))
    p, q = np.array([50.5, 50.5]) / 101, np.array([80.5, 20.5]) / 101
    assert index == pytest.approx(((q - p) * np.log(q / p)).sum())
    assert chance == pytest.approx(6.634897 * (1 / 100 + 1 / 100)), (
        "99th percentile of chi-square with 1 df"
    )


def test_what_cannot_be_compared_is_a_sentence() -> None:
    few = made_cohort("A", 6, 3)
    for training in (None, TRAINING):
        found = compare_with_training(training, few.linear_predictor, few.covariates, None)
        assert isinstance(found, NotEstimable)
        assert found.sentence.endswith(".")


@pytest.mark.parametrize(
    "names", [("stage",), ("sex",), ("histology",), ("sex", "stage"), ("age",)]
)
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_what_is_not_recorded_makes_no_other_patients(names: tuple[str, ...], share: float) -> None:
    verdicts = []
    for seed in range(6):
        cohort = made_cohort("A", 100, 100 + seed)
        covariates = cohort.covariates.copy()
        unknown = np.random.default_rng(seed).random(100) < share
        for name in names:
            covariates.loc[unknown, name] = None
        found = compare_with_training(TRAINING, cohort.linear_predictor, covariates, None)
        assert isinstance(found, CohortShift)
        assert isinstance(found.membership, Membership)
        assert found.membership.lower < 0.6
        verdicts.append(found.verdict)
    assert verdicts.count(ShiftVerdict.ALIKE) >= 5


@pytest.mark.parametrize(
    ("of_training", "of_cohort"),
    [
        ({"I-II": "II", "III": "IIIA"}, {"I-II": "IIB", "III": "IIIA"}),
        ({"I-II": "IA", "III": "IIIB"}, {"I-II": "I", "III": "III"}),
    ],
)
def test_a_stage_told_more_finely_makes_no_other_patients(
    of_training: dict[str, str], of_cohort: dict[str, str]
) -> None:
    training = replace(
        TRAINING,
        covariates=MADE.covariates.assign(stage=MADE.covariates["stage"].map(of_training)),
    )
    cohort = made_cohort("A", 100, 101)
    stage = cohort.covariates["stage"].map(of_cohort)
    found = compare_with_training(
        training, cohort.linear_predictor, cohort.covariates.assign(stage=stage), None
    )
    assert isinstance(found, CohortShift)
    assert found.verdict is ShiftVerdict.ALIKE
    (stages,) = (one for one in found.variables if one.name == "stage")
    assert (stages.shift, stages.n_outside) == (0.0, 0)


def test_sub_stages_that_both_tell_are_compared() -> None:
    training = replace(TRAINING, covariates=MADE.covariates.assign(stage="IIIA"))
    cohort = made_cohort("A", 100, 101)
    found = compare_with_training(
        training, cohort.linear_predictor, cohort.covariates.assign(stage="IIIB"), None
    )
    assert isinstance(found, CohortShift)
    assert found.verdict is ShiftVerdict.VERY_DIFFERENT
