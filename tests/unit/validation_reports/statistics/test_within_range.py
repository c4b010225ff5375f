"""The result without patients outside the range stands beside that of all, which stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.scored_cohorts import HORIZONS, PROVENANCE, made_cohort
from validation_reports.cohort.scored_cohort import pool
from validation_reports.disclosure.what_leaves import FEW_OUTSIDE, Disclosure, what_leaves
from validation_reports.errors import CohortError
from validation_reports.not_estimable import NotEstimable
from validation_reports.page.render import render_html
from validation_reports.report.validation_report import build_report
from validation_reports.statistics.discrimination import Concordance, harrell_c
from validation_reports.statistics.within_range import RANGE_UNKNOWN, WithinRange, within_range

COHORT = made_cohort("A", 90, 3)


def known(outside: int) -> np.ndarray:
    return np.arange(COHORT.n) >= outside


def test_patients_outside_are_left_out_here_and_nowhere_else() -> None:
    wrong = COHORT.linear_predictor.copy()
    wrong[:10] = 1e6 * np.arange(10)
    found = within_range(COHORT.survival, wrong, known(10), COHORT.baseline)
    assert isinstance(found, WithinRange)
    rest = COHORT.survival.subset(np.arange(10, COHORT.n))
    assert (found.n_outside, found.n, found.n_events) == (10, 80, rest.n_events)
    alone, everybody = harrell_c(rest, wrong[10:]), harrell_c(COHORT.survival, wrong)
    assert found.concordance == alone
    assert isinstance(alone, Concordance)
    assert isinstance(everybody, Concordance)
    assert alone.estimate > everybody.estimate + 0.03


def test_what_is_not_known_is_said() -> None:
    score = COHORT.linear_predictor
    assert within_range(COHORT.survival, score, None) is RANGE_UNKNOWN
    nobody = within_range(COHORT.survival, score, known(COHORT.n))
    assert isinstance(nobody, NotEstimable)
    assert "None of 90 patients" in nobody.sentence
    with pytest.raises(CohortError, match="known whether the model knows them, expected 90"):
        replace(COHORT, in_range=known(2)[1:])


def test_a_pool_knows_it_only_where_every_centre_does() -> None:
    other = made_cohort("B", 30, 4)
    marked = replace(COHORT, in_range=known(4))
    assert pool([marked, other], "both").in_range is None
    both = pool([marked, replace(other, in_range=np.ones(30, dtype=np.bool_))], "both").in_range
    assert both is not None
    assert (both.size, int((~both).sum())) == (120, 4)


@pytest.mark.slow
@pytest.mark.parametrize("outside", [0, 3, 12])
def test_the_page_shows_both_and_a_safe_report_finds_nobody(outside: int) -> None:
    cohort = replace(COHORT, in_range=known(outside))
    report = build_report([cohort], PROVENANCE, HORIZONS, n_resamples=5)
    page = render_html(report)
    leaving = what_leaves(report, [cohort], Disclosure.SAFE).report
    safe = leaving.centers[0].within_range
    if outside == 0:
        assert "All 90 patients are within the range" in page
    else:
        assert f"{outside} of 90 patients are outside the range" in page
    if outside == 3:
        assert safe == FEW_OUTSIDE
        assert FEW_OUTSIDE.sentence in render_html(leaving)
    if outside == 12:
        assert isinstance(safe, WithinRange)
        assert (safe.n_outside, safe.n) == (10, 80)
        assert "About 10 of 90 patients" in render_html(leaving)
