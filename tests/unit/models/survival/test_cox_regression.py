"""Cox regression against a likelihood written out by hand, against R's textbook data, and at its
edges.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.errors import NotConvergedError, TrainingError
from models.survival.cox_regression import fit_cox, univariate_cox
from models.survival.risk_sets import Ties
from models.survival.survival_data import Survival
from tests.support.training_cohorts import Cohort


def log_likelihood(
    x: NDArray[np.float64], survival: Survival, beta: NDArray[np.float64], ties: Ties
) -> float:
    """The partial log-likelihood as the textbook has it, one loop per sum."""
    eta, total = x @ beta, 0.0
    for day in np.unique(survival.days[survival.event]):
        at_risk = np.exp(eta[survival.days >= day]).sum()
        dying = np.flatnonzero((survival.days == day) & survival.event)
        for k, patient in enumerate(dying):
            share = k / dying.size if ties is Ties.EFRON else 0.0
            total += eta[patient] - np.log(at_risk - share * np.exp(eta[dying]).sum())
    return float(total)


@pytest.mark.parametrize("ties", list(Ties))
def test_the_estimate_maximises_the_textbook_likelihood(cohort: Cohort, ties: Ties) -> None:
    x = cohort.features.to_numpy()[:, :4]
    fit = fit_cox(x, cohort.survival, ties)
    assert fit.log_likelihood == pytest.approx(
        log_likelihood(x - fit.means, cohort.survival, fit.coefficients, ties)
    )
    assert fit.null_log_likelihood == pytest.approx(
        log_likelihood(x, cohort.survival, np.zeros(4), ties)
    )

    def loss(beta: NDArray[np.float64]) -> float:
        return -log_likelihood(x - fit.means, cohort.survival, beta, ties)

    best = minimize(loss, fit.coefficients + 0.01, tol=1e-12)
    np.testing.assert_allclose(fit.coefficients, best.x, atol=1e-5)


def test_one_tie_by_hand() -> None:
    # Two of three patients die on day 1, the third on day 2; x = 0, 1, 1. With b = exp(beta),
    # Efron's likelihood is b / [(1 + 2b) (1 + 2b - (1 + b) / 2)] = b / (0.5 + 2.5 b + 3 b^2),
    # largest where 3 b^2 = 0.5.
    fit = fit_cox(
        np.array([[0.0], [1.0], [1.0]]), Survival(np.array([1.0, 1.0, 2.0]), np.array([True] * 3))
    )
    assert np.exp(fit.coefficients[0]) == pytest.approx(np.sqrt(1 / 6))


def test_each_column_alone_is_a_model_of_one_covariate(cohort: Cohort) -> None:
    x = cohort.features.to_numpy()[:, :7]
    all_at_once = univariate_cox(x, cohort.survival)
    for column in range(x.shape[1]):
        alone = fit_cox(x[:, [column]], cohort.survival)
        assert all_at_once.coefficients[column] == pytest.approx(alone.coefficients[0], rel=1e-9)
        assert all_at_once.standard_errors[column] == pytest.approx(
            alone.standard_errors[0], rel=1e-9
        )
        assert all_at_once.p_values[column] == pytest.approx(alone.p_values[0], rel=1e-7)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-6, 1e9), shift=st.floats(-1e3, 1e3))
def test_units_do_not_change_the_p_value(seed: int, scale: float, shift: float) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(40, 1))
    survival = Survival(random.integers(1, 30, 40).astype(float), random.random(40) < 0.7)
    plain = univariate_cox(x, survival)
    other = univariate_cox((x + shift) * scale, survival)
    assert plain.estimable.all()
    np.testing.assert_allclose(other.p_values, plain.p_values, rtol=1e-5)
    np.testing.assert_allclose(other.coefficients * scale, plain.coefficients, rtol=1e-5)


def test_a_column_without_estimate_says_so_and_leaves_the_others_alone(cohort: Cohort) -> None:
    x = cohort.features.to_numpy()[:, :3].copy()
    x[:, 1] = 0.1 + 0.2
    separating = -cohort.survival.days
    result = univariate_cox(np.column_stack([x, separating]), cohort.survival)
    assert result.estimable.tolist() == [True, False, True, False]
    assert np.isnan(result.p_values[[1, 3]]).all()
    assert np.isfinite(result.p_values[[0, 2]]).all()


def test_thousands_of_columns_take_about_a_second() -> None:
    random = np.random.default_rng(0)
    survival = Survival(random.exponential(500, 200) + 1, random.random(200) < 0.8)
    x = random.normal(size=(200, 3144))
    begin = time.process_time()
    result = univariate_cox(x, survival)
    assert time.process_time() - begin < 3
    assert result.estimable.all()
    # Without any effect the p values are uniform: 5 % of them below 0.05, give or take.
    assert 0.03 < np.mean(result.p_values < 0.05) < 0.07


def test_what_cannot_be_fitted_is_refused(cohort: Cohort) -> None:
    x = cohort.features.to_numpy()[:, :2]
    n = cohort.survival.n
    with pytest.raises(TrainingError, match="collinear"):
        fit_cox(np.column_stack([x, x.sum(axis=1)]), cohort.survival)
    with pytest.raises(TrainingError, match="constant"):
        fit_cox(np.ones((n, 1)), cohort.survival)
    with pytest.raises(NotConvergedError, match="separates early from late deaths"):
        fit_cox(-cohort.survival.days[:, None], cohort.survival)
    with pytest.raises(TrainingError, match="None of the 120 patients died"):
        fit_cox(x, Survival(cohort.survival.days, np.zeros(n, dtype=bool)))
    with pytest.raises(TrainingError, match=r"shape \(119, 2\): expected 120 rows"):
        fit_cox(x[1:], cohort.survival)
    with pytest.raises(TrainingError, match="1 covariate value is missing"):
        univariate_cox(np.where(np.arange(n)[:, None] == 3, np.nan, x[:, :1]), cohort.survival)
