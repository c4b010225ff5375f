"""Numbers, intervals, p values and horizons as readers see them."""

from __future__ import annotations

from models.combined.certainty import ScoreRange
from validation_reports.wording import (
    horizon_words,
    interval,
    joined_refusals,
    p_words,
    percent,
    range_words,
    value_words,
    without_patterns,
)


def test_wording() -> None:
    assert interval(0.714, 0.6449, 0.781) == "0.71 (0.64–0.78)"
    assert interval(-0.08, -1.02, 0.85) == "−0.08 (−1.02 to 0.85)"
    assert [p_words(p) for p in (0.0004, 0.0123, 0.26)] == ["p < 0.001", "p = 0.012", "p = 0.26"]
    assert [horizon_words(days) for days in (365, 730, 1095, 1826, 100)] == [
        "1 year",
        "2 years",
        "3 years",
        "5 years",
        "100 days",
    ]
    shares = [0, 0.0001, 0.005, 0.006, 0.5, 0.994, 0.995, 1]
    assert [percent(share) for share in shares] == [
        "0%",
        "<1%",
        "<1%",
        "1%",
        "50%",
        "99%",
        ">99%",
        "100%",
    ]


def test_refusals_with_one_reason_are_one_sentence() -> None:
    reason = " from 3 deaths in 4 patients: at least 5 deaths are needed."
    few = [f"{what} is not estimated{reason}" for what in ("Harrell's C", "Uno's C", "The slope")]
    assert joined_refusals([*few, few[0], "There is no curve."]) == [
        f"Harrell's C, Uno's C and the slope are not estimated{reason}",
        "There is no curve.",
    ]
    assert joined_refusals(few[:1]) == few[:1]


def test_no_regular_expression_is_shown_to_clinicians() -> None:
    sentence = (
        "No ROI is the GTV: expected one ROI whose whole name matches {}, found 'CTV', 'BODY'. "
        "Rename the ROI."
    )
    for pattern in (r"GTV[-_ ]?(1|p)?", "it's(GTV), one"):
        shown = without_patterns(sentence.format(repr(pattern)))
        assert shown == sentence.format("the centre's gtv_pattern")
    assert without_patterns("The slices are 7.5 mm apart.") == "The slices are 7.5 mm apart."


def test_a_range_over_contours_is_told_with_the_other_group() -> None:
    certain = range_words(ScoreRange(20, 20, -0.25, 0.125, 0.0), high_risk=True)
    assert certain == (
        "Over 20 contours such as other readers might have drawn, the score lies between -0.250 "
        "and +0.125 (10th to 90th percentile); none of them fall into the group of low risk."
    )
    uncertain = range_words(ScoreRange(20, 18, 0.1, 0.2, 2 / 18), high_risk=False)
    assert "2 of them fall into the group of high risk, so the group is uncertain." in uncertain
    assert uncertain.endswith("2 more contours could not be measured.")
    assert "confidence" not in certain + uncertain


def test_what_patients_may_lack_is_named_as_readers_do() -> None:
    assert value_words("CT: kvp") == "CT: tube voltage"
    assert (
        value_words("CT: ring 6mm:soft tissue share") == "CT: share of soft tissue in the ring 6mm"
    )
    assert value_words("age") == "age"
