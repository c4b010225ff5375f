"""Figures within centres: of one centre, of centres followed for different times, at the edge. R's
are in `tests.oracles.test_strata_against_r`.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.survival.survival_data import Survival
from tests.support.scored_cohorts import HORIZONS, made_cohort
from validation_reports.cohort.scored_cohort import ScoredCohort, pool
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.calibration import (
    HorizonCalibration,
    ObservedExpected,
    calibrate_at,
)
from validation_reports.statistics.discrimination import Concordance, harrell_c
from validation_reports.statistics.within_centers import (
    WithinCenters,
    over_centers,
    within_centers,
)


def _patients(*cohorts: ScoredCohort) -> tuple[ScoredCohort, NDArray[np.str_]]:
    names = np.repeat([cohort.center for cohort in cohorts], [cohort.n for cohort in cohorts])
    return pool(cohorts, "all"), names


def _within(*cohorts: ScoredCohort) -> WithinCenters:
    whole, names = _patients(*cohorts)
    return within_centers(
        whole.survival,
        whole.linear_predictor,
        whole.high_risk,
        whole.predicted_survival,
        names,
        whole.baseline,
    )


def test_one_centre_alone_is_that_centre() -> None:
    cohort = made_cohort("A", 90, 4)
    found = _within(cohort)
    plain = harrell_c(cohort.survival, cohort.linear_predictor)
    assert isinstance(found.concordance, Concordance)
    assert isinstance(plain, Concordance)
    assert found.concordance.lower == plain.lower
    for days in HORIZONS:
        alone = calibrate_at(cohort.survival, cohort.predicted_survival[days], days)
        both = dict(found.calibration.horizons)[days]
        assert isinstance(alone, HorizonCalibration)
        assert isinstance(both, HorizonCalibration)
        assert isinstance(alone.ratio, ObservedExpected)
        assert isinstance(both.ratio, ObservedExpected)
        assert [both.ratio.estimate, both.ratio.lower, both.observed.upper] == pytest.approx(
            [alone.ratio.estimate, alone.ratio.lower, alone.observed.upper], rel=1e-12
        )


def test_a_centre_that_was_not_followed_so_long_is_left_out_and_named() -> None:
    early = Survival(np.arange(10.0, 50.0), np.arange(40) % 2 == 0)
    late = Survival(np.arange(10.0, 810.0, 20), np.arange(40) % 2 == 0)
    both = Survival(np.r_[early.days, late.days], np.r_[early.event, late.event])
    names = np.repeat(["early", "late"], 40)
    found, absent = over_centers(both, np.full(80, 0.5), names, 365)
    assert absent == ("early",)
    alone = calibrate_at(late, np.full(40, 0.5), 365)
    assert isinstance(found, HorizonCalibration)
    assert isinstance(alone, HorizonCalibration)
    assert found.observed.estimate == pytest.approx(alone.observed.estimate)
    nobody, absent = over_centers(both, np.full(80, 0.5), names, 4000)
    assert isinstance(nobody, NotEstimable)
    assert absent == ("early", "late")


def test_no_interval_has_width_zero_where_everybody_died() -> None:
    survival = Survival(np.tile(np.arange(1.0, 13.0), 2), np.ones(24, bool))
    found, _ = over_centers(survival, np.full(24, 0.2), np.repeat(["a", "b"], 12), 365)
    assert isinstance(found, HorizonCalibration)
    assert isinstance(found.ratio, ObservedExpected)
    assert found.observed.estimate == 1
    assert found.observed.lower < 0.95
    assert found.ratio.lower < found.ratio.estimate < found.ratio.upper
