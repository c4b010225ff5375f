"""How large the ICI of right predictions is, in this cohort."""

from __future__ import annotations

import numpy as np
import pytest

from models.survival.survival_data import Survival
from tests.support.scored_cohorts import BASELINE, HORIZONS, made_cohort
from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.ici_by_chance import IciByChance, ici_by_chance
from validation_reports.statistics.smooth_calibration import SmoothCalibration, smooth_calibration


def _by_chance(cohort: ScoredCohort, draws: int = 60, seed: int = 1):  # type: ignore[no-untyped-def]
    return ici_by_chance(
        cohort.survival,
        cohort.linear_predictor,
        BASELINE,
        cohort.predicted_survival,
        seed=seed,
        draws=draws,
    )


def test_right_predictions_show_about_the_ici_that_chance_gives() -> None:
    expected = dict(_by_chance(made_cohort("A", 150, 1), 200))[730]
    assert isinstance(expected, IciByChance)
    seen = []
    for seed in range(60):
        cohort = made_cohort("A", 150, seed)
        found = smooth_calibration(cohort.survival, cohort.predicted_survival[730], 730)
        assert isinstance(found, SmoothCalibration)
        seen.append(found.ici)
    assert expected.mean == pytest.approx(np.mean(seen), rel=0.2)
    assert np.mean(np.array(seen) > expected.upper) < 0.15


def test_more_patients_have_less_of_it_and_a_seed_gives_the_same() -> None:
    few, many = (_by_chance(made_cohort("A", n, 1)) for n in (60, 600))
    for days, (_, one), (_, other) in zip(HORIZONS, few, many, strict=True):
        assert isinstance(one, IciByChance)
        assert isinstance(other, IciByChance)
        assert one.days == days
        assert other.mean < 0.6 * one.mean
        assert other.mean < other.upper
    assert _by_chance(made_cohort("A", 60, 1)) == few
    assert _by_chance(made_cohort("A", 60, 1), seed=2) != few


def test_what_cannot_be_drawn_is_said() -> None:
    cohort = made_cohort("A", 60, 1)
    (_, without), *_ = ici_by_chance(
        cohort.survival, cohort.linear_predictor, None, cohort.predicted_survival, seed=1
    )
    assert isinstance(without, NotEstimable)
    short = Survival(np.linspace(1, 30, 60), cohort.survival.event)
    (_, few), *_ = ici_by_chance(
        short, cohort.linear_predictor, BASELINE, cohort.predicted_survival, seed=1, draws=20
    )
    assert isinstance(few, NotEstimable)
    assert "0 of 20 drawn cohorts" in few.sentence
