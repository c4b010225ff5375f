"""What may be asked of an ad-hoc cohort."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import ValidationError

from feature_store.clinical_records import Histology, Sex, StageGroup
from flows.validation.cohort_query import CohortQuery


def test_criteria_reach_the_selection() -> None:
    query = CohortQuery.model_validate(
        {
            "centers": ["B"],
            "stages": ["III"],
            "histologies": ["adenocarcinoma"],
            "sexes": ["female"],
            "scored_from": "2026-01-01",
            "scored_until": "2026-06-30",
            "patients": ["p1"],
        }
    )
    selection = query.selection()
    assert selection.stages == {StageGroup.ADVANCED}
    assert selection.histologies == {Histology.ADENOCARCINOMA}
    assert selection.sexes == {Sex.FEMALE}
    assert (selection.scored_from, selection.scored_until) == (date(2026, 1, 1), date(2026, 6, 30))
    assert selection.patients == {"p1"}


def test_only_a_query_without_criteria_takes_whole_centers() -> None:
    assert CohortQuery(centers=["B"], horizons_days=[365]).takes_whole_centers
    assert not CohortQuery(centers=["B"], sexes=[Sex.MALE]).takes_whole_centers
    assert not CohortQuery(centers=["B"], combat=True).takes_whole_centers


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({}, "centers"),
        ({"centers": []}, "centers"),
        ({"centers": ["B"], "stage": ["III"]}, "stage"),
        ({"centers": ["B"], "stages": ["IV"]}, "stages"),
        (
            {"centers": ["B"], "scored_from": "2026-02-01", "scored_until": "2026-01-01"},
            "the earlier first",
        ),
        ({"centers": ["B"], "horizons_days": [0]}, "horizons_days"),
        ({"centers": ["B"], "model_digest": "short"}, "model_digest"),
        ({"centers": ["B"], "name": "../up"}, "name"),
    ],
)
def test_a_wrong_query_is_refused_by_the_name_of_what_is_wrong(
    wrong: dict[str, object], named: str
) -> None:
    with pytest.raises(ValidationError, match=named):
        CohortQuery.model_validate(wrong)
