"""Of each row that leaves there are at least five, which are near in score and time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models.survival.survival_data import Survival
from tests.support.scored_cohorts import MEDIAN, made_cohort
from validation_reports.disclosure.alike_patients import (
    GRID_DAYS,
    SCORE_STEP,
    SMALLEST_CELL,
    alike_patients,
    on_grid,
)


@pytest.mark.parametrize("n", [30, 60, 500])
def test_each_row_is_of_five_patients_near_in_score_and_time(n: int) -> None:
    cohort = made_cohort("A", n, 3)
    signatures = pd.DataFrame({"gtv": cohort.linear_predictor * 3})
    found = alike_patients(replace(cohort, signatures=signatures))
    assert found is not None
    assert found.signatures is not None
    assert found.n == n
    assert found.survival.n_events == cohort.survival.n_events
    rows = pd.DataFrame(
        {
            "days": found.survival.days,
            "event": found.survival.event,
            "lp": found.linear_predictor,
            "high": found.high_risk,
            "survival": found.predicted_survival[365],
            "gtv": found.signatures["gtv"],
        }
    )
    assert rows.value_counts().min() >= SMALLEST_CELL
    assert np.all(found.survival.days % GRID_DAYS == 0)
    steps = found.linear_predictor / SCORE_STEP
    assert np.allclose(steps, steps.round())
    assert found.covariates.isna().all(axis=None)
    for day, values in found.predicted_survival.items():
        right = np.exp(-np.exp(found.linear_predictor) * np.log(2) / MEDIAN * day)
        assert values == pytest.approx(right, abs=1e-5)
    if n == 500:  # so many stay what they are
        spread = np.sort(found.linear_predictor) - np.sort(cohort.linear_predictor)
        assert np.abs(spread).mean() < 0.3
        assert np.mean(found.high_risk) == pytest.approx(np.mean(cohort.high_risk), abs=0.1)


@pytest.mark.parametrize(("dead", "leaves"), [(0, True), (1, False), (4, False), (5, True)])
def test_of_few_deaths_no_row_leaves(dead: int, leaves: bool) -> None:
    cohort = made_cohort("A", 30, 3)
    event = np.arange(30) < dead
    few = replace(cohort, survival=Survival(cohort.survival.days, event))
    assert (alike_patients(few) is not None) is leaves


def test_a_time_is_on_the_grid_and_above_none() -> None:
    assert [on_grid(days) for days in (1.0, 44.0, 46.0, 365.0)] == [30.0, 30.0, 60.0, 360.0]
