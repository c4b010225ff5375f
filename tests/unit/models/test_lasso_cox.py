"""The Lasso path meets its optimality conditions, and its folds are drawn fairly."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import TrainingError
from models.feature_selection import fit_z_score
from models.lasso_cox import (
    LambdaRule,
    LassoCrossValidation,
    assign_folds,
    cross_validate_lasso,
    lasso_lambdas,
    lasso_path,
    partial_deviance,
)
from models.survival_data import Survival
from tests.unit.models.conftest import Cohort


def test_the_path_is_optimal(cohort: Cohort) -> None:
    z_score, _ = fit_z_score(cohort.features)
    z = z_score.apply(cohort.features)
    z /= z.std(axis=0)
    lambdas = lasso_lambdas(z, cohort.survival, count=20)
    path = lasso_path(z, cohort.survival, lambdas)
    step = 1e-5
    for position in (0, 5, 12, 19):
        beta, penalty = path[:, position], lambdas[position]
        # Karush, Kuhn and Tucker: the gradient is the penalty where a feature is in, and not above it elsewhere.
        moved = beta[:, None] + step * np.hstack([np.eye(beta.size), -np.eye(beta.size)])
        deviance = partial_deviance(z, cohort.survival, moved)
        gradient = -np.diff(deviance.reshape(2, -1)[::-1], axis=0)[0] / (2 * step) / (2 * cohort.survival.n)
        active = beta != 0
        np.testing.assert_allclose(gradient[active], penalty * np.sign(beta[active]), atol=1e-5)
        assert (np.abs(gradient[~active]) <= penalty + 1e-5).all()
    assert (path[:, 0] == 0).all()
    assert (np.count_nonzero(path, axis=0)[[5, 19]] > 0).all()


def test_units_change_the_coefficients_only_by_their_scale(cohort: Cohort) -> None:
    z_score, _ = fit_z_score(cohort.features)
    z = z_score.apply(cohort.features)
    lambdas = lasso_lambdas(z, cohort.survival, count=10)
    scale = np.geomspace(0.1, 10, z.shape[1])
    ours = lasso_path(z * scale, cohort.survival, lambdas) * scale[:, None]
    np.testing.assert_allclose(ours, lasso_path(z, cohort.survival, lambdas), atol=1e-6)


def test_a_constant_column_gets_no_coefficient(cohort: Cohort) -> None:
    z_score, _ = fit_z_score(cohort.features)
    z = np.insert(z_score.apply(cohort.features), 3, 1.0, axis=1)
    path = lasso_path(z, cohort.survival, lasso_lambdas(z, cohort.survival, count=10))
    assert (path[3] == 0).all()
    assert np.count_nonzero(path[:, -1]) > 0


def test_cross_validation_prefers_signal_to_noise(cohort: Cohort) -> None:
    random = np.random.default_rng(4)
    noise = random.normal(size=(cohort.survival.n, 20))
    z = np.column_stack([cohort.log_hazard, noise])
    folds = assign_folds(cohort.survival, 10, seed=0)
    result = cross_validate_lasso(z, cohort.survival, lasso_lambdas(z, cohort.survival, count=30), folds)
    assert result.coefficients_min[0] > 0.3
    assert result.deviance[result.index_min] < result.deviance[0]
    assert result.lambda_min == result.lambdas[result.index_min]


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
    result = LassoCrossValidation(lambdas, np.zeros((2, 5)), np.array(deviance), errors, int(np.argmin(deviance)))
    assert result.index(LambdaRule.ONE_STANDARD_ERROR) == result.index_1se == expected
    assert result.lambda_1se == lambdas[expected] >= result.lambda_min
    assert result.index(LambdaRule.MIN) == result.index_min


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
