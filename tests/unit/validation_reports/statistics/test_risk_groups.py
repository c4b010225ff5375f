"""The log-rank test is Mantel's, and where a hazard ratio or a test means nothing there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import chdtrc

from models.survival.survival_data import Survival
from tests.support.scored_cohorts import made_cohort
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.calibration import (
    calibration_slope,
)
from validation_reports.statistics.risk_groups import (
    DEATHS_IN_GROUP,
    HazardRatio,
    LogRank,
    compare_risk_groups,
    hazard_ratio,
    log_rank,
)

GROUPED = st.lists(
    st.tuples(st.integers(1, 20), st.booleans(), st.booleans()), min_size=8, max_size=60
)  # few distinct days, so that tied deaths are common


def _mantel(survival: Survival, high: NDArray[np.bool_]) -> tuple[int, float, float]:
    """Observed deaths at high risk, those expected and their variance, day by day."""
    observed, expected, variance = 0, 0.0, 0.0
    for day in np.unique(survival.days[survival.event]):
        at_risk, died = survival.days >= day, survival.event & (survival.days == day)
        n, n_high, d = int(at_risk.sum()), int((at_risk & high).sum()), int(died.sum())
        observed += int((died & high).sum())
        expected += d * n_high / n
        if n > 1:
            variance += d * n_high * (n - n_high) * (n - d) / (n**2 * (n - 1))
    return observed, expected, variance


def _assert_mantel(survival: Survival, high: NDArray[np.bool_]) -> None:
    found = log_rank(survival, high)
    observed, expected, variance = _mantel(survival, high)
    evenly = survival.n_events * high.mean()
    if variance > 0 and min(evenly, survival.n_events - evenly) < DEATHS_IN_GROUP:
        assert isinstance(found, NotEstimable)
        assert "fewer than 5 deaths would be expected" in found.sentence
        return
    if variance == 0:
        assert isinstance(found, NotEstimable)
        assert "never at risk together" in found.sentence
        return
    assert isinstance(found, LogRank)
    chi_square = (observed - expected) ** 2 / variance
    assert found.chi_square == pytest.approx(chi_square, rel=1e-12, abs=1e-12)
    assert found.p_value == pytest.approx(chdtrc(1, chi_square), rel=1e-10)
    assert found.observed_high == observed
    assert found.expected_high == pytest.approx(expected, rel=1e-12)


@given(GROUPED)
@settings(max_examples=80, deadline=None)
def test_the_log_rank_test_is_mantels(patients: list[tuple[int, bool, bool]]) -> None:
    days, event, group = (np.array(column) for column in zip(*patients, strict=True))
    assume(event.sum() >= 5)
    assume(0 < group.sum() < group.size)
    _assert_mantel(Survival(days.astype(np.float64), event), group.astype(np.bool_))


@pytest.mark.real_data
def test_the_log_rank_test_is_mantels_on_real_patients(real_data: Path) -> None:
    table = pd.read_csv(real_data / "lung1" / "clinical.csv")
    survival = Survival(table["Survival.time"].to_numpy(), table["deadstatus.event"].to_numpy())
    for groups in (table["gender"] == "female", table["age"] > 65, table["Overall.Stage"] == "I"):
        _assert_mantel(survival, groups.to_numpy())


def test_groups_that_were_never_at_risk_together_have_no_log_rank_test() -> None:
    survival = Survival(np.repeat([1.0, 2.0], 12), np.repeat([True, False], 12))
    apart = Survival(np.r_[np.full(6, 1.0), np.full(6, 2.0)], np.r_[np.zeros(6), np.ones(6)])
    _assert_mantel(survival, survival.event)
    assert isinstance(log_rank(survival, survival.event), LogRank)
    _assert_mantel(apart, apart.event)
    assert isinstance(log_rank(apart, apart.event), NotEstimable)


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
    assert isinstance(calibration_slope(one_day, np.arange(8.0) == 7), NotEstimable)


def test_a_group_per_patient_is_demanded() -> None:
    with pytest.raises(ValueError, match="Expected 20 risk groups"):
        compare_risk_groups(made_cohort("A", 20, 6).survival, np.zeros(19, bool))


def test_the_hazard_ratio_is_of_high_over_low() -> None:
    cohort = made_cohort("A", 300, 5)
    groups = compare_risk_groups(cohort.survival, cohort.high_risk)
    assert isinstance(groups.hazard_ratio, HazardRatio)
    assert groups.hazard_ratio.lower > 1
    assert isinstance(groups.log_rank, LogRank)
    assert groups.log_rank.observed_high > groups.log_rank.expected_high


def test_a_group_of_one_patient_has_its_counts_and_no_ratio() -> None:
    survival = Survival(np.arange(1.0, 121.0), np.arange(120) % 2 == 0)
    alone = compare_risk_groups(survival, np.arange(120) == 0)
    why = (
        "at high risk (1 patient, 1 death) fewer than 5 deaths would be expected if the groups did "
        "not differ."
    )
    assert alone.hazard_ratio == NotEstimable(f"The hazard ratio is not estimated: {why}")
    assert alone.log_rank == NotEstimable(f"The log-rank test is not estimated: {why}")
    assert [(group.n, group.n_events) for group in alone.groups] == [(119, 59), (1, 1)]


def test_deaths_are_spread_within_each_stratum() -> None:
    days = np.tile(np.arange(1.0, 41.0), 2)
    survival, centers = Survival(days, np.repeat([True, False], 40)), np.repeat(["A", "B"], 40)
    high = (days % 10 == 0) & (centers == "A") | (centers == "B")
    assert isinstance(log_rank(survival, high), LogRank)
    assert isinstance(log_rank(survival, high, centers), NotEstimable)
    assert isinstance(hazard_ratio(survival, high, strata=centers), NotEstimable)


def test_a_large_group_that_dies_early_is_compared() -> None:
    early = Survival(np.arange(1.0, 61.0), np.ones(60, bool))
    soon = compare_risk_groups(early, np.isin(np.arange(60), [*range(9), 40]))
    assert isinstance(soon.log_rank, LogRank)
    assert soon.log_rank.expected_high < DEATHS_IN_GROUP
    assert isinstance(soon.hazard_ratio, HazardRatio)
