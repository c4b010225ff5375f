"""The log-rank test of lifelines is Mantel's, with the hypergeometric variance at ties."""

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
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.risk_groups import LogRank, log_rank

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
    survival = Survival(np.repeat([1.0, 2.0], 8), np.repeat([True, False], 8))
    apart = Survival(np.r_[np.full(6, 1.0), np.full(6, 2.0)], np.r_[np.zeros(6), np.ones(6)])
    _assert_mantel(survival, survival.event)
    assert isinstance(log_rank(survival, survival.event), LogRank)
    _assert_mantel(apart, apart.event)
    assert isinstance(log_rank(apart, apart.event), NotEstimable)
