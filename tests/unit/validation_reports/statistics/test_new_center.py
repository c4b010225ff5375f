"""Few centres do not tell how centres differ, and the intervals say so."""

from __future__ import annotations

import numpy as np
import pytest

from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.new_center import (
    new_center_limits,
    pool_over_centers,
    telling_centers,
)
from validation_reports.statistics.random_effects import PooledEffect, Scale, pool_random_effects


def test_three_equal_centres_do_not_make_a_new_one_sure() -> None:
    found = pool_over_centers([0.7, 0.7, 0.7], [0.02, 0.02, 0.02], Scale.LOGIT, "Harrell's C")
    assert isinstance(found, PooledEffect)
    assert found.estimate == pytest.approx(0.7)
    assert found.tau_squared == 0.0
    # no surer than the mean of three centres with the standard error that theirs give it
    assert found.lower < 0.7 - 1.96 * 0.02 / np.sqrt(3)
    assert found.prediction_lower <= found.lower
    assert found.prediction_upper >= found.upper
    assert found.prediction_upper - found.prediction_lower > 0.08


def test_mean_and_variance_are_those_of_r_and_the_interval_is_never_shorter() -> None:
    for centers in ([0.77, 0.73, 0.61, 0.68, 0.55], [0.71, 0.70, 0.72, 0.705]):
        errors = [0.03] * len(centers)
        found = pool_over_centers(centers, errors, Scale.LOGIT, "C")
        plain = pool_random_effects(centers, errors, Scale.LOGIT, "C")
        assert isinstance(found, PooledEffect)
        assert isinstance(plain, PooledEffect)
        assert (found.estimate, found.tau_squared) == (plain.estimate, plain.tau_squared)
        assert found.lower <= plain.lower + 1e-12
        assert found.upper >= plain.upper - 1e-12


@pytest.mark.slow
def test_the_interval_of_a_new_centre_tends_to_that_with_known_variance() -> None:
    random = np.random.default_rng(1)
    y = random.normal(0.0, 0.3, 4000) + random.normal(0.0, 0.1, 4000)
    low, high = new_center_limits(y, np.full(4000, 0.01))
    assert (low, high) == pytest.approx((-1.96 * 0.3, 1.96 * 0.3), abs=0.03)


def test_two_centres_cannot_show_how_centres_differ() -> None:
    assert isinstance(pool_over_centers([0.7, 0.6], [0.05, 0.04], Scale.LOGIT, "C"), NotEstimable)


def test_a_tiny_centre_hardly_moves_the_interval_of_a_new_one() -> None:
    y, v = np.array([0.8, 0.9, 0.7, 0.85]), np.array([0.2, 0.25, 0.15, 0.2]) ** 2
    low, high = new_center_limits(y, v)
    for estimate in (-1.0, 0.8, 2.5):
        found = new_center_limits(np.append(y, estimate), np.append(v, 1.5**2))
        assert found == pytest.approx((low, high), abs=0.05 * (high - low))
    assert telling_centers(np.append(v, 1.5**2)).tolist() == [0, 1, 2, 3]
    assert telling_centers(np.full(7, 0.04)).tolist() == list(range(7))
    # of two precise centres alone nothing is learnt of how centres differ
    assert telling_centers(np.array([0.04, 0.04, 2.25])).tolist() == [0, 1, 2]
