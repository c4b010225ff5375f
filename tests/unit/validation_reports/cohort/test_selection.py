"""An ad-hoc cohort takes whom it asks for, and says of everybody else why not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from feature_store.clinical_records import ClinicalRecord, Histology, Sex, StageGroup
from feature_store.tables.store import ScoreRow, StudyIdentity
from validation_reports.cohort.selection import OUTSIDE, CohortSelection

RECORD = ClinicalRecord("p1", "B", 64, Sex.FEMALE, Histology.ADENOCARCINOMA, "IIIA", 400, True)
SCORE = ScoreRow(
    StudyIdentity("B", "p1", "s1", "c1"),
    "m" * 64,
    0.3,
    True,
    {365: 0.7},
    1,
    (),
    "1",
    datetime(2026, 3, 5, tzinfo=UTC),
)


def test_an_empty_selection_takes_everybody() -> None:
    assert CohortSelection().reason_against(RECORD, SCORE) is None
    assert CohortSelection().reason_against(replace(RECORD, stage=None, sex=None), SCORE) is None


@pytest.mark.parametrize(
    ("selection", "reason"),
    [
        (CohortSelection(stages=frozenset({StageGroup.EARLY})), "stage is III"),
        (
            CohortSelection(histologies=frozenset({Histology.SQUAMOUS})),
            "histology is adenocarcinoma",
        ),
        (CohortSelection(sexes=frozenset({Sex.MALE})), "sex is female"),
        (CohortSelection(scored_from=date(2026, 3, 6)), "scored before 2026-03-06"),
        (CohortSelection(scored_until=date(2026, 3, 4)), "scored after 2026-03-04"),
        (CohortSelection(patients=frozenset({"p2"})), "not among the patients named"),
    ],
)
def test_each_criterion_leaves_out_with_its_reason(selection: CohortSelection, reason: str) -> None:
    assert selection.reason_against(RECORD, SCORE) == f"{OUTSIDE}: {reason}"


def test_the_bounds_of_the_dates_are_included() -> None:
    day = date(2026, 3, 5)
    assert CohortSelection(scored_from=day, scored_until=day).reason_against(RECORD, SCORE) is None
