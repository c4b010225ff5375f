"""The area under the curve is the AUC, and without censoring its points count patients."""

from __future__ import annotations

import numpy as np
import pytest

from models.survival.survival_data import Survival
from tests.unit.validation_reports.conftest import scored_patients
from validation_reports.statistics.roc_curve import RocCurve, roc_curve
from validation_reports.statistics.time_dependent_auc import time_dependent_auc


@pytest.mark.parametrize("decimals", [8, 0])  # with none, most scores are tied
@pytest.mark.parametrize("days", [365, 1095])
def test_the_area_under_the_curve_is_the_auc(decimals: int, days: int) -> None:
    survival, score = scored_patients(150)
    rounded = score.round(decimals)
    curve = roc_curve(survival, rounded, days)
    assert isinstance(curve, RocCurve)
    assert curve.auc == time_dependent_auc(survival, rounded, days)
    assert np.trapezoid(curve.true_positive, curve.false_positive) == pytest.approx(
        curve.auc.estimate, abs=1e-12
    )
    assert (curve.false_positive[0], curve.true_positive[0]) == (0, 0)
    assert (curve.false_positive[-1], curve.true_positive[-1]) == (1, 1)
    assert len(curve.true_positive) == len(np.unique(rounded)) + 1


def test_without_censoring_the_curve_counts_patients() -> None:
    days = np.repeat([100.0, 400.0], 10)
    score = np.concatenate([np.arange(10) + 5.5, np.arange(10.0)])
    curve = roc_curve(Survival(days, np.ones(20, dtype=bool)), score, 365)
    assert isinstance(curve, RocCurve)
    for threshold in (3.5, 7.5, 9.0):
        place = int((np.unique(score) >= threshold).sum())
        assert curve.true_positive[place] == pytest.approx((score[:10] >= threshold).mean())
        assert curve.false_positive[place] == pytest.approx((score[10:] >= threshold).mean())
