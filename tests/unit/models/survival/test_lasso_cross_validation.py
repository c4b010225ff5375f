"""The penalty is chosen as R chooses it, and folds are drawn fairly."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import TrainingError
from models.survival.lasso_cross_validation import (
    LambdaRule,
    LassoCrossValidation,
    assign_folds,
    cross_validate_lasso,
    lasso_lambdas,
)
from models.survival.survival_data import Survival
from tests.support.training_cohorts import Cohort


def test_cross_validation_prefers_signal_to_noise(cohort: Cohort) -> None:
    random = np.random.default_rng(4)
    noise = random.normal(size=(cohort.survival.n, 20))
    z = np.column_stack([cohort.log_hazard, noise])
    folds = assign_folds(cohort.survival, 10, seed=0)
    result = cross_validate_lasso(
        z, cohort.survival, lasso_lambdas(z, cohort.survival, count=30, ratio=0.05), folds
    )
    assert result.coefficients[0, result.index_min] > 0.3
    assert result.deviance[result.index_min] < result.deviance[0]
    assert result.deviance[result.index_min] == result.deviance.min()


@pytest.mark.parametrize(
    ("deviance", "error_at_min", "expected"),
    [
        ([10.0, 9.4, 9.2, 9.0, 9.1], 0.3, 2),  # within the error, not the nearest to its edge
        ([10.0, 9.2, 9.4, 9.0, 9.1], 0.3, 1),  # the largest penalty within it, even before a hump
        ([10.0, 9.25, 9.2, 9.0, 9.1], 0.25, 1),  # exactly one standard error is within
        ([10.0, 9.4, 9.2, 9.0, 9.1], 2.0, 0),
        ([10.0, 9.4, 9.2, 9.0, 9.1], 0.0, 3),
        ([9.0, 9.4, 9.2, 9.6, 9.9], 0.3, 0),
    ],
)
def test_one_standard_error_above_the_smallest_deviance(
    deviance: list[float], error_at_min: float, expected: int
) -> None:
    lambdas = np.geomspace(1.0, 0.1, 5)
    errors = np.full(5, 5.0)  # only the error at the smallest deviance counts
    errors[np.argmin(deviance)] = error_at_min
    result = LassoCrossValidation(
        lambdas, np.zeros((2, 5)), np.array(deviance), errors, int(np.argmin(deviance))
    )
    assert result.index(LambdaRule.ONE_STANDARD_ERROR) == result.index_1se == expected
    assert result.index(LambdaRule.MIN) == result.index_min
    assert lambdas[result.index_1se] == lambdas[expected] >= lambdas[result.index_min]


def test_folds_share_deaths_evenly(cohort: Cohort) -> None:
    folds = assign_folds(cohort.survival, 10, seed=2)
    deaths = np.bincount(folds[cohort.survival.event], minlength=10)
    assert np.ptp(deaths) <= 1
    assert np.ptp(np.bincount(folds, minlength=10)) <= 1
    np.testing.assert_array_equal(folds, assign_folds(cohort.survival, 10, seed=2))
    assert (folds != assign_folds(cohort.survival, 10, seed=3)).any()


def test_too_few_deaths_for_the_folds() -> None:
    survival = Survival(np.arange(1.0, 31.0), np.arange(30) < 9)
    with pytest.raises(TrainingError, match="9 deaths cannot be shared among 10 folds"):
        assign_folds(survival, 10, seed=0)


def test_a_path_that_stops_is_cross_validated_as_far_as_it_goes(cohort: Cohort) -> None:
    z = cohort.features.to_numpy()[:, :8]
    folds = assign_folds(cohort.survival, 5, seed=1)
    lambdas = lasso_lambdas(z, cohort.survival)
    found = cross_validate_lasso(z, cohort.survival, lambdas, folds, stops=True)
    m = found.lambdas.size
    assert m < 100
    assert found.deviance.shape == found.deviance_error.shape == (m,)
    assert found.coefficients.shape == (8, m)
    whole = cross_validate_lasso(z, cohort.survival, lambdas[:m], folds)
    np.testing.assert_allclose(found.deviance[:20], whole.deviance[:20], atol=1e-12)
    np.testing.assert_allclose(found.deviance, whole.deviance, atol=0.02)
