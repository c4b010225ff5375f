"""The test between centres suits the data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.support.scored_cohorts import made_cohort
from validation_reports.not_estimable import NotEstimable
from validation_reports.statistics.cohort_table import (
    DifferenceTest,
    compare_counts,
    compare_numbers,
    describe_cohorts,
)


def test_the_test_between_centres_suits_the_data() -> None:
    random = np.random.default_rng(8)
    normal = [random.normal(60, 9, 50), random.normal(70, 9, 50), random.normal(65, 9, 50)]
    skewed = [random.exponential(9, 50) for _ in range(3)]
    names = [compare_numbers(groups) for groups in (normal[:2], normal, skewed[:2], skewed)]
    assert [test.method for test in names if isinstance(test, DifferenceTest)] == [
        "Welch's t test",
        "analysis of variance",
        "Mann-Whitney test",
        "Kruskal-Wallis test",
    ]
    assert isinstance(compare_numbers(normal[:1]), NotEstimable)
    fisher, chi, rough = (
        compare_counts(np.array(table))
        for table in ([[1, 9], [8, 2]], [[30, 20], [20, 30]], [[1, 9, 2], [8, 2, 1]])
    )
    assert isinstance(fisher, DifferenceTest)
    assert (fisher.method, round(fisher.p_value, 6)) == ("Fisher's exact test", 0.005477)
    assert isinstance(chi, DifferenceTest)
    assert chi.method == "chi-square test"
    assert isinstance(rough, DifferenceTest)
    assert "approximate" in rough.method
    assert isinstance(compare_counts(np.array([[3, 0], [4, 0]])), NotEstimable)


def test_a_centre_that_tells_stage_more_finely_does_not_differ_for_that() -> None:
    cohorts = []
    for seed, (center, names) in enumerate(
        {"A": {"I-II": "II", "III": "IIIA"}, "B": {"I-II": "IIB", "III": "III"}}.items(), 1
    ):
        made = made_cohort(center, 60, seed)
        stage = np.where(np.arange(60) < 25, names["I-II"], names["III"])
        cohorts.append(replace(made, covariates=made.covariates.assign(stage=stage)))
    table = describe_cohorts(cohorts, None)
    assert dict(table.levels)["stage"] == ("II", "IIB", "III", "IIIA")
    test = dict(table.tests)["stage"]
    assert isinstance(test, DifferenceTest)
    assert test == compare_counts(np.array([[25, 35], [25, 35]]))
    sex = dict(table.tests)["sex"]
    counts = [dict(column.counts)["sex"] for column in table.columns]
    assert sex == compare_counts(np.array(counts))
