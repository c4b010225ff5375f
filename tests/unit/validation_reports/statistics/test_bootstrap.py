"""The fast bootstrap is the plain one, whatever the blocks and threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.survival.survival_data import Survival
from tests.support.scored_cohorts import made_cohort
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.calibration import (
    CalibrationSlope,
    calibration_slope,
)
from validation_reports.statistics.discrimination import Concordance, harrell_c
from validation_reports.statistics.resamples import RESAMPLES_AT_ONCE, resample
from validation_reports.statistics.time_dependent_auc import TimeDependentAuc, time_dependent_auc

WATCHED = [(day, day % 4 != 0, (7 * day) % 9 - 4) for day in range(1, 16)] * 2
"""So many patients that nearly every resample determines every statistic."""
OTHERS = st.lists(
    st.tuples(st.integers(1, 15), st.booleans(), st.integers(-4, 4)), max_size=30
)  # few distinct values, so that ties of time and score are common


@given(OTHERS, st.integers(0, 2**31))
@settings(max_examples=15, deadline=None)
def test_the_fast_bootstrap_is_the_plain_one(
    others: list[tuple[int, bool, int]], seed: int
) -> None:
    days, event, values = (np.array(column) for column in zip(*WATCHED, *others, strict=True))
    survival, score = Survival(days.astype(float), event), values.astype(float)
    predicted = {8: np.exp(-0.1 * np.exp(score / 3))}
    drawn = np.random.default_rng(seed).integers(0, survival.n, size=(4, survival.n))
    fast = resample(survival, score, predicted, rows=drawn)
    for b, rows in enumerate(drawn):
        again = survival.subset(rows)
        plain, auc = harrell_c(again, score[rows]), time_dependent_auc(again, score[rows], 8)
        slope = calibration_slope(again, score[rows])
        assume(not any(isinstance(found, NotEstimable) for found in (plain, auc, slope)))
        assert isinstance(plain, Concordance)
        assert isinstance(auc, TimeDependentAuc)
        assert isinstance(slope, CalibrationSlope)
        assert fast.concordance[b] == pytest.approx(plain.estimate, abs=1e-12)
        assert fast.auc[b, 0] == pytest.approx(auc.estimate, abs=1e-12)
        assert fast.slope[b] == pytest.approx(slope.estimate, abs=1e-6)


def test_a_resample_that_determines_nothing_has_no_value() -> None:
    survival = Survival(np.repeat([5.0, 9.0], 10), np.repeat([True, False], 10))
    score = np.arange(20.0)
    died, lived = np.arange(10), np.arange(10, 20)
    rows = np.array([np.tile(died, 2), np.tile(lived, 2), np.r_[died, lived]])
    found = resample(survival, score, {8: np.exp(-0.1 * np.exp(score / 9))}, rows=rows)
    assert np.isfinite(found.concordance).tolist() == [False, False, True]
    assert np.isfinite(found.auc[:, 0]).tolist() == [False, False, True]


def test_resamples_do_not_depend_on_blocks_or_threads() -> None:
    cohort = made_cohort("A", 50, 4)
    some, more = (
        resample(
            cohort.survival,
            cohort.linear_predictor,
            cohort.predicted_survival,
            n_resamples=n,
            seed=3,
        )
        for n in (RESAMPLES_AT_ONCE, 4 * RESAMPLES_AT_ONCE)
    )
    np.testing.assert_array_equal(more.concordance[:RESAMPLES_AT_ONCE], some.concordance)
    np.testing.assert_array_equal(more.curves[:RESAMPLES_AT_ONCE], some.curves)
