"""Records of suites and the pages made of them: whole without a network, true in counts, words for
each code.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dicom_node.registry.registry import Release, StudyState, StudySummary
from feature_store.clinical_records import ClinicalRecord, Histology, Sex
from feature_store.expectations.cohort_facts import CohortFacts, cohort_facts
from feature_store.expectations.records import keep, kept, new_record, of_content
from feature_store.expectations.suites import (
    EXPECTED,
    RAISABLE,
    SUITE_TITLES,
    SUITES,
    Finding,
    Severity,
    check_cohort,
    check_study,
    waive,
)
from feature_store.tables.store import ScoreRow, StudyIdentity
from tests.unit.feature_store.expectations.test_suites import GOOD
from validation_reports.expectation_pages.pages import CenterChecks, write_pages

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
KVP = Finding(Severity.WARNING, "kvp", "The tube voltage is 140 kV, expected 120 kV.")
NO_GTV = Finding(Severity.CRITICAL, "gtv-name", "No ROI is the GTV: expected <one>.")
NO_AGE = Finding(Severity.WARNING, "age-missing", "2 patients have no age.")
COHORT = CohortFacts("B", 150, 110, 900.0, 0.5, 0.0, 0.0, 0, 0.0, 0)


def study(number: int, content: str = "c") -> StudyIdentity:
    return StudyIdentity("B", f"patient{number}", f"study{number}", content * 64)


def summary(number: int, state: StudyState, sentence: str | None = None) -> StudySummary:
    return StudySummary(
        f"study{number}", f"patient{number}", "B", state, sentence, 60, NOW, NOW, None
    )


def rows(page: str) -> dict[str, tuple[int, int]]:
    """Return by code how many were looked at and how many did not meet it."""
    found = re.findall(
        r'<code class="soft">([a-z-]+)</code>.*?<td class="n">(\d+)</td>.*?<td '
        r'class="n[^"]*">(\d+)</td>\n',
        page,
    )
    return {code: (int(checked), int(unmet)) for code, checked, unmet in found}


def test_a_record_comes_back_and_the_newest_content_counts(tmp_path: Path) -> None:
    earlier = new_record("study", "B", (NO_GTV,), NOW - timedelta(1), "0.1.0", study(1, "a"))
    newest = new_record("study", "B", (KVP,), NOW, "0.1.0", study(1))
    regions = new_record("regions", "B", (), NOW, "0.1.0", study(1))
    clinical = new_record("clinical", "B", (), NOW, "0.1.0", n=7)
    for record in (earlier, newest, regions, clinical):
        keep(tmp_path, record)
    assert set(kept(tmp_path, "B")) == {newest, regions, clinical}
    assert of_content(tmp_path, study(1, "a")) == [earlier]
    keep(tmp_path, clinical).write_text("{ cut off")
    assert set(kept(tmp_path, "B")) == {newest, regions}


def test_pages_count_and_name_what_was_found_and_need_no_network(tmp_path: Path) -> None:
    records = [
        new_record("study", "B", (), NOW, "0.1.0", study(1)),
        new_record("study", "B", (KVP,), NOW, "0.1.0", study(2)),
        new_record("study", "B", (NO_GTV, KVP), NOW, "0.1.0", study(3)),
        new_record(
            "clinical",
            "B",
            (Finding(Severity.WARNING, "age-missing", "2 patients have no age."),),
            NOW,
            "0.1.0",
        ),
    ]
    studies = (
        summary(1, StudyState.SCORED),
        summary(2, StudyState.SCORED),
        summary(3, StudyState.QUARANTINED, NO_GTV.sentence),
        summary(4, StudyState.QUARANTINED, "A CT slice cannot be read."),
    )
    release = Release("study2", "B", "c" * 64, "Dr. Example", "read again", {"histology": "x"}, NOW)
    checks = [CenterChecks("B", tuple(records), studies, (release,)), CenterChecks("C", (), ())]
    index = write_pages(tmp_path, checks, ("histology",), NOW, "0.1.0")
    page = (tmp_path / "center-B.html").read_text()
    counted = rows(page)
    assert (counted["kvp"], counted["gtv-name"], counted["vendor"]) == ((3, 2), (3, 1), (3, 0))
    assert "No ROI is the GTV: expected &lt;one&gt;." in page
    assert "A CT slice cannot be read." in page
    assert "Released by Dr. Example at 2026-01-01 12:00 UTC: read again" in page
    assert "2 patients have no age." in page
    assert page.index('id="study3"') < page.index('id="study2"')
    assert 'id="study1"' not in page
    assert re.search(
        r">B</a></th><td class=\"n\">3</td><td class=\"n met\">1</td>", index.read_text()
    )
    for file in tmp_path.glob("*.html"):
        assert not re.search(r"https?:|//[a-z]|<script|@import|url\(", file.read_text())
    suite = json.loads((tmp_path / "suites" / "study.json").read_text())
    severities = {one["meta"]["code"]: one["severity"] for one in suite["expectations"]}
    assert (severities["histology"], severities["kvp"]) == ("critical", "warning")


def test_every_expectation_has_words() -> None:
    assert set(EXPECTED) == {rule.code for rules in SUITES.values() for rule in rules}
    assert set(SUITE_TITLES) == set(SUITES)


def test_settings_turn_a_warning_into_a_quarantine_and_a_release_turns_it_back() -> None:
    large = replace(GOOD, histology=Histology.LARGE_CELL, kvp=140.0)
    found = check_study(large, ("histology",))
    assert [(one.code, one.severity) for one in found] == [
        ("histology", Severity.CRITICAL),
        ("kvp", Severity.WARNING),
    ]
    waived = waive(found, {"histology": "Released by A.", "kvp": "never said"})
    assert waived[0] == Finding(
        Severity.WARNING, "histology", f"{found[0].sentence} Released by A."
    )
    assert waived[1] == found[1]
    assert waive((NO_GTV,), {"gtv-name": "Released by A."}) == (NO_GTV,)
    assert "gtv-name" not in RAISABLE


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
