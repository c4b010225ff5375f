"""A table whose longest follow-up lies below the first horizon gives no verdict, anywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.survival.survival_data import Survival
from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.not_estimable import NotEstimable
from validation_reports.page.render import render_html
from validation_reports.report.latest_performance import center_performances
from validation_reports.report.summary import headline
from validation_reports.report.validation_report import build_report
from validation_reports.statistics.brier_score import BrierScore
from validation_reports.statistics.margins import Verdict
from validation_reports.statistics.time_dependent_auc import TimeDependentAuc

SENTENCE = (
    "No verdict is given: the longest follow-up is {longest:.0f} days at {center}, less than the "
    "first horizon of 1 year. Check that the times are days."
)


def in_months(cohort: ScoredCohort) -> ScoredCohort:
    days = np.round(cohort.survival.days / 30.4375, 1) + 0.1
    return replace(cohort, survival=Survival(days, cohort.survival.event))


def test_months_for_days_give_no_verdict_and_say_why() -> None:
    cohort = in_months(made_cohort("A", 200, 3))
    report = build_report([cohort], PROVENANCE, n_resamples=20)
    sentence = SENTENCE.format(center="A", longest=cohort.survival.days.max())
    lines = headline(report)
    assert {line.verdict for line in lines} == {Verdict.UNKNOWN, Verdict.NOTE}
    assert {line.answer for line in lines if line.verdict is Verdict.UNKNOWN} == {sentence}
    assert sentence in render_html(report)
    (found,) = center_performances(report, "one")
    assert (found.calibration.verdict, found.calibration.answer) == (Verdict.UNKNOWN, sentence)


@pytest.mark.slow
def test_one_centre_in_months_takes_the_verdict_from_the_pool_and_not_from_the_other() -> None:
    good, months = made_cohort("A", 200, 4), in_months(made_cohort("B", 200, 5))
    report = build_report([good, months], PROVENANCE, n_resamples=20)
    assert {line.verdict for line in headline(report)} == {Verdict.UNKNOWN, Verdict.NOTE}
    assert "days at B, less than" in headline(report)[0].answer
    at_a, at_b = center_performances(report, "one")
    assert at_b.calibration.answer.startswith("No verdict is given")
    assert not at_a.calibration.answer.startswith("No verdict is given")


@pytest.mark.parametrize(("n", "is_given"), [(1, True), (4, True), (5, False)])
def test_a_few_patients_of_a_new_centre_do_not_take_the_verdict_from_the_others(
    n: int, *, is_given: bool
) -> None:
    new = made_cohort("B", n, 5)
    new = replace(new, survival=Survival(np.arange(40.0, 40.0 + n), np.ones(n, dtype=np.bool_)))
    report = build_report([made_cohort("A", 60, 4), new], PROVENANCE, n_resamples=20)
    said = [line.answer for line in headline(report) if "No verdict is given" in line.answer]
    assert bool(said) is not is_given
    at_a, at_b = center_performances(report, "one")
    assert not at_a.calibration.answer.startswith("No verdict is given")
    assert at_b.calibration.answer.startswith("No verdict is given")


def test_a_follow_up_that_ends_at_the_first_horizon_reaches_it() -> None:
    cohort = made_cohort("A", 200, 6)
    days = np.minimum(cohort.survival.days, 365.0)
    event = cohort.survival.event & (cohort.survival.days <= 365)
    report = build_report(
        [replace(cohort, survival=Survival(days, event))], PROVENANCE, n_resamples=20
    )
    assert not any("No verdict" in line.answer for line in headline(report))


def test_where_everybody_was_followed_to_the_last_horizon_the_living_are_its_controls() -> None:
    cohort = made_cohort("A", 200, 6)
    days = np.minimum(cohort.survival.days, 1095.0)
    event = cohort.survival.event & (cohort.survival.days <= 1095)
    (cut,) = build_report(
        [replace(cohort, survival=Survival(days, event))], PROVENANCE, n_resamples=20
    ).centers
    (whole,) = build_report([cohort], PROVENANCE, n_resamples=20).centers
    for found, full in (
        (cut.auc[2][1], whole.auc[2][1]),
        (cut.brier[2][1], whole.brier[2][1]),
    ):
        assert isinstance(found, TimeDependentAuc | BrierScore)
        assert isinstance(full, TimeDependentAuc | BrierScore)
        # few were censored before, so the cut takes hardly any information on the horizon away
        np.testing.assert_allclose(found.estimate, full.estimate, rtol=0.02)
    assert not isinstance(cut.calibration.horizons[2][1], NotEstimable)
