"""The overview counts studies by what became of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dicom_node.registry.registry import StudyState, StudySummary
from flows.operators.center_overview import overview_rows

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def _study(
    center: str, state: StudyState, waited: timedelta, delivered: bool | None = None
) -> StudySummary:
    return StudySummary(f"s{waited}", "p", center, state, None, 10, NOW - waited, NOW, delivered)


def test_each_center_has_one_row_with_its_counts() -> None:
    studies = [
        _study("B", StudyState.SCORED, timedelta(days=9), delivered=True),
        _study("B", StudyState.SCORED, timedelta(days=8), delivered=False),
        _study("B", StudyState.QUEUED, timedelta(minutes=5)),
        _study("B", StudyState.INCOMPLETE, timedelta(days=2, hours=3)),
        _study("C", StudyState.QUARANTINED, timedelta(days=1)),
    ]
    b, c, d = overview_rows(["B", "C", "D"], studies, NOW)
    assert (b["arrived"], b["scored"], b["waiting"], b["incomplete"]) == (4, 2, 1, 1)
    assert (b["SR delivered"], b["SR waiting"], b["oldest waiting"]) == (1, 1, "2 d 3 h")
    assert (c["quarantined"], c["oldest waiting"]) == (1, "-")
    assert (d["centre"], d["arrived"]) == ("D", 0)


@pytest.mark.parametrize(
    ("waited", "words"),
    [
        (timedelta(seconds=30), "0 min"),
        (timedelta(minutes=59), "59 min"),
        (timedelta(hours=3, minutes=4), "3 h 4 min"),
        (timedelta(days=40), "40 d 0 h"),
    ],
)
def test_waiting_is_told_in_units_that_people_read(waited: timedelta, words: str) -> None:
    (row,) = overview_rows(["B"], [_study("B", StudyState.HELD, waited)], NOW)
    assert row["oldest waiting"] == words
