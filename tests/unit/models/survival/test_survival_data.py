"""Survival data cannot exist in a state that the statistics would stumble over."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import SurvivalDataError
from models.survival.survival_data import Survival


def test_counts_and_types() -> None:
    survival = Survival([10, 20.5, 30], [1, 0, 1])  # type: ignore[arg-type]
    assert (survival.n, len(survival), survival.n_events) == (3, 3, 2)
    assert survival.days.dtype == np.float64
    assert survival.event.dtype == np.bool_


def test_later_changes_of_the_source_do_not_reach_it() -> None:
    days = np.array([10.0, 20.0])
    survival = Survival(days, np.array([True, False]))
    days[0] = -1
    assert survival.days[0] == 10
    with pytest.raises(ValueError, match="read-only"):
        survival.days[0] = 5


def test_subset_keeps_time_and_event_together() -> None:
    survival = Survival(np.array([10.0, 20.0, 30.0]), np.array([True, False, True]))
    assert survival.subset([2, 0]) == Survival(np.array([30.0, 10.0]), np.array([True, True]))
    assert survival.subset([False, True, False]) == Survival(np.array([20.0]), np.array([False]))
    with pytest.raises(SurvivalDataError, match="no patient"):
        survival.subset([])


@pytest.mark.parametrize(
    ("days", "event", "sentence"),
    [
        ([1.0, 2.0], [True], "2 survival times but 1 event:"),
        ([], [], "no patient"),
        ([1.0, 0.0], [True, True], "first is 0 in row 1"),
        ([1.0, float("nan")], [True, True], "first is nan in row 1"),
        ([1.0, float("inf")], [True, True], "first is inf in row 1"),
        ([[1.0]], [True], r"shape \(1, 1\)"),
        (["long"], [True], "not a number"),
        ([1.0], [2], "first is 2 in row 0"),
        ([1.0], [float("nan")], "first is nan in row 0"),
        ([1.0], ["dead"], "neither true nor false"),
    ],
)
def test_what_is_no_survival_data_is_refused(
    days: list[float], event: list[bool], sentence: str
) -> None:
    with pytest.raises(SurvivalDataError, match=sentence):
        Survival(days, event)  # type: ignore[arg-type]


def test_times_that_differ_by_rounding_are_one_as_in_r() -> None:
    # as survival::aeqSurv joins them in R
    days = [1.0, 1.0 + 1e-9, 30.4375 * 12 + 1e-7, 365.25, 500.5]
    joined = Survival(np.array(days), np.ones(5, bool)).days
    assert joined.tolist() == [1.0, 1.0, 365.25, 365.25, 500.5]
    apart = [1.0, 1.00001, 365.25, 365.26]
    assert Survival(np.array(apart), np.ones(4, bool)).days.tolist() == apart
