"""Calibration of a true model, and where it cannot be told."""

from __future__ import annotations

import numpy as np
import pytest

from models.survival.survival_data import Survival
from tests.support.scored_cohorts import made_cohort
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.bootstrap import Bootstrap, CalibrationBand, bootstrap
from validation_reports.statistics.calibration import (
    CalibrationSlope,
    HorizonCalibration,
    ObservedExpected,
    calibrate_at,
    calibration_slope,
)
from validation_reports.statistics.smooth_calibration import SmoothCalibration, smooth_calibration


def test_intervals_cover_as_often_as_they_say() -> None:
    """200 cohorts whose true hazard ratio is e and whose true slope is 1: about 95 of 100 intervals
    hold them.
    """
    covered = np.zeros(3)
    for seed in range(200):
        cohort = made_cohort("A", 120, seed)
        slope = calibration_slope(cohort.survival, cohort.linear_predictor)
        at_two_years = calibrate_at(cohort.survival, cohort.predicted_survival[730], 730)
        assert isinstance(slope, CalibrationSlope)
        assert isinstance(at_two_years, HorizonCalibration)
        assert isinstance(at_two_years.ratio, ObservedExpected)
        expected = 1 - cohort.predicted_survival[730].mean()
        covered += (
            slope.lower <= 1 <= slope.upper,
            at_two_years.ratio.lower <= 1 <= at_two_years.ratio.upper,
            at_two_years.observed.lower <= expected <= at_two_years.observed.upper,
        )
    assert (covered / 200 > 0.90).all(), covered / 200


def test_a_true_model_is_calibrated() -> None:
    cohort = made_cohort("A", 3000, 5)
    slope = calibration_slope(cohort.survival, cohort.linear_predictor)
    assert isinstance(slope, CalibrationSlope)
    assert slope.estimate == pytest.approx(1, abs=3 * slope.standard_error)
    for days, predicted in cohort.predicted_survival.items():
        found = calibrate_at(cohort.survival, predicted, days)
        assert isinstance(found, HorizonCalibration)
        assert isinstance(found.ratio, ObservedExpected)
        assert np.log(found.ratio.estimate) == pytest.approx(
            0, abs=3 * found.ratio.log_standard_error
        )


def test_a_horizon_beyond_follow_up_is_refused() -> None:
    survival = Survival(np.arange(1.0, 31.0), np.arange(30) % 2 == 0)
    beyond = calibrate_at(survival, np.full(30, 0.5), 400)
    assert beyond == NotEstimable(
        "Survival at 400 days is not estimated: the longest follow-up is 30 days."
    )


def test_a_risk_that_is_1_to_the_last_digit_keeps_the_curve_of_its_horizon() -> None:
    cohort = made_cohort("A", 200, 3)
    alive = np.array(cohort.predicted_survival[1095])
    alive[np.argmax(cohort.linear_predictor)] = 1e-15
    near = smooth_calibration(cohort.survival, alive, 1095)
    alive[np.argmax(cohort.linear_predictor)] = 1e-17
    beyond = smooth_calibration(cohort.survival, alive, 1095)
    assert 1.0 - alive.min() == 1.0
    assert isinstance(near, SmoothCalibration)
    assert isinstance(beyond, SmoothCalibration)
    assert beyond.ici == pytest.approx(near.ici, abs=1e-3)
    found = bootstrap(
        cohort.survival, cohort.linear_predictor, {1095: alive}, seed=1, n_resamples=50
    )
    assert isinstance(found, Bootstrap)
    assert isinstance(found.horizons[0].band, CalibrationBand)
    alive[0] = 0.0
    assert isinstance(smooth_calibration(cohort.survival, alive, 1095), NotEstimable)
