"""The range of a score over contours: percentiles, the share of the other group, and too few."""

from __future__ import annotations

import numpy as np
import pytest

from models.combined.certainty import score_range

SCORES = [0.1 * number for number in range(21)]


def test_percentiles_are_those_of_the_contours_that_were_measured() -> None:
    found = score_range([*SCORES, None, None], high_risk=True, cutoff=-1.0)
    assert found is not None
    assert (found.asked, found.contours) == (23, 21)
    assert (found.p10, found.p90) == pytest.approx(tuple(np.percentile(SCORES, [10, 90])))
    assert found.other_group == 0
    assert not found.is_uncertain


def test_the_other_group_is_that_which_the_drawn_contour_is_not_in() -> None:
    above = [score for score in SCORES if score > 1.65]
    high = score_range(SCORES, high_risk=True, cutoff=1.65)
    low = score_range(SCORES, high_risk=False, cutoff=1.65)
    assert high is not None
    assert low is not None
    assert low.other_group == pytest.approx(len(above) / 21)
    assert high.other_group == pytest.approx(1 - len(above) / 21)
    assert low.is_uncertain
    assert low.in_other_group == len(above)


def test_a_score_at_the_cut_off_is_of_low_risk() -> None:
    found = score_range([0.5] * 10, high_risk=False, cutoff=0.5)
    assert found is not None
    assert found.other_group == 0


def test_nine_contours_have_no_range() -> None:
    assert score_range([0.0] * 9 + [None] * 30, high_risk=True, cutoff=0.0) is None
    assert score_range([0.0] * 10, high_risk=True, cutoff=0.0) is not None
