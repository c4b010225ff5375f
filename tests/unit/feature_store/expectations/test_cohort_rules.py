"""The facts of a cohort, and the rules on them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from feature_store.clinical_records import ClinicalRecord, Histology, Sex
from feature_store.expectations.cohort_rules import CohortFacts, cohort_facts
from feature_store.expectations.suites import SUITES, check_cohort
from feature_store.score import ScoreRow
from feature_store.study_identity import StudyIdentity

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
COHORT = CohortFacts("B", 150, 110, 900.0, 0.5, 0.0, 0.0, 0, 0.0, 0)


def study(number: int, content: str = "c") -> StudyIdentity:
    return StudyIdentity("B", f"patient{number}", f"study{number}", content * 64)


@pytest.mark.parametrize(
    ("code", "change", "sentence"),
    [
        ("cohort-patients", {"n_patients": 0}, "No patient can be analysed"),
        ("cohort-no-events", {"n_events": 0}, "None of the 150 patients died"),
        ("cohort-events", {"n_events": 99}, "99 of 150 patients died, expected at least 100"),
        ("cohort-follow-up", {"longest_follow_up_days": 200.0}, "200 days, expected at least 365"),
        (
            "cohort-one-risk-group",
            {"high_risk_share": 0.99},
            "99% of the patients are in the high-risk group",
        ),
        ("cohort-age-missing", {"age_missing_share": 0.2}, "20% of the patients have no age"),
        (
            "cohort-without-clinical",
            {"without_clinical_share": 0.5},
            "50% of the scored patients have no clinical",
        ),
        ("cohort-not-eligible", {"not_eligible": 3}, "3 scored patients do not meet the inclusion"),
        (
            "cohort-quarantined",
            {"quarantined_share": 0.4},
            "All studies of 40% of the patients are quarantined",
        ),
        (
            "cohort-several-contents",
            {"several_contents": 2},
            "2 patients have scores of more than one",
        ),
    ],
)
def test_each_fact_of_a_cohort_fails_its_own_expectation(
    code: str, change: dict[str, Any], sentence: str
) -> None:
    found = {finding.code: finding for finding in check_cohort(replace(COHORT, **change))}
    assert sentence in found.pop(code).sentence
    assert set(found) <= {"cohort-events"}


def test_a_cohort_as_it_should_be_has_no_finding_and_every_rule_a_case() -> None:
    assert check_cohort(COHORT) == ()
    assert len(SUITES["cohort"]) == 10


def test_the_facts_of_a_cohort_are_counted_by_patient() -> None:
    def score(number: int, content: str = "c", *, high: bool = True, day: int = 0) -> ScoreRow:
        at = NOW + timedelta(day)
        return ScoreRow(study(number, content), "m", 0.0, high, {}, 1, (), "0.1.0", at)

    def record(
        number: int, histology: Histology = Histology.SQUAMOUS, age: float | None = 60.0
    ) -> ClinicalRecord:
        return ClinicalRecord(
            f"patient{number}", "B", age, Sex.MALE, histology, "II", 100.0 * number, number == 1
        )

    scores = [score(1), score(1, "d", high=False, day=1), score(2), score(3), score(4)]
    records = [record(1), record(2, age=None), record(3, Histology.OTHER), record(9)]
    facts = cohort_facts("B", scores, records, ["patient2", "patient7"])
    assert facts == CohortFacts("B", 2, 1, 200.0, 0.5, 0.5, 0.25, 1, 0.2, 1)
    assert cohort_facts("B", [], [], []) == CohortFacts("B", 0, 0, 0.0, None, 0.0, 0.0, 0, 0.0, 0)
