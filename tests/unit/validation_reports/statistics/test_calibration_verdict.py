"""Whether predicted risks are right: what is judged, and when it is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.survival.baseline_hazard import BaselineHazard
from models.survival.survival_data import Survival
from tests.support.scored_cohorts import BASELINE, made_cohort
from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.statistics.calibration import Calibration, calibrate
from validation_reports.statistics.calibration_verdict import CalibrationVerdict, judge_calibration
from validation_reports.statistics.margins import Margins, Verdict


def _calibration(cohort: ScoredCohort, baseline: BaselineHazard | None = BASELINE) -> Calibration:
    return calibrate(
        cohort.survival, cohort.linear_predictor, cohort.predicted_survival, baseline=baseline
    )


def _judge(cohort: ScoredCohort, margins: Margins = Margins()) -> CalibrationVerdict:  # noqa: B008
    return judge_calibration(_calibration(cohort), cohort.survival.n_events, margins)


def test_right_predictions_are_shown_by_enough_deaths_only() -> None:
    assert _judge(made_cohort("A", 2000, 1)).verdict is Verdict.YES
    few = _judge(made_cohort("A", 40, 1))
    assert few.verdict is Verdict.UNKNOWN
    assert few.deaths_needed is not None
    assert 277 < few.deaths_needed < 2000
    assert [one.name for one in few.judged] == [
        "slope",
        "O/E on the hazard scale",
        "O/E at 1 year",
        "O/E at 2 years",
        "O/E at 3 years",
    ]


def test_wide_margins_are_shown_sooner() -> None:
    cohort = made_cohort("A", 500, 1)
    assert _judge(cohort, Margins(0.95, 1.05)).verdict is not Verdict.YES
    assert _judge(cohort, Margins(0.5, 2.0)).verdict is Verdict.YES


def test_too_extreme_predictions_are_named() -> None:
    found = _judge(made_cohort("A", 300, 4, effect=0.4))
    assert found.verdict is Verdict.NO
    assert "slope" in [one.name for one in found.wrong]


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_hazard_that_is_wrong_by_a_factor_is_seen(factor: float) -> None:
    cohort = made_cohort("A", 300, 5)
    baseline = BaselineHazard(BASELINE.days, BASELINE.cumulative * factor, BASELINE.last_day)
    found = judge_calibration(
        calibrate(
            cohort.survival,
            cohort.linear_predictor,
            {
                days: baseline.survival(days, cohort.linear_predictor)
                for days in cohort.predicted_survival
            },
            baseline=baseline,
        ),
        cohort.survival.n_events,
        Margins(),
    )
    assert found.verdict is Verdict.NO
    hazard = next(one for one in found.wrong if one.name == "O/E on the hazard scale")
    assert hazard.estimate == pytest.approx(1 / factor, rel=0.25)


def test_without_slope_or_hazard_there_is_no_yes() -> None:
    cohort = made_cohort("A", 2000, 1)
    without = judge_calibration(_calibration(cohort, None), cohort.survival.n_events, Margins())
    assert without.verdict is Verdict.UNKNOWN
    assert "baseline hazard was not given" in without.missing[0]
    flat = replace(cohort, linear_predictor=np.zeros(cohort.n))
    assert _judge(flat).verdict is not Verdict.YES
    assert "same score" in _judge(flat).missing[0]


def test_everybody_dead_by_the_horizon_has_a_ratio_with_a_width() -> None:
    cohort = made_cohort("A", 40, 6)
    days = np.minimum(cohort.survival.days, 700.0)
    dead = replace(cohort, survival=Survival(days, np.ones(40, bool)))
    judged = {one.name: one for one in _judge(dead).judged}
    two_years = judged["O/E at 2 years"]
    assert two_years.lower < two_years.estimate == pytest.approx(two_years.upper)
    exact = 0.025 ** (1 / 40)  # Clopper and Pearson, all of forty
    assert two_years.lower / two_years.estimate == pytest.approx(exact)
    assert 0 < two_years.p_value < 1
