"""One curve, estimated twice: by lifelines to be shown, quickly to read numbers off it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.survival.survival_data import Survival
from tests.support.fresh_interpreter import printed_by
from tests.unit.validation_reports.conftest import scored_patients
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.kaplan_meier import (
    SHOWN_TIMES,
    MedianTime,
    SurvivalAt,
    SurvivalCurve,
    kaplan_meier,
    median_follow_up,
    median_time,
    shown_curve,
    survival_at,
    thinned,
)

FOLLOW_UP = st.lists(st.tuples(st.integers(1, 30), st.booleans()), min_size=1, max_size=60)
CONFIDENCE = st.sampled_from([0.8, 0.95, 0.99])


def _survival(patients: list[tuple[int, bool]]) -> Survival:
    days, event = zip(*patients, strict=True)
    return Survival(np.array(days, dtype=np.float64), np.array(event))


def _assert_same(shown: SurvivalCurve, quick: SurvivalCurve) -> None:
    assert shown.days == quick.days
    assert shown.at_risk == quick.at_risk
    assert shown.deaths == quick.deaths
    assert shown.confidence == quick.confidence
    for name in ("survival", "standard_error", "lower", "upper"):
        assert getattr(shown, name) == pytest.approx(getattr(quick, name), abs=1e-12), name
    assert median_time(shown) == median_time(quick)


@given(FOLLOW_UP, CONFIDENCE)
@settings(max_examples=80, deadline=None)
def test_the_shown_curve_is_the_quick_one(
    patients: list[tuple[int, bool]], confidence: float
) -> None:
    survival = _survival(patients)
    _assert_same(shown_curve(survival, confidence), kaplan_meier(survival, confidence))


@pytest.mark.real_data
def test_the_shown_curve_is_the_quick_one_on_real_patients(real_data: Path) -> None:
    table = pd.read_csv(real_data / "lung1" / "clinical.csv")
    everybody = Survival(table["Survival.time"].to_numpy(), table["deadstatus.event"].to_numpy())
    _assert_same(shown_curve(everybody), kaplan_meier(everybody))
    for stage in table["Overall.Stage"].dropna().unique():
        part = everybody.subset((table["Overall.Stage"] == stage).to_numpy())
        _assert_same(shown_curve(part), kaplan_meier(part))


def test_the_shown_curve_leaves_numpy_as_it_was() -> None:
    before = np.geterr()
    with np.errstate(divide="raise", invalid="raise"):
        shown_curve(Survival(np.array([5.0, 7.0]), np.array([True, True])))
        assert np.geterr()["divide"] == np.geterr()["invalid"] == "raise"
    assert np.geterr() == before


@pytest.mark.slow
def test_lifelines_is_imported_by_the_curve_that_it_draws_and_not_before() -> None:
    program = (
        "import sys, validation_reports.report.validation_report, validation_reports.page.render\n"
        "print([name for name in ('lifelines', 'matplotlib') if name in sys.modules])"
    )
    assert printed_by(program) == ["[]"]


def test_everybody_dead_is_zero_survival_at_any_later_day() -> None:
    curve = kaplan_meier(Survival(np.array([5.0, 7.0]), np.array([True, True])))
    exact = 1 - 0.025**0.5  # Clopper and Pearson, none of two
    late, early = survival_at(curve, 100), survival_at(curve, 1)
    assert isinstance(late, SurvivalAt)
    assert isinstance(early, SurvivalAt)
    assert (late.survival, late.lower, late.at_risk) == (0.0, 0.0, 0)
    assert late.upper == pytest.approx(exact)
    assert (early.survival, early.upper, early.at_risk) == (1.0, 1.0, 2)
    assert early.lower == pytest.approx(1 - exact)


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


def test_a_long_curve_is_thinned_for_the_eye_and_keeps_the_numbers_at_risk() -> None:
    survival, _ = scored_patients(3000)
    whole = kaplan_meier(survival)
    thin = thinned(whole)
    assert thinned(kaplan_meier(survival.subset(np.arange(100)))).n_times == 0
    assert thin.n_times == len(whole.days)
    assert len(thin.days) <= SHOWN_TIMES
    assert thin.last_day == whole.last_day
    ticks = [quarter * 3 * 365.25 / 12 for quarter in range(40)]
    assert thin.number_at_risk(ticks) == whole.number_at_risk(ticks)
    places = np.searchsorted(thin.days, whole.days, side="right") - 1
    drawn = np.asarray(thin.survival)[places]
    assert np.abs(drawn - whole.survival).max() < 1 / 150
