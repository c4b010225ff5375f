"""The figures over contours: those of the functions themselves, and nothing where nothing is known;
what of them leaves.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.scored_cohorts import PROVENANCE, made_cohort
from validation_reports.cohort.contour_cohort import ContourCohort
from validation_reports.cohort.scored_cohort import ScoredCohort
from validation_reports.disclosure.small_cells import FEW_WITHOUT_CONTOURS
from validation_reports.disclosure.what_leaves import Disclosure, what_leaves
from validation_reports.page.render import render_html
from validation_reports.report.validation_report import build_report, from_json, to_json
from validation_reports.statistics.calibration import CalibrationSlope, calibration_slope
from validation_reports.statistics.discrimination import Concordance, harrell_c
from validation_reports.statistics.hazard_calibration import HazardScaleRatio, hazard_scale_ratio
from validation_reports.statistics.over_contours import (
    CONTOURS_UNKNOWN,
    FigureOverContours,
    OverContours,
    over_contours,
)

CONTOURS = 12


def moved(cohort: ScoredCohort, n_unknown: int, sd: float = 0.3) -> ScoredCohort:
    """Return a cohort whose scores move by chance; of its first patients nothing is known."""
    random = np.random.default_rng(3)
    scores = cohort.linear_predictor[:, None] + sd * random.normal(size=(cohort.n, CONTOURS))
    other = ((scores > 0) != cohort.high_risk[:, None]).mean(axis=1)
    scores[:n_unknown], other[:n_unknown] = np.nan, np.nan
    return replace(cohort, contours=ContourCohort(scores, other))


def test_the_figures_are_those_of_each_contour_of_all_patients_known() -> None:
    cohort = moved(made_cohort("A", 120, 1), 7)
    assert cohort.contours is not None
    found = over_contours(
        cohort.survival, cohort.linear_predictor, cohort.contours, cohort.baseline
    )
    assert isinstance(found, OverContours)
    known, scores = cohort.survival.subset(np.arange(7, 120)), cohort.contours.scores[7:]
    assert (found.n, found.contours) == (113, CONTOURS)
    assert found.n_uncertain == int((cohort.contours.other_group[7:] >= 0.1).sum()) > 0
    c, slope, hazard = [], [], []
    for column in scores.T:
        one, two = harrell_c(known, column), calibration_slope(known, column)
        three = hazard_scale_ratio(known, column, cohort.baseline)
        assert isinstance(one, Concordance)
        assert isinstance(two, CalibrationSlope)
        assert isinstance(three, HazardScaleRatio)
        c.append(one.estimate)
        slope.append(two.estimate)
        hazard.append(three.estimate)
    drawn = harrell_c(known, cohort.linear_predictor[7:])
    assert isinstance(drawn, Concordance)
    for figure, values in ((found.concordance, c), (found.slope, slope), (found.hazard, hazard)):
        assert isinstance(figure, FigureOverContours)
        assert (figure.p10, figure.p90) == tuple(np.percentile(values, [10, 90]))
    assert isinstance(found.concordance, FigureOverContours)
    assert found.concordance.drawn == drawn.estimate


def test_contours_that_move_nothing_change_nothing() -> None:
    cohort = moved(made_cohort("A", 60, 1), 0, sd=0.0)
    found = over_contours(cohort.survival, cohort.linear_predictor, cohort.contours)
    assert isinstance(found, OverContours)
    assert found.n_uncertain == 0
    assert isinstance(found.slope, FigureOverContours)
    assert found.slope.p10 == found.slope.p90 == found.slope.drawn


def test_nothing_is_told_where_nothing_is_known() -> None:
    cohort = made_cohort("A", 60, 1)
    assert over_contours(cohort.survival, cohort.linear_predictor, None) is CONTOURS_UNKNOWN


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_unknown", "leaves"), [(0, True), (3, False), (20, True), (57, False), (60, True)]
)
def test_figures_that_would_find_few_patients_do_not_leave(n_unknown: int, leaves: bool) -> None:
    cohort = moved(made_cohort("A", 60, 1), n_unknown)
    if n_unknown == 60:
        cohort = replace(cohort, contours=None)
    report = build_report([cohort], PROVENANCE, n_resamples=20)
    safe = what_leaves(report, [cohort], Disclosure.SAFE).report
    found = safe.centers[0].over_contours
    assert (found != FEW_WITHOUT_CONTOURS) == leaves
    if isinstance(found, OverContours):
        assert found.n_uncertain % 5 == 0
        assert found.n == 60 - n_unknown
    page = render_html(safe)
    assert "What other contours would change" in page
    assert ("of 60 patients is uncertain" in page) == (n_unknown == 0)
    assert from_json(to_json(report)) == report


def test_a_pool_has_the_contours_of_its_centres() -> None:
    cohorts = [moved(made_cohort("A", 60, 1), 20), made_cohort("B", 40, 2)]
    report = build_report(cohorts, PROVENANCE, n_resamples=20)
    assert report.pooled is not None
    found, of_a = report.pooled.over_contours, report.centers[0].over_contours
    assert isinstance(found, OverContours)
    assert isinstance(of_a, OverContours)
    assert (found.n, found.n_uncertain) == (40, of_a.n_uncertain)
    assert found.concordance == of_a.concordance
