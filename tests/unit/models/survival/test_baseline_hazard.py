"""The baseline hazard without covariates is Nelson and Aalen's, and says nothing beyond
follow-up.
"""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import TrainingError
from models.survival.baseline_hazard import BaselineHazard, baseline_cumulative_hazard
from models.survival.risk_sets import Ties
from models.survival.survival_data import Survival

SURVIVAL = Survival(np.array([5.0, 3.0, 3.0, 8.0, 3.0]), np.array([True, True, False, False, True]))


@pytest.mark.parametrize(("ties", "first"), [(Ties.EFRON, 1 / 5 + 1 / 4), (Ties.BRESLOW, 2 / 5)])
def test_without_covariates(ties: Ties, first: float) -> None:
    hazard = baseline_cumulative_hazard(np.zeros(5), SURVIVAL, ties)
    assert hazard.days.tolist() == [3.0, 5.0]
    np.testing.assert_allclose(hazard.cumulative, [first, first + 1 / 2])
    np.testing.assert_allclose(
        hazard.at([0, 2.9, 3, 4.9, 5, 8]), [0, 0, first, first, first + 0.5, first + 0.5]
    )


def test_beyond_follow_up_nothing_is_known() -> None:
    assert np.isnan(baseline_cumulative_hazard(np.zeros(5), SURVIVAL).at(8.1))


def test_survival_falls_with_time_and_risk() -> None:
    survival = baseline_cumulative_hazard(np.zeros(5), SURVIVAL).survival([3, 8], [-1.0, 0.0, 1.0])
    assert survival.shape == (3, 2)
    assert survival[1, 0] == pytest.approx(np.exp(-0.45))
    assert (np.diff(survival, axis=0) < 0).all()
    assert (np.diff(survival, axis=1) < 0).all()


@pytest.mark.parametrize(
    ("days", "cumulative", "sentence"),
    [
        ([1.0, 2.0], [0.1], "2 days and 1 value:"),
        ([], [], "0 days"),
        ([2.0, 1.0], [0.1, 0.2], "not an ascending"),
        ([1.0, 2.0], [0.2, 0.1], "not an ascending"),
        ([1.0], [float("nan")], "not an ascending"),
        ([1.0], [-0.1], "not an ascending"),
    ],
)
def test_what_is_no_hazard_is_refused(
    days: list[float], cumulative: list[float], sentence: str
) -> None:
    with pytest.raises(TrainingError, match=sentence):
        BaselineHazard(np.array(days), np.array(cumulative), 10.0)
