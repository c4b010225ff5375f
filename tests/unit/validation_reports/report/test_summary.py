"""The five lines judge by the interval, and claim nothing that chance explains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.survival.survival_data import Survival
from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.disclosure.what_leaves import Disclosure, what_leaves
from validation_reports.report.main_numbers import NOT_ESTIMABLE, center_rows
from validation_reports.report.summary import headline
from validation_reports.report.validation_report import (
    ValidationReport,
    build_report,
)
from validation_reports.statistics.discrimination import Concordance
from validation_reports.statistics.margins import Margins, Verdict, holm
from validation_reports.statistics.risk_groups import HazardRatio
from validation_reports.statistics.subgroups import InteractionTest
from validation_reports.wording import interval


def test_the_headline_judges_by_the_interval(report: ValidationReport) -> None:
    lines = headline(report)
    assert [line.verdict for line in lines] == [
        Verdict.YES,
        Verdict.YES,
        Verdict.UNKNOWN,
        Verdict.UNKNOWN,
        Verdict.NOTE,
    ]
    c = report.first.concordance
    assert isinstance(c, Concordance)
    assert interval(c.estimate, c.lower, c.upper) in lines[0].answer
    assert "Not every 95% interval lies inside the margins 0.80–1.25." in lines[2].answer
    assert "deaths would show it, if they are right; here are 124." in lines[2].answer
    assert "Too few deaths to judge the order of patients: Gamma." in lines[3].answer
    assert "2 patients excluded" in lines[4].answer


@pytest.mark.slow
def test_the_headline_does_not_claim_what_chance_explains() -> None:
    noise = headline(build_report([made_cohort("A", 60, 11, effect=0.0)], PROVENANCE))
    assert noise[0].verdict is Verdict.UNKNOWN
    assert noise[3].answer.endswith("One centre cannot show how centres differ.")
    wrong = headline(
        build_report(
            [made_cohort("A", 200, 12, effect=-1.0), made_cohort("B", 200, 13, effect=-1.0)],
            PROVENANCE,
        )
    )
    assert wrong[0].verdict is Verdict.NO
    assert wrong[1].verdict is Verdict.NO
    assert wrong[3].verdict is Verdict.NO


def test_right_risks_need_many_deaths_to_be_shown() -> None:
    few = headline(build_report([made_cohort("A", 9, 4)], PROVENANCE, n_resamples=20))[2]
    assert few.verdict is Verdict.UNKNOWN, few.answer
    assert "here are 6." in few.answer
    many = build_report([made_cohort("A", 1500, 4)], PROVENANCE, n_resamples=20)
    assert headline(many)[2].verdict is Verdict.YES
    assert headline(many)[2].answer.endswith(
        "Every 95% interval lies inside the margins 0.80–1.25."
    )
    strict = replace(many, margins=Margins(0.95, 1.05))
    assert headline(strict)[2].verdict is Verdict.UNKNOWN


def test_risks_that_are_wrong_are_named() -> None:
    (line,) = [
        line
        for line in headline(
            build_report([made_cohort("A", 300, 4, effect=0.4)], PROVENANCE, n_resamples=20)
        )
        if line.question == "Are the predicted risks right?"
    ]
    assert line.verdict is Verdict.NO
    assert (
        "Outside the margins 0.80–1.25, and not by chance (after Holm): slope 0.38" in line.answer
    )


def test_interactions_by_chance_are_not_in_the_headline() -> None:
    report = build_report([made_cohort("A", 200, 21)], PROVENANCE, n_resamples=20)
    found = {
        item.name: item.interaction
        for item in report.overall.subgroups
        if isinstance(item.interaction, InteractionTest)
    }
    assert len(found) == 4
    adjusted = holm([test.p_value for test in found.values()])
    assert tuple(test.adjusted_p_value for test in found.values()) == adjusted
    assert "differs by" not in headline(report)[4].answer
    sure = replace(found["sex"], p_value=0.001, adjusted_p_value=0.004)
    subgroups = tuple(
        replace(item, interaction=sure) if item.name == "sex" else item
        for item in report.overall.subgroups
    )
    changed = replace(report, centers=(replace(report.overall, subgroups=subgroups),))
    assert "The score's effect differs by sex" in headline(changed)[4].answer


@pytest.mark.slow
def test_a_group_in_which_hardly_a_death_is_expected_is_not_compared() -> None:
    cohort = made_cohort("A", 120, 1)
    early = cohort.survival.days == np.sort(cohort.survival.days[cohort.survival.event])[3]
    alone = build_report([replace(cohort, high_risk=early)], PROVENANCE, n_resamples=20)
    line = headline(alone)[1]
    assert line.verdict is Verdict.UNKNOWN
    assert line.answer == (
        "The hazard ratio is not estimated: at high risk (1 patient, 1 death) fewer than 5 deaths "
        "would be expected if the groups did not differ."
    )
    assert center_rows(alone)[0]["hazard ratio"] == NOT_ESTIMABLE
    safe = what_leaves(alone, [cohort], Disclosure.SAFE).report
    assert headline(safe)[1].answer == line.answer.replace(" (1 patient, 1 death)", "")


@pytest.mark.slow
def test_a_large_group_that_dies_early_is_compared() -> None:
    cohort = made_cohort("A", 120, 1)
    first = np.argsort(np.where(cohort.survival.event, cohort.survival.days, np.inf))[:12]
    high = np.isin(np.arange(120), [*first[:11], int(np.argmax(cohort.survival.days))])
    report = build_report([replace(cohort, high_risk=high)], PROVENANCE, n_resamples=20)
    assert headline(report)[1].verdict is Verdict.YES


@pytest.mark.slow
def test_curves_that_cross_are_not_told_by_one_ratio() -> None:
    cohort, place = made_cohort("A", 120, 1), np.arange(120)
    days = np.where(cohort.high_risk, np.where(place % 2 == 1, 30, 2000), 600 + place)
    crossing = replace(cohort, survival=Survival(days.astype(float), np.ones(120, bool)))
    report = build_report([crossing], PROVENANCE, n_resamples=20)
    line = headline(report)[1]
    ratio = report.first.risk_groups.hazard_ratio
    assert isinstance(ratio, HazardRatio)
    assert ratio.upper < 1
    assert line.verdict is Verdict.UNKNOWN
    assert (
        "but median survival 1.0 months (high risk) against 21.7 months (low risk)" in line.answer
    )


@pytest.mark.slow
def test_a_centre_that_was_not_followed_so_long_is_named_beside_the_risk() -> None:
    long, short = made_cohort("A", 60, 1), made_cohort("B", 60, 2)
    days = np.minimum(short.survival.days, 600.0)
    short = replace(short, survival=Survival(days, short.survival.event & (days < 600)))
    answer = headline(build_report([long, short], PROVENANCE, n_resamples=5))[2].answer
    assert "observed at 1 year;" in answer
    assert "observed at 2 years (without B);" in answer
