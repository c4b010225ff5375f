"""The score's value over stage is told although a sub-stage has no death."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.support.scored_cohorts import made_cohort
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.added_value import AddedValue, added_value

COHORT = made_cohort("A", 100, 1)
ALIVE = np.flatnonzero(~COHORT.survival.event)


def _with(**few: int) -> pd.Series:
    stage = pd.Series(np.resize(["IB", "IIA", "IIIA", "IIIB"], COHORT.n))
    start = 0
    for name, count in few.items():
        stage.iloc[ALIVE[start : start + count]] = name
        start += count
    return stage


def _stages(stage: pd.Series) -> tuple[str, ...]:
    found = added_value(COHORT.survival, COHORT.linear_predictor, stage)
    assert isinstance(found, AddedValue)
    assert found.n == int(stage.notna().sum())
    assert found.p_value < 0.05
    return found.stages


def test_stages_are_kept_where_each_has_a_death() -> None:
    assert _stages(_with()) == ("IB", "IIA", "IIIA", "IIIB")


def test_a_sub_stage_without_a_death_joins_its_group() -> None:
    assert _stages(_with(IA=2)) == ("I", "IIA", "IIIA", "IIIB")
    assert _stages(_with(IIIC=2)) == ("IB", "IIA", "III")


def test_a_group_without_a_death_joins_the_next() -> None:
    assert _stages(_with(IV=3)) == ("IB", "IIA", "IIIA", "IIIB+IV")
    assert _stages(_with(IA=1, IVA=2)) == ("I", "IIA", "IIIA", "IIIB+IV")


def test_one_stage_alone_is_refused() -> None:
    alike = pd.Series(["IIIA"] * COHORT.n)
    found = added_value(COHORT.survival, COHORT.linear_predictor, alike)
    assert isinstance(found, NotEstimable)
    alike.iloc[ALIVE[:2]] = "IV"
    found = added_value(COHORT.survival, COHORT.linear_predictor, alike)
    assert isinstance(found, NotEstimable)
