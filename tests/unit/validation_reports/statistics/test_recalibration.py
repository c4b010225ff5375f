"""What recalibration gives is told in patients whom it was not estimated from."""

from __future__ import annotations

import numpy as np

from models.survival.survival_data import Survival
from tests.support.scored_cohorts import made_cohort
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.brier_score import BrierScore
from validation_reports.statistics.calibration import calibration_slope
from validation_reports.statistics.recalibration import Recalibration, recalibrate

HORIZONS = (365, 730)


def _ipa(survival: Survival, score: np.ndarray) -> float:
    found = recalibrate(survival, score, calibration_slope(survival, score), HORIZONS)
    assert isinstance(found, Recalibration)
    brier = found.horizons[1].brier
    assert isinstance(brier, BrierScore)
    return brier.ipa


def test_a_score_of_noise_gains_nothing_by_recalibration() -> None:
    gains = []
    for seed in range(12):
        cohort = made_cohort("A", 60, seed)
        noise = np.random.default_rng(1000 + seed).normal(size=cohort.n)
        gains.append(_ipa(cohort.survival, noise))
    assert np.mean(gains) < 0


def test_a_score_that_is_too_extreme_is_mended() -> None:
    cohort = made_cohort("A", 400, 1)
    one = recalibrate(
        cohort.survival,
        3 * cohort.linear_predictor,
        calibration_slope(cohort.survival, 3 * cohort.linear_predictor),
        HORIZONS,
    )
    assert isinstance(one, Recalibration)
    assert abs(one.slope - 1 / 3) < 0.05
    assert _ipa(cohort.survival, 3 * cohort.linear_predictor) > 0.15


def test_it_is_the_same_whoever_comes_first_and_refused_where_parts_determine_nothing() -> None:
    cohort = made_cohort("A", 80, 2)
    order = np.random.default_rng(1).permutation(cohort.n)
    survival, score = cohort.survival, cohort.linear_predictor
    whole = recalibrate(survival, score, calibration_slope(survival, score), HORIZONS)
    mixed = recalibrate(
        survival.subset(order), score[order], calibration_slope(survival, score), HORIZONS
    )
    assert isinstance(whole, Recalibration)
    assert isinstance(mixed, Recalibration)
    for one, other in zip(whole.horizons, mixed.horizons, strict=True):
        np.testing.assert_allclose(one.predicted, other.predicted, rtol=1e-9)
    only = Survival(np.array([100.0, 200.0, 300.0]), np.array([True, False, False]))
    slope = calibration_slope(survival, score)
    assert isinstance(recalibrate(only, [1.0, 2.0, 0.5], slope, (50,)), NotEstimable)
