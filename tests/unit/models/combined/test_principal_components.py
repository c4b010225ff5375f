"""Principal components: an orthonormal rotation whose signs follow a rule."""

from __future__ import annotations

import numpy as np
import pytest

from models.combined.principal_components import PrincipalComponents, fit_principal_components
from models.errors import TrainingError


def test_components_are_uncorrelated_and_explain_what_they_say() -> None:
    random = np.random.default_rng(0)
    z = random.normal(size=(80, 3)) @ random.normal(size=(3, 8)) + 0.2 * random.normal(size=(80, 8))
    components, explained = fit_principal_components(z)
    k = components.loadings.shape[1]
    assert k < 8
    assert explained >= 0.95
    np.testing.assert_allclose(components.loadings.T @ components.loadings, np.eye(k), atol=1e-12)
    covariance = np.cov(components.scores(z).T)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-10)
    assert np.trace(covariance) / np.trace(np.cov(z.T)) == pytest.approx(explained)
    assert fit_principal_components(z, variance=explained - 1e-6)[0].loadings.shape[1] == k
    assert fit_principal_components(z, variance=1.0)[0].loadings.shape[1] == 8


def test_signs_follow_the_largest_loading() -> None:
    z = np.random.default_rng(1).normal(size=(50, 5))
    loadings = fit_principal_components(z, variance=1.0)[0].loadings
    assert (loadings[np.abs(loadings).argmax(axis=0), np.arange(5)] > 0).all()
    np.testing.assert_allclose(
        fit_principal_components(-z, variance=1.0)[0].loadings, loadings, atol=1e-10
    )


def test_one_feature_is_its_own_component() -> None:
    components, explained = fit_principal_components(np.array([[1.0], [2.0], [4.0]]))
    assert components.loadings.tolist() == [[1.0]]
    assert explained == pytest.approx(1.0)


def test_what_has_no_components_is_refused() -> None:
    with pytest.raises(TrainingError, match="at least two patients"):
        fit_principal_components(np.ones((1, 3)))
    with pytest.raises(TrainingError, match="do not vary"):
        fit_principal_components(np.ones((5, 3)))
    with pytest.raises(TrainingError, match="expected one row each"):
        PrincipalComponents(np.zeros(2), np.ones((3, 1)))
    with pytest.raises(TrainingError, match="not a finite number"):
        PrincipalComponents(np.zeros(1), np.full((1, 1), np.nan))
