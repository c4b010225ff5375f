"""Deaths over predicted cumulative hazards, with an interval that is exact."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from models.survival.baseline_hazard import BaselineHazard
from models.survival.survival_data import Survival
from tests.support.scored_cohorts import BASELINE, MEDIAN, made_cohort
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.d_calibration import DistributionCalibration, d_calibration
from validation_reports.statistics.hazard_calibration import (
    HazardScaleRatio,
    hazard_scale_ratio,
    ratio_of_counts,
)


@pytest.mark.parametrize(("observed", "expected"), [(0, 3.0), (5, 2.0), (40, 55.5), (1500, 1500.0)])
def test_the_interval_is_the_exact_one_of_a_count(observed: int, expected: float) -> None:
    found = ratio_of_counts(observed, expected, 1000.0)
    at_lower, at_upper = found.lower * expected, found.upper * expected
    if observed:
        assert stats.poisson.sf(observed - 1, at_lower) == pytest.approx(0.025)
    assert stats.poisson.cdf(observed, at_upper) == pytest.approx(0.025)
    assert (found.p_value < 0.05) == (not found.lower <= 1 <= found.upper)


def test_the_expected_deaths_are_the_hazards_until_the_end_of_follow_up() -> None:
    cohort = made_cohort("A", 80, 1)
    found = hazard_scale_ratio(cohort.survival, cohort.linear_predictor, BASELINE)
    assert isinstance(found, HazardScaleRatio)
    by_hand = np.exp(cohort.linear_predictor) * cohort.survival.days * np.log(2) / MEDIAN
    assert found.expected == pytest.approx(by_hand.sum())
    assert found.observed == cohort.survival.n_events
    assert found.until == cohort.survival.days.max()


def test_follow_up_ends_where_the_model_ends() -> None:
    baseline = BaselineHazard(np.array([100.0, 200.0]), np.array([0.5, 1.0]), 250.0)
    days = np.array([50.0, 100, 150, 200, 220, 240, 300, 400])
    found = hazard_scale_ratio(Survival(days, np.ones(8, bool)), np.zeros(8), baseline)
    assert isinstance(found, HazardScaleRatio)
    assert (found.observed, found.expected, found.until) == (6, 0.5 * 2 + 5.0, 250.0)


def test_without_hazard_or_deaths_there_is_a_sentence() -> None:
    cohort = made_cohort("A", 20, 1)
    without = hazard_scale_ratio(cohort.survival, cohort.linear_predictor, None)
    assert isinstance(without, NotEstimable)
    assert "baseline hazard was not given" in without.sentence
    brief = Survival(cohort.survival.days / 1000, np.zeros(20, bool))
    assert isinstance(hazard_scale_ratio(brief, cohort.linear_predictor, BASELINE), NotEstimable)


def test_no_death_where_many_were_expected_is_a_finding() -> None:
    cohort = made_cohort("A", 60, 1)
    nobody = Survival(cohort.survival.days, np.zeros(60, bool))
    found = hazard_scale_ratio(nobody, cohort.linear_predictor, BASELINE)
    assert isinstance(found, HazardScaleRatio)
    assert (found.observed, found.estimate, found.lower) == (0, 0.0, 0.0)
    assert found.upper == pytest.approx(-np.log(0.025) / found.expected)
    assert found.p_value < 1e-6


@pytest.mark.parametrize("score", [800.0, 1e6, 1e308])
def test_a_hazard_beyond_every_number_is_none_before_the_first_death_of_the_training(
    score: float,
) -> None:
    cohort = made_cohort("A", 40, 1)
    baseline = BaselineHazard(BASELINE.days[19:], BASELINE.cumulative[19:], BASELINE.last_day)
    days, scores = cohort.survival.days.copy(), cohort.linear_predictor.copy()
    days[3], scores[3] = 10.0, score
    survival = Survival(days, cohort.survival.event)
    found = hazard_scale_ratio(survival, scores, baseline)
    scores[3] = 0.0
    assert isinstance(found, HazardScaleRatio)
    assert found == hazard_scale_ratio(survival, scores, baseline)
    scores[3] = score
    whole = d_calibration(survival, scores, baseline)
    assert isinstance(whole, DistributionCalibration)
    assert sum(whole.bins) == pytest.approx(40)
