"""What a report says was scored is read back as it was told."""

from __future__ import annotations

from dataclasses import replace

from pydicom.dataset import Dataset

from validation_reports.dicom.reported_score import ReportedScore, reported_score

TOLD = ReportedScore("1", 0.25, True, ("A warning.", "Another."))


def test_scores_are_told_alike_where_nothing_that_is_shown_differs() -> None:
    assert TOLD.is_told_like(replace(TOLD, linear_predictor=0.25 + 1e-6))
    assert TOLD.is_told_like(replace(TOLD, warnings=["Another.", "A warning."]))
    for other in (
        replace(TOLD, roi_number="2"),
        replace(TOLD, linear_predictor=0.251),
        replace(TOLD, high_risk=False),
        replace(TOLD, warnings=("A warning.",)),
    ):
        assert not TOLD.is_told_like(other)


def test_a_document_of_others_tells_no_score() -> None:
    document, item = Dataset(), Dataset()
    item.TextValue = "1"
    document.ContentSequence = [item]
    assert reported_score(document) is None
    assert reported_score(Dataset()) is None
