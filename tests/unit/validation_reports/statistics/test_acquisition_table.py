"""Scanners, protocols and drift: planted changes are found, chance is not cried over, little data
is a sentence.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.cohort.training_patients import TrainingPatients
from validation_reports.not_estimable import NotEstimable
from validation_reports.page.render import render_html
from validation_reports.report.validation_report import build_report, from_json, to_json
from validation_reports.statistics.acquisition_table import AcquisitionTable, describe_acquisitions
from validation_reports.statistics.drift import Drift, drift_over_time


def _acquisitions(n: int, seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    month = [f"{2018 + number // 12}-{number % 12 + 1:02d}" for number in random.integers(0, 48, n)]
    vendor = random.choice(["Siemens", "SIEMENS ", "GE  Medical"], size=n)
    return pd.DataFrame(
        {
            "month": month,
            "manufacturer": vendor,
            "model_name": "one",
            "convolution_kernel": None,
            "kvp": 120.0,
            "slice_thickness_mm": random.choice([3.0, 5.0, np.nan], size=n),
        },
    )


def _years(acquisitions: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([int(text[:4]) + int(text[5:]) / 12 for text in acquisitions["month"]])


def test_spellings_of_one_scanner_are_one_and_the_training_patients_stand_beside() -> None:
    table = _acquisitions(60)
    score = np.where(table["manufacturer"].str.startswith("GE"), 2.0, 0.0)
    training = pd.DataFrame(
        {
            "month": None,
            "manufacturer": ["SIEMENS"] * 5,
            "model_name": "ONE",
            "convolution_kernel": "B30f",
            "kvp": [100.0] * 5,
            "slice_thickness_mm": 3.0,
        },
    )
    found = describe_acquisitions(table, score, training)
    assert isinstance(found, AcquisitionTable)
    scanner, voltage, thickness, kernel = found.characteristics
    levels = {level.level: level for level in scanner.levels}
    assert levels.keys() == {"SIEMENS ONE", "GE MEDICAL ONE"}
    assert sum(level.n for level in scanner.levels) == 60
    assert (levels["GE MEDICAL ONE"].mean_score, levels["GE MEDICAL ONE"].n_training) == (2.0, 0)
    assert (levels["SIEMENS ONE"].mean_score, levels["SIEMENS ONE"].n_training) == (0.0, 5)
    assert [(level.level, level.n_training) for level in voltage.levels] == [("120 kV", 0)]
    assert thickness.levels[-1].level == "not known"
    assert [level.level for level in kernel.levels] == ["not known"]
    many = table.assign(model_name=[str(number) for number in range(60)])
    rest = describe_acquisitions(many, score)
    assert isinstance(rest, AcquisitionTable)
    assert (rest.characteristics[0].levels[-1].level, rest.characteristics[0].levels[-1].n) == (
        "others",
        52,
    )
    assert rest.n_training is None


def test_a_planted_drift_is_found_with_its_size_and_chance_is_not() -> None:
    table, random = _acquisitions(200), np.random.default_rng(2)
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


def test_both_stand_in_the_report_and_come_back_from_its_json() -> None:
    plain, table = made_cohort("Alpha", 60, 1), _acquisitions(60)
    features = pd.DataFrame({"gtv:a": np.random.default_rng(1).normal(size=60)})
    cohort = replace(plain, acquisitions=table, features=features)
    training = TrainingPatients("T", cohort.linear_predictor, cohort.covariates, features, table)
    report = build_report([cohort], PROVENANCE, training=training, n_resamples=20)
    assert from_json(to_json(report)) == report
    page = render_html(report)
    assert "GE MEDICAL ONE" in page
    assert page.count("Mean score with 95% interval by period of the scan") == 1
    assert "gtv:a" in page
    assert not any(month in to_json(report) for month in table["month"]), (
        "only quarters with ten patients are told"
    )
    unknown = render_html(build_report([plain], PROVENANCE, n_resamples=20))
    assert "There is no table of scanners and protocols" in unknown
    assert "the month of no patient&#39;s scan is known" in unknown
