"""The Lasso path meets its optimality conditions, also where features are copies or nearly so."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.combined.feature_selection import fit_z_score
from models.errors import NotConvergedError
from models.survival.lasso_cross_validation import lasso_lambdas, partial_deviance
from models.survival.lasso_path import lasso_path
from models.survival.survival_data import Survival
from tests.support.training_cohorts import Cohort

Array = NDArray[np.float64]


def z_scores(cohort: Cohort) -> Array:
    z = fit_z_score(cohort.features)[0].apply(cohort.features)
    return np.asarray(z / z.std(axis=0))


def worst_violation(z: Array, survival: Survival, path: Array, lambdas: Array) -> float:
    """Karush, Kuhn and Tucker: the gradient is the penalty where a feature is in, and not above it
    elsewhere.
    """
    worst = 0.0
    for penalty, beta in zip(lambdas, path.T, strict=True):
        weights = np.exp(z @ beta)
        at_risk = (survival.days >= survival.days[survival.event, None]) * weights
        gradient = (z[survival.event] - at_risk @ z / at_risk.sum(axis=1, keepdims=True)).sum(
            axis=0
        ) / survival.n
        inside = np.abs(gradient - penalty * np.sign(beta))
        worst = max(
            worst, np.where(beta != 0, inside, np.maximum(np.abs(gradient) - penalty, 0)).max()
        )
    return worst


def test_the_path_is_optimal(cohort: Cohort) -> None:
    z = z_scores(cohort)
    lambdas = lasso_lambdas(z, cohort.survival, count=20, ratio=0.05)
    path = lasso_path(z, cohort.survival, lambdas)
    assert worst_violation(z, cohort.survival, path, lambdas) < 1e-11
    assert (path[:, 0] == 0).all()
    assert (np.count_nonzero(path, axis=0)[[5, 19]] > 0).all()


def test_it_is_never_worse_than_scikit_survival(cohort: Cohort) -> None:
    from sksurv.linear_model import CoxnetSurvivalAnalysis
    from sksurv.util import Surv

    z = z_scores(cohort)
    lambdas = lasso_lambdas(z, cohort.survival, count=20, ratio=0.05)[1:]
    peer = CoxnetSurvivalAnalysis(
        l1_ratio=1.0, alphas=lambdas, normalize=False, tol=1e-14, max_iter=1_000_000
    )
    theirs = peer.fit(z, Surv.from_arrays(cohort.survival.event, cohort.survival.days)).coef_
    ours = lasso_path(z, cohort.survival, lambdas)[:, : theirs.shape[1]]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    lost = [
        partial_deviance(z, cohort.survival, beta) / (2 * cohort.survival.n)
        + lambdas[: theirs.shape[1]] * np.abs(beta).sum(axis=0)
        for beta in (ours, theirs)
    ]
    assert (lost[0] <= lost[1] + 1e-14).all()


def test_copies_share_nothing_and_change_nothing(cohort: Cohort) -> None:
    z = z_scores(cohort)
    random = np.random.default_rng(1)
    nearly = z[:, :5] + 1e-7 * random.normal(size=(cohort.survival.n, 5))
    with_copies = np.hstack([z, 3 * z[:, :10], -z[:, 10:20], nearly])
    lambdas = lasso_lambdas(with_copies, cohort.survival, count=30, ratio=0.05)
    path = lasso_path(with_copies, cohort.survival, lambdas)
    scale = with_copies.std(axis=0)
    assert (
        worst_violation(with_copies / scale, cohort.survival, path * scale[:, None], lambdas)
        < 1e-11
    )
    plain = lasso_path(z, cohort.survival, lambdas)
    np.testing.assert_allclose(with_copies @ path, z @ plain, atol=1e-5)


def test_more_features_than_patients_down_to_a_tiny_penalty(cohort: Cohort) -> None:
    few = cohort.survival.subset(np.arange(25))
    z = z_scores(cohort)[:25]
    z = (z - z.mean(axis=0)) / z.std(axis=0)
    lambdas = lasso_lambdas(z, few, count=30, ratio=0.01)
    path = lasso_path(z, few, lambdas)
    assert worst_violation(z, few, path, lambdas) < 1e-10
    assert np.count_nonzero(path[:, -1]) < 25


def test_units_change_the_coefficients_only_by_their_scale(cohort: Cohort) -> None:
    z = z_scores(cohort)
    lambdas = lasso_lambdas(z, cohort.survival, count=10, ratio=0.05)
    scale = np.geomspace(0.1, 10, z.shape[1])
    ours = lasso_path(z * scale, cohort.survival, lambdas) * scale[:, None]
    np.testing.assert_allclose(ours, lasso_path(z, cohort.survival, lambdas), atol=1e-11)


def test_a_constant_column_gets_no_coefficient(cohort: Cohort) -> None:
    z = np.insert(z_scores(cohort), 3, 1.0, axis=1)
    path = lasso_path(z, cohort.survival, lasso_lambdas(z, cohort.survival, count=10, ratio=0.05))
    assert (path[3] == 0).all()
    assert np.count_nonzero(path[:, -1]) > 0


def test_an_optimum_that_is_not_reached_is_not_given_out(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.survival.lasso_path._MOST_STEPS", 1)
    z = z_scores(cohort)
    with pytest.raises(NotConvergedError, match="from its optimum"):
        lasso_path(z, cohort.survival, lasso_lambdas(z, cohort.survival, count=10, ratio=0.05))


def test_a_path_stops_where_smaller_penalties_explain_no_more(cohort: Cohort) -> None:
    z = z_scores(cohort)[:, :8]
    lambdas = lasso_lambdas(z, cohort.survival)
    assert lambdas.size == 100
    assert lambdas[-1] / lambdas[0] == pytest.approx(1e-4)
    path = lasso_path(z, cohort.survival, lambdas, stops=True)
    m = path.shape[1]
    assert 5 <= m < 100
    np.testing.assert_array_equal(path, lasso_path(z, cohort.survival, lambdas[:m]))
    deviance = partial_deviance(z, cohort.survival, path)
    explained = 1 - deviance / deviance[0]
    assert explained[-1] - explained[-5] < 1e-3 * explained[-1]
    assert explained[-2] - explained[-6] >= 1e-3 * explained[-2]


def test_a_path_of_fewer_patients_than_features_ends_at_a_hundredth(cohort: Cohort) -> None:
    few = cohort.survival.subset(np.arange(20))
    lambdas = lasso_lambdas(z_scores(cohort)[:20], few)
    assert lambdas[-1] / lambdas[0] == pytest.approx(1e-2)
