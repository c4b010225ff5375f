"""Completeness of follow-up by hand, and accrual without a date."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.survival.survival_data import Survival
from validation_reports.statistics.follow_up import (
    UNKNOWN_MONTHS,
    Accrual,
    Completeness,
    accrual,
    completeness,
)


def test_completeness_counts_what_the_living_could_have_been_followed() -> None:
    survival = Survival(np.array([100.0, 400, 200, 365]), np.array([True, False, False, False]))
    found = completeness(survival, (365,))
    (until,) = found
    assert until.share == pytest.approx((100 + 365 + 200 + 365) / (100 + 3 * 365))
    assert (until.days, until.n_lost) == (365, 1)
    assert completeness(Survival(np.array([500.0, 50]), np.array([False, True])), (365,))[
        0
    ] == Completeness(365, 1.0, 0)


def test_accrual_is_told_in_months() -> None:
    months = pd.Series(["2020-11", None, "2021-02", "2020-12"])
    assert accrual(months) == Accrual(4, 3)
    assert accrual(pd.Series([None, None])) == UNKNOWN_MONTHS
    assert accrual(None) == UNKNOWN_MONTHS
