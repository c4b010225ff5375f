"""The loss is Efron's partial likelihood, that of the Cox regression and of lifelines, divided by
the deaths.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.survival.cox_regression import fit_cox
from models.survival.survival_data import Survival
from tests.support.training_cohorts import Cohort


def loss(days: object, event: object, eta: object) -> float:
    from models.network.cox_loss import negative_cox_log_likelihood

    outcome = np.column_stack([np.asarray(days), np.asarray(event)]).astype(np.float32)
    return float(
        negative_cox_log_likelihood(outcome, np.asarray(eta, dtype=np.float32).reshape(-1, 1))
    )


@pytest.mark.slow
def test_by_hand() -> None:
    # Day 1: all three at risk; day 2 is censored; day 3: only the last, which adds log(1) = 0.
    eta = np.array([0.2, -0.4, 0.7])
    expected = -(0.2 - np.log(np.exp(eta).sum()) + 0.0) / 2
    assert loss([1, 2, 3], [1, 0, 1], eta) == pytest.approx(expected, rel=1e-6)


def test_it_is_efron_s_partial_likelihood_as_lifelines_has_it() -> None:
    from lifelines import CoxPHFitter

    rng = np.random.default_rng(2)
    covariate = rng.normal(size=40)
    days, event = np.ceil(rng.exponential(8 / np.exp(covariate))), rng.random(40) < 0.7
    assert np.unique(days[event]).size < event.sum()  # there are ties
    frame = pd.DataFrame({"x": covariate, "days": days, "event": event})
    peer = CoxPHFitter().fit(frame, "days", "event")
    eta = covariate * float(peer.params_["x"])
    assert loss(days, event, eta) * event.sum() == pytest.approx(
        -float(peer.log_likelihood_), abs=1e-4
    )


def test_its_gradient_is_that_of_finite_differences() -> None:
    import tensorflow as tf

    from models.network.cox_loss import negative_cox_log_likelihood

    rng = np.random.default_rng(3)
    days, event, eta = rng.integers(1, 6, 12), rng.random(12) < 0.7, rng.normal(size=12)
    outcome = np.column_stack([days, event]).astype(np.float64)
    position = tf.Variable(eta[:, None])
    with tf.GradientTape() as tape:
        value = negative_cox_log_likelihood(outcome, position)
    gradient = np.asarray(tape.gradient(value, position))[:, 0]
    step = 1e-6
    for row in range(12):
        up, down = (
            float(
                negative_cox_log_likelihood(
                    outcome, (eta + sign * step * (np.arange(12) == row))[:, None]
                )
            )
            for sign in (1, -1)
        )
        assert gradient[row] == pytest.approx((up - down) / (2 * step), abs=1e-7)


def test_it_is_the_likelihood_of_the_cox_regression(cohort: Cohort) -> None:
    fit = fit_cox(cohort.log_hazard[:, None], cohort.survival)
    survival = cohort.survival
    truth = loss(survival.days, survival.event, fit.linear_predictor(cohort.log_hazard[:, None]))
    assert truth * survival.n_events == pytest.approx(-fit.log_likelihood, rel=1e-5)


def test_order_and_level_do_not_matter(cohort: Cohort) -> None:
    survival: Survival = cohort.survival
    order = np.random.default_rng(0).permutation(survival.n)
    plain = loss(survival.days, survival.event, cohort.log_hazard)
    other = loss(survival.days[order], survival.event[order], cohort.log_hazard[order] + 3.0)
    assert other == pytest.approx(plain, rel=1e-5)


def test_a_batch_without_deaths_has_no_loss() -> None:
    assert loss([1, 2], [0, 0], [0.5, -0.5]) == 0.0
