"""The statistics where R's answers on real patients do not reach: small, tied, empty and hopeless
cohorts.

Values on real patients are compared with R in tests/oracles/test_validation_against_r.py.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.survival.survival_data import Survival
from tests.support.scored_cohorts import made_cohort
from validation_reports.not_estimable import NotEstimable, normal_quantile
from validation_reports.statistics.bootstrap import Bootstrap, CalibrationBand, bootstrap
from validation_reports.statistics.calibration import (
    CalibrationSlope,
    HorizonCalibration,
    ObservedExpected,
    SmoothCalibration,
    calibrate_at,
    calibration_slope,
    smooth_calibration,
)
from validation_reports.statistics.discrimination import Concordance, harrell_c
from validation_reports.statistics.kaplan_meier import (
    MedianTime,
    SurvivalAt,
    kaplan_meier,
    median_follow_up,
    median_time,
    survival_at,
)
from validation_reports.statistics.risk_groups import HazardRatio, LogRank, compare_risk_groups
from validation_reports.statistics.time_dependent_auc import TimeDependentAuc, time_dependent_auc

PATIENTS = st.lists(
    st.tuples(st.integers(1, 12), st.booleans(), st.integers(-3, 3)), min_size=8, max_size=40
)  # few distinct values, so that ties of time and score are common


def _pairs_by_hand(days: list[int], event: list[bool], score: list[int]) -> tuple[int, int, int]:
    concordant = discordant = tied = 0
    for i, j in itertools.permutations(range(len(days)), 2):
        if event[i] and (days[i] < days[j] or (days[i] == days[j] and not event[j])):
            concordant += score[i] > score[j]
            discordant += score[i] < score[j]
            tied += score[i] == score[j]
    return concordant, discordant, tied


@given(PATIENTS)
@settings(max_examples=60, deadline=None)
def test_concordance_counts_pairs_as_defined(patients: list[tuple[int, bool, int]]) -> None:
    days, event, score = (list(column) for column in zip(*patients, strict=True))
    found = harrell_c(Survival(np.array(days, float), np.array(event)), np.array(score, float))
    by_hand = _pairs_by_hand(days, event, score)
    if isinstance(found, NotEstimable):
        assert sum(event) < 5 or sum(by_hand) == 0
    else:
        assert (found.concordant, found.discordant, found.tied_score) == by_hand
        assert found.estimate == pytest.approx((by_hand[0] + by_hand[2] / 2) / sum(by_hand))
        assert 0 <= found.lower <= found.estimate <= found.upper <= 1


@given(PATIENTS)
@settings(max_examples=60, deadline=None)
def test_nothing_shown_is_ever_infinite_or_missing(patients: list[tuple[int, bool, int]]) -> None:
    days, event, score = (np.array(column) for column in zip(*patients, strict=True))
    survival, points = Survival(days.astype(float), event), score.astype(float)
    risk = 1 / (1 + np.exp(-points))
    groups = compare_risk_groups(survival, score > 0)
    found: list[object] = [
        harrell_c(survival, points),
        time_dependent_auc(survival, points, 6),
        groups.hazard_ratio,
        groups.log_rank,
        calibration_slope(survival, points),
        *(group.median for group in groups.groups),
    ]
    at_six = calibrate_at(survival, 1 - risk, 6)
    if isinstance(at_six, HorizonCalibration):
        found += [at_six.observed, at_six.ratio, at_six.smooth]
    for value in found:
        numbers = [number for number in vars(value).values() if isinstance(number, float)]
        assert np.isfinite(numbers).all(), value


def test_score_backwards_mirrors_the_concordance() -> None:
    cohort = made_cohort("A", 80, 1)
    forwards, backwards = (
        harrell_c(cohort.survival, sign * cohort.linear_predictor) for sign in (1, -1)
    )
    assert isinstance(forwards, Concordance)
    assert isinstance(backwards, Concordance)
    assert forwards.estimate + backwards.estimate == pytest.approx(1)
    assert forwards.standard_error == pytest.approx(backwards.standard_error)


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


def test_the_auc_counts_pairs_when_nobody_is_censored() -> None:
    random = np.random.default_rng(3)
    days, score = (
        random.permutation(np.arange(1.0, 61.0)),
        random.integers(0, 6, size=60).astype(float),
    )
    found = time_dependent_auc(Survival(days, np.ones(60, bool)), score, 30)
    assert isinstance(found, TimeDependentAuc)
    dead, alive = score[days <= 30], score[days > 30]
    wins = (dead[:, None] > alive).mean() + 0.5 * (dead[:, None] == alive).mean()
    assert found.estimate == pytest.approx(wins)
    assert (found.cases, found.controls) == (30, 30)


def test_the_auc_is_not_moved_by_independent_censoring() -> None:
    random = np.random.default_rng(4)
    score = random.normal(size=4000)
    death, censoring = random.exponential(np.exp(-score)), random.exponential(1.5, size=4000)
    complete = time_dependent_auc(Survival(death * 1000 + 1, np.ones(4000, bool)), score, 700)
    censored = time_dependent_auc(
        Survival(np.minimum(death, censoring) * 1000 + 1, death <= censoring), score, 700
    )
    assert isinstance(complete, TimeDependentAuc)
    assert isinstance(censored, TimeDependentAuc)
    assert censored.estimate == pytest.approx(complete.estimate, abs=3 * censored.standard_error)
    assert censored.standard_error > complete.standard_error


def test_too_little_to_estimate_is_a_sentence() -> None:
    few = Survival(np.array([10.0, 20, 30, 40]), np.array([True, True, False, False]))
    score = np.arange(4.0)
    groups = compare_risk_groups(few, score > 1)
    for refused in (
        harrell_c(few, score),
        time_dependent_auc(few, score, 25),
        groups.hazard_ratio,
        groups.log_rank,
        calibration_slope(few, score),
        calibrate_at(few, 1 - score / 5, 25),
        smooth_calibration(few, 1 - score / 5, 25),
    ):
        assert isinstance(refused, NotEstimable)
        assert "2 deaths" in refused.sentence
        assert refused.sentence.endswith(".")


def test_an_empty_group_and_a_group_without_deaths_are_refused() -> None:
    survival = Survival(np.arange(1.0, 21.0), np.arange(20) < 10)
    empty = compare_risk_groups(survival, np.zeros(20, bool))
    assert empty.hazard_ratio == NotEstimable(
        "The hazard ratio is not estimated: no patient is in the high-risk group."
    )
    assert [group.label for group in empty.groups] == ["low risk"]
    spared = compare_risk_groups(survival, np.arange(20) < 10)
    assert isinstance(spared.hazard_ratio, NotEstimable)
    assert "none of the 10 patients at low risk died" in spared.hazard_ratio.sentence
    assert isinstance(spared.log_rank, LogRank)


def test_groups_that_do_not_overlap_have_no_hazard_ratio() -> None:
    survival = Survival(np.arange(1.0, 21.0), np.ones(20, bool))
    apart = compare_risk_groups(survival, np.arange(20) < 10)
    assert apart.hazard_ratio == NotEstimable(
        "The hazard ratio is not estimated: these deaths do not determine it."
    )
    one_day = Survival(np.array([1.0, 2, 2, 2, 2, 2, 2, 3]), np.array([0, 0, 1, 1, 1, 1, 1, 1]))
    last_alone = compare_risk_groups(one_day, np.arange(8) == 7)
    assert isinstance(last_alone.hazard_ratio, NotEstimable)
    assert isinstance(calibration_slope(one_day, np.arange(8.0) == 7), NotEstimable)


def test_the_hazard_ratio_is_of_high_over_low() -> None:
    cohort = made_cohort("A", 300, 5)
    groups = compare_risk_groups(cohort.survival, cohort.high_risk)
    assert isinstance(groups.hazard_ratio, HazardRatio)
    assert groups.hazard_ratio.lower > 1
    assert isinstance(groups.log_rank, LogRank)
    assert groups.log_rank.observed_high > groups.log_rank.expected_high


def test_a_horizon_beyond_follow_up_is_refused() -> None:
    survival = Survival(np.arange(1.0, 31.0), np.arange(30) % 2 == 0)
    beyond = calibrate_at(survival, np.full(30, 0.5), 400)
    assert beyond == NotEstimable(
        "Survival at 400 days is not estimated: the longest follow-up is 30 days."
    )


def test_everybody_dead_is_zero_survival_at_any_later_day() -> None:
    curve = kaplan_meier(Survival(np.array([5.0, 7.0]), np.array([True, True])))
    assert survival_at(curve, 100) == SurvivalAt(100, 0.0, 0.0, 0.0, 0.0, 0)
    assert survival_at(curve, 1) == SurvivalAt(1, 1.0, 0.0, 1.0, 1.0, 2)


def test_medians_on_a_step_and_unreached() -> None:
    step = kaplan_meier(Survival(np.array([10.0, 20, 30, 40]), np.ones(4, bool)))
    found = median_time(step)
    assert isinstance(found, MedianTime)
    assert found.days == 25  # S is 0.5 from day 20 to day 30
    high = median_time(
        kaplan_meier(Survival(np.array([10.0, 20, 30, 40]), np.array([True, False, False, False])))
    )
    assert isinstance(high, NotEstimable)
    assert "still 0.75 at the longest follow-up, 40 days" in high.sentence
    assert isinstance(median_follow_up(Survival(np.array([1.0]), np.array([True]))), NotEstimable)


def test_numbers_at_risk() -> None:
    curve = kaplan_meier(
        Survival(np.array([10.0, 10, 20, 30]), np.array([True, False, True, False]))
    )
    assert curve.number_at_risk([0, 10, 10.5, 30, 31]) == (4, 4, 2, 1, 0)


def test_a_score_per_patient_is_demanded() -> None:
    survival = made_cohort("A", 20, 6).survival
    with pytest.raises(ValueError, match="expected 20 finite risk scores"):
        harrell_c(survival, np.zeros(19))
    with pytest.raises(ValueError, match="expected 20 risk groups"):
        compare_risk_groups(survival, np.zeros(19, bool))
    with pytest.raises(ValueError, match="between 0 and 1"):
        normal_quantile(95)


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
