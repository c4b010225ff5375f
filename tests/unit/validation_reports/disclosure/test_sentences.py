"""Sentences that leave tell neither how few patients there are nor when one of them died."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.support.scored_cohorts import PROVENANCE
from validation_reports.disclosure.sentences import (
    everywhere,
    sentence_that_leaves,
    without_pseudonyms,
)
from validation_reports.not_estimable import NotEstimable, too_few_events


@pytest.mark.parametrize(
    ("sentence", "leaves"),
    [
        ("none of the 3 patients at low risk died.", "none of the fewer than 5 patients at"),
        ("of 1 death in 24 patients", "of fewer than 5 deaths in 24 patients"),
        ("the longest follow-up is 1234 days.", "the longest follow-up is about 1230 days."),
        (
            "survival is still 0.61 at the longest follow-up, 1234 days.",
            "at the longest follow-up, about 1230 days.",
        ),
        ("Survival at 365 days is not estimated", "Survival at 365 days is not estimated"),
        ("at least 5 deaths are needed", "at least 5 deaths are needed"),
        ("in 24 patients", "in 24 patients"),
    ],
)
def test_small_counts_and_times_are_rounded(sentence: str, leaves: str) -> None:
    assert leaves in sentence_that_leaves(sentence)


def test_every_sentence_of_a_record_is_looked_at() -> None:
    few = too_few_events("C", 3, 30)
    assert few is not None
    record = replace(PROVENANCE, query="")
    found = everywhere((few, {"a": (few,)}, record), NotEstimable, lambda _: NotEstimable("x"))
    assert found == (NotEstimable("x"), {"a": (NotEstimable("x"),)}, record)


def test_a_query_names_no_patient() -> None:
    query = {"centers": ["A"], "patients": ["a0001"]}
    named = replace(PROVENANCE, query=json.dumps(query))
    assert "a0001" not in without_pseudonyms(named).query
    assert "5 patients by pseudonym" in without_pseudonyms(named).query
    assert without_pseudonyms(PROVENANCE) == PROVENANCE
    other = replace(PROVENANCE, query=json.dumps({"patients": []}))
    assert without_pseudonyms(other) == other
