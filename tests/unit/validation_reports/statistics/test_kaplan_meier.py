"""One curve, estimated twice: by lifelines to be shown, quickly to read numbers off it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.survival.survival_data import Survival
from validation_reports.statistics.kaplan_meier import (
    SurvivalCurve,
    kaplan_meier,
    median_time,
    shown_curve,
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
