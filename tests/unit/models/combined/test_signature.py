"""A signature reads its own block, and says what to do when nothing is left to read."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from models.bundle.records import from_record, to_record
from models.combined.feature_selection import ZScore
from models.combined.signature import (
    SelectionSettings,
    SelectionSummary,
    Signature,
    block_columns,
    train_signature,
)
from models.errors import NoFeatureSelectedError, TrainingError
from models.survival.lasso_cross_validation import LambdaRule
from tests.support.training_cohorts import Cohort, make_cohort

SUMMARY = SelectionSummary(3, 0, 2, 1, 0.1, 9.0)


def test_a_signature_follows_the_hazard_in_patients_it_never_saw(cohort: Cohort) -> None:
    signature = train_signature("gtv", cohort.features, cohort.survival, seed=1)
    others = make_cohort(seed=77)
    assert all(feature.startswith("gtv:") for feature in signature.features)
    assert np.corrcoef(signature.values(others.features), others.log_hazard)[0, 1] > 0.8
    steps = signature.selection
    assert (
        steps.n_offered == 30 >= steps.n_significant >= steps.n_selected == len(signature.features)
    )


def test_its_value_is_the_weighted_sum_of_z_scores() -> None:
    signature = Signature(
        "gtv",
        ZScore(("gtv:a", "gtv:b"), np.array([1.0, 2.0]), np.array([2.0, 4.0])),
        np.array([0.5, -1.0]),
        SUMMARY,
    )
    table = pd.DataFrame({"gtv:b": [6.0], "gtv:a": [5.0]})
    assert signature.values(table).tolist() == [0.5 * 2 - 1.0 * 1]


def test_one_standard_error_keeps_fewer_features_that_still_follow_the_hazard(
    cohort: Cohort,
) -> None:
    rule = SelectionSettings(lambda_rule=LambdaRule.ONE_STANDARD_ERROR)
    full = train_signature("gtv", cohort.features, cohort.survival, seed=1)
    lean = train_signature("gtv", cohort.features, cohort.survival, seed=1, settings=rule)
    assert len(lean.features) < len(full.features)
    assert lean.selection.penalty > full.selection.penalty
    assert lean.selection.deviance >= full.selection.deviance
    others = make_cohort(seed=77)
    assert np.corrcoef(lean.values(others.features), others.log_hazard)[0, 1] > 0.8


def test_it_survives_json(cohort: Cohort) -> None:
    signature = train_signature("gtv", cohort.features, cohort.survival, seed=1)
    again = from_record(Signature, json.loads(json.dumps(to_record(signature))))
    assert to_record(again) == to_record(signature)
    np.testing.assert_array_equal(again.values(cohort.features), signature.values(cohort.features))


def test_the_seed_decides_the_folds_only(cohort: Cohort) -> None:
    first = train_signature("gtv", cohort.features, cohort.survival, seed=1)
    again = train_signature("gtv", cohort.features, cohort.survival, seed=1)
    assert to_record(again) == to_record(first)


def test_no_associated_feature(cohort: Cohort) -> None:
    ones = pd.DataFrame({"gtv:a": np.ones(120), "gtv:b": np.ones(120)}, index=cohort.features.index)
    with pytest.raises(
        NoFeatureSelectedError, match=r"None of 2 features of block gtv .* without this block"
    ) as empty:
        train_signature("gtv", ones, cohort.survival)
    assert empty.value.block == "gtv"


def test_an_empty_lasso(cohort: Cohort) -> None:
    noise = np.random.default_rng(4).normal(size=(120, 40))
    table = pd.DataFrame(noise, columns=[f"gtv:{column}" for column in range(40)])
    rule = SelectionSettings(lambda_rule=LambdaRule.ONE_STANDARD_ERROR)
    with pytest.raises(NoFeatureSelectedError, match="The Lasso keeps none of"):
        train_signature("gtv", table, cohort.survival, seed=0, settings=rule)


def test_an_absent_block(cohort: Cohort) -> None:
    with pytest.raises(TrainingError, match="no feature column of block deep"):
        train_signature("deep", cohort.features, cohort.survival)


def test_columns_of_a_block_whose_name_begins_another(cohort: Cohort) -> None:
    table = cohort.features.assign(**{"gtv_boost:000": 1.0})
    assert len(block_columns(table, "gtv").columns) == 30


@pytest.mark.parametrize(
    ("features", "coefficients", "sentence"),
    [
        (("gtv:a",), [0.0], "is 0 or not finite"),
        (("gtv:a",), [np.nan], "is 0 or not finite"),
        (("gtv:a",), [1.0, 2.0], "1 feature and 2 coefficients"),
        (("deep:a",), [1.0], "of another block: deep:a"),
    ],
)
def test_an_invalid_signature_cannot_exist(
    features: tuple[str, ...], coefficients: list[float], sentence: str
) -> None:
    z_score = ZScore(features, np.zeros(len(features)), np.ones(len(features)))
    with pytest.raises(TrainingError, match=sentence):
        Signature("gtv", z_score, np.array(coefficients), SUMMARY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha": 0.0},
        {"n_folds": 1},
        {"n_lambdas": 1},
        {"lambda_ratio": 1.0},
        {"lambda_rule": "2se"},
    ],
)
def test_settings_out_of_range(wrong: dict[str, object]) -> None:
    with pytest.raises(TrainingError):
        SelectionSettings(**wrong)  # type: ignore[arg-type]


def test_a_rule_may_be_given_by_its_name() -> None:
    settings = SelectionSettings(lambda_rule="1se")  # type: ignore[arg-type]
    assert settings.lambda_rule is LambdaRule.ONE_STANDARD_ERROR
