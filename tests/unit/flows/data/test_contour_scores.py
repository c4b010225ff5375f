"""A cohort's scores over contours: of its own studies and of one kind of contours."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from feature_store.score import ContourScores
from feature_store.study_identity import StudyIdentity
from flows.data.contour_scores import contour_cohort, range_of
from models.combined.certainty import ScoreRange
from tests.support.scored_cohorts import made_cohort

STUDIES = tuple(StudyIdentity("B", f"b{n}", f"s{n}", "c") for n in range(5))
COHORT = replace(made_cohort("B", 5, 1), studies=STUDIES)


def row(study: StudyIdentity, **changes: object) -> ContourScores:
    scores = (None, *np.linspace(-1, 1, 11).tolist())
    found = ContourScores(
        study, "m", scores, -0.8, 0.8, 0.25, 1.2, 10.0, 3.0, "0", datetime(2026, 1, 1, tzinfo=UTC)
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def test_a_range_is_what_the_row_says() -> None:
    assert range_of(row(STUDIES[0])) == ScoreRange(12, 11, -0.8, 0.8, 0.25)
    assert range_of(row(STUDIES[0], p10=None, p90=None, other_group=None)) is None


def test_scores_are_in_the_order_of_the_patients_and_what_is_not_comparable_is_not_known() -> None:
    kept = {
        STUDIES[3]: row(STUDIES[3], other_group=0.5),
        STUDIES[1]: row(STUDIES[1]),
        STUDIES[2]: row(STUDIES[2], sd_mm=2.0),
        STUDIES[4]: row(STUDIES[4], p10=None, p90=None, other_group=None),
        StudyIdentity("B", "b0", "s0", "newer"): row(STUDIES[0]),
    }
    found = contour_cohort(kept, COHORT)
    assert found is not None
    assert found.known.tolist() == [False, True, False, True, False]
    assert found.other_group[[1, 3]].tolist() == [0.25, 0.5]
    # where a contour could not be measured, the drawn one stands for it
    assert found.scores[1, 0] == COHORT.linear_predictor[1]
    assert found.scores[3, 1:].tolist() == np.linspace(-1, 1, 11).tolist()


def test_nothing_is_known_of_a_cohort_that_was_scored_without() -> None:
    assert contour_cohort({}, COHORT) is None
    assert contour_cohort({STUDIES[0]: row(STUDIES[0])}, made_cohort("B", 5, 1)) is None
