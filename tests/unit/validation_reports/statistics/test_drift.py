"""A planted drift is found with its size, chance is not cried over, little data is a sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.unit.validation_reports.conftest import made_acquisitions
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.drift import Drift, drift_over_time


def _years(acquisitions: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([int(text[:4]) + int(text[5:]) / 12 for text in acquisitions["month"]])


def test_a_planted_drift_is_found_with_its_size_and_chance_is_not() -> None:
    table, random = made_acquisitions(200), np.random.default_rng(2)
    noise = random.normal(size=200)
    moving = 0.4 * _years(table) + noise
    features = pd.DataFrame({"moving": moving, "still": random.normal(size=200), "constant": 1.0})
    found = drift_over_time(table["month"], moving, features)
    assert isinstance(found, Drift)
    assert found.score_drifts
    assert found.score.lower < 0.4 / moving.std(ddof=1) < found.score.upper
    assert [trend.name for trend in found.features] == ["moving", "still"]
    assert found.features[0].adjusted_p_value < 0.05 < found.features[1].adjusted_p_value
    assert found.n_drifting == 1
    assert sum(period.n for period in found.periods) == 200
    assert all(period.n >= 10 for period in found.periods)
    assert [period.first for period in found.periods] == sorted(
        period.first for period in found.periods
    )
    false_alarms = 0
    for seed in range(200):
        still = np.random.default_rng(seed).normal(size=200)
        without = drift_over_time(table["month"], still, None)
        assert isinstance(without, Drift)
        false_alarms += without.score_drifts
    assert false_alarms <= 20, "5% of 200 are expected"


@pytest.mark.parametrize(
    ("months", "sentence"),
    [
        (None, "the month of no patient's scan is known"),
        (pd.Series([None] * 40), "the month of no patient's scan is known"),
        (pd.Series(["2020-01", "2020-06"] * 20), "40 patients scanned within 5 months"),
        (pd.Series(["2020-01", "2021-06"] + [None] * 38), "2 patients scanned within 17 months"),
    ],
)
def test_too_little_to_see_a_drift_is_a_sentence(
    months: pd.Series[str] | None, sentence: str
) -> None:
    found = drift_over_time(months, np.arange(40.0), None)
    assert isinstance(found, NotEstimable)
    assert sentence in found.sentence
