"""Where a number would mean nothing there is a sentence; no number is infinite or missing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.survival.survival_data import Survival
from validation_reports.not_estimable import NotEstimable, normal_quantile
from validation_reports.statistics.calibration import calibrate_at, calibration_slope
from validation_reports.statistics.discrimination import (
    harrell_c,
)
from validation_reports.statistics.risk_groups import compare_risk_groups
from validation_reports.statistics.smooth_calibration import smooth_calibration
from validation_reports.statistics.time_dependent_auc import time_dependent_auc

PATIENTS = st.lists(
    st.tuples(st.integers(1, 12), st.booleans(), st.integers(-3, 3)), min_size=8, max_size=40
)  # few distinct values, so that ties of time and score are common


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
    found += (
        [at_six]
        if isinstance(at_six, NotEstimable)
        else [at_six.observed, at_six.ratio, at_six.smooth]
    )
    for value in found:
        if isinstance(value, NotEstimable):
            assert value.sentence.endswith(".")
            continue
        numbers = [number for number in vars(value).values() if isinstance(number, float)]
        assert numbers, value
        assert np.isfinite(numbers).all(), value


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


def test_a_confidence_in_percent_is_refused() -> None:
    assert normal_quantile(0.95) == pytest.approx(1.959963984540054, abs=1e-15)
    with pytest.raises(ValueError, match="between 0 and 1"):
        normal_quantile(95)
