"""The combined model predicts in patients it never saw, and refuses what it was not trained on."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from models.bundle.records import from_record, to_record
from models.combined.combined_model import (
    EVENTS_PER_COMPONENT,
    CombinedModel,
    one_patient,
    train_combined_model,
)
from models.combined.signature import SelectionSettings
from models.errors import FeatureMismatchError, NoFeatureSelectedError, TrainingError
from models.survival.lasso_cross_validation import LambdaRule
from models.survival.survival_data import Survival
from tests.support.training_cohorts import Cohort, make_cohort

BLOCKS = ("gtv", "ring_6mm")
LEAN = LambdaRule.ONE_STANDARD_ERROR


def test_it_follows_the_hazard_in_patients_it_never_saw(model: CombinedModel) -> None:
    others = make_cohort(n=300, seed=77)
    risks = model.score(others.features)
    lp = np.array([risk.linear_predictor for risk in risks])
    assert np.corrcoef(lp, others.log_hazard)[0, 1] > 0.85
    high = np.array([risk.high_risk for risk in risks])
    assert 0.4 < high.mean() < 0.6
    assert others.survival.days[high].mean() < others.survival.days[~high].mean()
    # Predicted survival at one year agrees with the share that was alive (nobody is censored
    # before).
    predicted = np.mean([risk.survival[365] for risk in risks])
    assert predicted == pytest.approx(np.mean(others.survival.days > 365), abs=0.08)


def test_the_linear_predictor_is_centred_and_its_median_is_the_cut_off(
    cohort: Cohort, model: CombinedModel
) -> None:
    lp = model.linear_predictor(cohort.features)
    assert lp.mean() == pytest.approx(0, abs=1e-10)
    assert model.cutoff == pytest.approx(np.median(lp), abs=1e-12)
    assert sum(risk.high_risk for risk in model.score(cohort.features)) == cohort.survival.n // 2


def test_every_part_of_a_risk_agrees_with_the_others(cohort: Cohort, model: CombinedModel) -> None:
    for risk in model.score(cohort.features)[:10]:
        assert set(risk.contributions) == set(BLOCKS)
        assert sum(risk.contributions.values()) == pytest.approx(risk.linear_predictor, abs=1e-12)
        assert risk.high_risk == (risk.linear_predictor > model.cutoff)
        expected = np.exp(-model.baseline.at([365, 730, 1095]) * np.exp(risk.linear_predictor))
        np.testing.assert_allclose(list(risk.survival.values()), expected)
        assert 1 > risk.survival[365] > risk.survival[730] > risk.survival[1095] > 0


def test_one_patient_alone_gets_the_same_risk(cohort: Cohort, model: CombinedModel) -> None:
    together = model.score(cohort.features)
    for row in (0, 7, 119):
        assert model.score(cohort.features.iloc[[row]]) == (together[row],)
    assert model.score(cohort.features.iloc[:0]) == ()


def test_only_the_model_s_columns_are_read(cohort: Cohort, model: CombinedModel) -> None:
    needed = cohort.features[list(model.features)]
    assert model.score(needed) == model.score(cohort.features)
    values = model.signature_values(needed)
    assert list(values.columns) == list(BLOCKS)
    assert values.index.equals(needed.index)


def test_training_does_not_depend_on_the_order_of_patients(
    cohort: Cohort, model: CombinedModel
) -> None:
    order = np.random.default_rng(0).permutation(cohort.survival.n)
    again = train_combined_model(
        cohort.features.iloc[order],
        cohort.survival.subset(order),
        seed=1,
        blocks=("gtv", "ring_6mm"),
    )
    assert to_record(again) == to_record(model)


def test_it_survives_json_to_the_last_bit(cohort: Cohort, model: CombinedModel) -> None:
    again = from_record(CombinedModel, json.loads(json.dumps(to_record(model))))
    assert to_record(again) == to_record(model)
    assert again.score(cohort.features) == model.score(cohort.features)


def test_too_many_components_for_the_deaths_are_said_to_be(model: CombinedModel) -> None:
    per_component = model.training.n_events / model.cox_coefficients.size
    assert per_component < EVENTS_PER_COMPONENT
    (warning,) = model.training.warnings
    assert (
        f"{model.cox_coefficients.size} components for {model.training.n_events} deaths" in warning
    )
    assert (
        from_record(CombinedModel, json.loads(json.dumps(to_record(model)))).training
        == model.training
    )


def test_enough_deaths_per_component_need_no_warning(cohort: Cohort) -> None:
    lean = train_combined_model(
        cohort.features,
        cohort.survival,
        seed=1,
        blocks=BLOCKS,
        settings=SelectionSettings(lambda_rule=LEAN),
    )
    assert lean.training.n_events >= EVENTS_PER_COMPONENT * lean.cox_coefficients.size
    assert lean.training.warnings == ()
    record = json.loads(json.dumps(to_record(lean)))
    assert record["training"]["settings"]["lambda_rule"] == "1se"
    assert from_record(CombinedModel, record).training.settings.lambda_rule is LEAN


@pytest.mark.slow
def test_deep_features_need_the_network() -> None:
    cohort = make_cohort(blocks=("gtv", "ring_6mm", "deep"))
    with_network = train_combined_model(cohort.features, cohort.survival, seed=1)
    assert with_network.needs_network
    assert with_network.blocks == ("gtv", "ring_6mm", "deep")
    without = train_combined_model(cohort.features, cohort.survival, seed=1, blocks=BLOCKS)
    assert not without.needs_network


@pytest.mark.slow
def test_what_cannot_be_trained_is_refused(cohort: Cohort) -> None:
    features, survival = cohort.features, cohort.survival
    with pytest.raises(FeatureMismatchError, match="features of 119 patients and outcomes of 120"):
        train_combined_model(features.iloc[1:], survival, seed=0, blocks=BLOCKS)
    with pytest.raises(FeatureMismatchError, match="1 row of features repeats a patient"):
        train_combined_model(
            features.set_axis(["p", "p", *features.index[2:]]), survival, seed=0, blocks=BLOCKS
        )
    with pytest.raises(TrainingError, match="no feature column of block deep"):
        train_combined_model(features, survival, seed=0)
    with pytest.raises(TrainingError, match="empty or repeat"):
        train_combined_model(features, survival, seed=0, blocks=("gtv", "gtv"))
    with pytest.raises(TrainingError, match="Survival at 9999 days cannot be predicted"):
        train_combined_model(features, survival, seed=0, blocks=BLOCKS, horizons=(365, 9999))
    constant = features.copy()
    constant.loc[:, [column.startswith("ring") for column in constant.columns]] = 1.0
    with pytest.raises(NoFeatureSelectedError, match="block ring_6mm"):
        train_combined_model(constant, survival, seed=0, blocks=BLOCKS)


def test_five_deaths_are_too_few(cohort: Cohort) -> None:
    few = Survival(cohort.survival.days, np.arange(120) < 5)
    with pytest.raises(TrainingError, match="5 deaths cannot be shared among 10 folds"):
        train_combined_model(cohort.features, few, seed=0, blocks=BLOCKS)


def test_features_that_do_not_fit_are_refused(cohort: Cohort, model: CombinedModel) -> None:
    with pytest.raises(FeatureMismatchError, match="absent"):
        model.score(cohort.features.drop(columns=model.features[0]))
    hole = cohort.features.copy()
    hole.loc["patient003", model.features[1]] = np.inf
    with pytest.raises(FeatureMismatchError, match="missing or infinite"):
        model.score(hole)


@pytest.mark.parametrize("seed", range(8))
def test_of_61_patients_30_lie_above_the_median(seed: int) -> None:
    """The median patient is scored with the same bits as the cut-off."""
    cohort = make_cohort(n=61, columns=4, seed=seed, blocks=("gtv",))
    noise = np.random.default_rng(seed).normal(size=61)
    features = cohort.features.assign(**{"gtv:planted": cohort.log_hazard + 0.3 * noise})
    settings = SelectionSettings(n_folds=4, n_lambdas=10, lambda_ratio=0.05)
    model = train_combined_model(
        features, cohort.survival, seed=1, blocks=("gtv",), horizons=(365,), settings=settings
    )
    assert sum(risk.high_risk for risk in model.score(features)) == 30


def test_a_penalty_at_the_end_of_its_path_is_a_warning(cohort: Cohort) -> None:
    settings = SelectionSettings(n_lambdas=4, lambda_ratio=0.8)
    model = train_combined_model(
        cohort.features, cohort.survival, seed=1, blocks=("gtv",), settings=settings
    )
    assert model.signatures[0].selection.at_path_end
    (sentence,) = (text for text in model.training.warnings if "path" in text)
    penalty = model.signatures[0].selection.penalty
    assert f"block gtv takes the smallest penalty of its path, {penalty:.3g}: a" in sentence


def test_one_patient_is_the_table_of_a_mapping() -> None:
    features = {"gtv:a": 1.5, "deep:1": -0.1, "ring_6mm:b": 1e-300}
    pd.testing.assert_frame_equal(one_patient(features), pd.DataFrame([features]))
