"""The five lines judge by the interval, and claim nothing that chance explains."""

from __future__ import annotations

from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.report.summary import Verdict, headline
from validation_reports.report.validation_report import (
    ValidationReport,
    build_report,
)
from validation_reports.statistics.discrimination import Concordance
from validation_reports.wording import interval


def test_the_headline_judges_by_the_interval(report: ValidationReport) -> None:
    lines = headline(report)
    assert [line.verdict for line in lines] == [
        Verdict.YES,
        Verdict.YES,
        Verdict.YES,
        Verdict.PARTLY,
        Verdict.NOTE,
    ]
    c = report.overall.concordance
    assert isinstance(c, Concordance)
    assert interval(c.estimate, c.lower, c.upper) in lines[0].answer
    assert "too few deaths at Gamma" in lines[3].answer
    assert "2 patients excluded" in lines[4].answer


def test_the_headline_does_not_claim_what_chance_explains() -> None:
    noise = headline(build_report([made_cohort("A", 60, 11, effect=0.0)], PROVENANCE))
    assert noise[0].verdict is Verdict.UNKNOWN
    assert noise[3].answer == "Only one centre was looked at: A."
    wrong = headline(
        build_report(
            [made_cohort("A", 200, 12, effect=-1.0), made_cohort("B", 200, 13, effect=-1.0)],
            PROVENANCE,
        )
    )
    assert wrong[0].verdict is Verdict.NO
    assert wrong[1].verdict is Verdict.NO
    assert wrong[3].verdict is Verdict.UNKNOWN


def test_so_few_deaths_that_any_slope_fits_prove_no_calibration() -> None:
    few = headline(build_report([made_cohort("A", 9, 4)], PROVENANCE))[2]
    assert few.verdict is Verdict.UNKNOWN, few.answer
    assert "too few deaths to tell" in few.answer
    assert "slope" in few.answer
