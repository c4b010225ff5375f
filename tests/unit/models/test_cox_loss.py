"""The loss is the partial likelihood of the Cox regression, divided by the deaths."""

from __future__ import annotations

import numpy as np
import pytest

from models.lasso_cox import partial_deviance
from models.survival_data import Survival
from tests.unit.models.conftest import Cohort


def loss(days: object, event: object, eta: object) -> float:
    from models.cox_loss import negative_cox_log_likelihood

    outcome = np.column_stack([np.asarray(days), np.asarray(event)]).astype(np.float32)
    return float(negative_cox_log_likelihood(outcome, np.asarray(eta, dtype=np.float32).reshape(-1, 1)))


def test_by_hand() -> None:
    # Day 1: all three at risk; day 2 is censored; day 3: only the last, which adds log(1) = 0.
    eta = np.array([0.2, -0.4, 0.7])
    expected = -(0.2 - np.log(np.exp(eta).sum()) + 0.0) / 2
    assert loss([1, 2, 3], [1, 0, 1], eta) == pytest.approx(expected, rel=1e-6)


def test_it_is_breslow_s_partial_likelihood(cohort: Cohort) -> None:
    survival = cohort.survival
    deviances = partial_deviance(cohort.log_hazard[:, None], survival, np.array([[0.0, 1.0]]))
    gain = (deviances[0] - deviances[1]) / 2 / survival.n_events
    zero = loss(survival.days, survival.event, np.zeros(survival.n))
    truth = loss(survival.days, survival.event, cohort.log_hazard)
    assert zero - truth == pytest.approx(gain, abs=1e-5)
    assert gain > 0.1


def test_order_and_level_do_not_matter(cohort: Cohort) -> None:
    survival: Survival = cohort.survival
    order = np.random.default_rng(0).permutation(survival.n)
    plain = loss(survival.days, survival.event, cohort.log_hazard)
    other = loss(survival.days[order], survival.event[order], cohort.log_hazard[order] + 3.0)
    assert other == pytest.approx(plain, rel=1e-5)


def test_a_batch_without_deaths_has_no_loss() -> None:
    assert loss([1, 2], [0, 0], [0.5, -0.5]) == 0.0
