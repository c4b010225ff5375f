"""Scores over contours of one centre, and of several side by side."""

from __future__ import annotations

import numpy as np
import pytest

from validation_reports.cohort.contour_cohort import ContourCohort, side_by_side
from validation_reports.errors import CohortError

NAN = float("nan")
ONE = ContourCohort(np.array([[0.0, 1.0, 2.0], [NAN, NAN, NAN]]), np.array([0.5, NAN]))
TWO = ContourCohort(np.array([[3.0, 4.0]]), np.array([0.0]))


def test_centres_side_by_side_have_as_many_contours_as_all_of_them() -> None:
    found = side_by_side([ONE, None, TWO], [2, 1, 1])
    assert found is not None
    np.testing.assert_array_equal(found.scores, [[0.0, 1.0], [NAN, NAN], [NAN, NAN], [3.0, 4.0]])
    assert found.known.tolist() == [True, False, False, True]
    assert side_by_side([None, None], [2, 1]) is None


@pytest.mark.parametrize(
    ("scores", "other_group"),
    [
        ([[0.0, 1.0]], [NAN]),
        ([[0.0, NAN]], [0.5]),
        ([[0.0, 1.0]], [0.5, 0.5]),
        ([0.0, 1.0], [0.5, 0.5]),
    ],
)
def test_a_patient_has_all_scores_and_a_share_or_none(
    scores: list[object], other_group: list[float]
) -> None:
    with pytest.raises(CohortError, match="for the same patients, or neither"):
        ContourCohort(np.array(scores, dtype=np.float64), np.array(other_group))
