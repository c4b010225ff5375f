"""Optimism is taken off, and samples without a model are not passed over."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.combined.combined_model import CombinedModel
from models.combined.optimism import validate_internally
from models.errors import TrainingError
from models.survival.concordance import training_concordance
from tests.support.training_cohorts import Cohort, make_cohort


@pytest.mark.slow
def test_optimism_is_taken_off(cohort: Cohort, model: CombinedModel) -> None:
    found = validate_internally(model, cohort.features, cohort.survival, resamples=8, seed=3)
    assert (found.resamples, found.failed) == (8, 0)
    others = make_cohort(n=1500, seed=77)
    truth = training_concordance(others.survival, model.linear_predictor(others.features)).estimate
    assert found.concordance > found.corrected_concordance > found.out_of_bag
    assert abs(found.corrected_concordance - truth) < abs(found.concordance - truth)
    assert found.out_of_bag == pytest.approx(truth, abs=0.03)
    assert found.calibration_slope < 1
    assert set(found.stability) == set(model.features)
    assert 0 <= min(found.stability.values()) < 0.5 < max(found.stability.values()) <= 1


def test_the_order_of_patients_does_not_matter(cohort: Cohort, model: CombinedModel) -> None:
    order = np.random.default_rng(0).permutation(cohort.survival.n)
    features, survival = cohort.features.iloc[order], cohort.survival.subset(order)
    again = validate_internally(model, features, survival, resamples=1, seed=3)
    assert again == validate_internally(
        model, cohort.features, cohort.survival, resamples=1, seed=3
    )


def test_samples_without_a_model_are_not_passed_over(cohort: Cohort, model: CombinedModel) -> None:
    shape, index, columns = cohort.features.shape, cohort.features.index, cohort.features.columns
    with pytest.raises(TrainingError, match="Only 0 of 3 bootstrap samples"):
        validate_internally(
            model, pd.DataFrame(np.ones(shape), index, columns), cohort.survival, resamples=3
        )
