"""The flow of patients: every patient is in it once, and a long or hostile reason stays inside its
box.
"""

from __future__ import annotations

from feature_store.clinical_records import ClinicalRecord, Histology, Sex
from feature_store.tables.store import ScoreRow, StudyIdentity
from tests.support.scored_cohorts import PROVENANCE
from validation_reports.cohort.assembly import (
    NO_CLINICAL_ROW,
    NOT_ARRIVED,
    NOT_SCORED,
    assemble_cohort,
)
from validation_reports.cohort.patient_flow import patient_flow


def _score(key: str) -> ScoreRow:
    identity = StudyIdentity("B", key, f"study-{key}", "c" * 64)
    moment = PROVENANCE.created_at
    return ScoreRow(
        identity, PROVENANCE.model_digest, 0.1, False, {365: 0.5}, 1, (), "0.1.0", moment
    )


def _record(key: str, age: float = 70.0) -> ClinicalRecord:
    return ClinicalRecord(key, "B", age, Sex.MALE, Histology.SQUAMOUS, "IIIA", 400.0, True)


def test_everybody_known_is_in_one_place_of_the_flow() -> None:
    cohort = assemble_cohort(
        "B",
        [_score(key) for key in ("good", "young", "no-row")],
        [
            _record(key, 17.0 if key == "young" else 70.0)
            for key in ("good", "young", "bad", "late", "never", "other")
        ],
        {"bad": "two GTVs"},
        (365,),
        unfinished={
            "good": "scored",
            "young": "scored",
            "no-row": "scored",
            "late": "incomplete",
            "other": "scored",
            "new": "held",
        },
    )
    reasons = dict(cohort.excluded)
    assert reasons["never"] == NOT_ARRIVED
    assert reasons["other"] == NOT_SCORED
    assert reasons["late"].endswith("the study is incomplete")
    assert reasons["new"].endswith("the study is held")
    by_reason = [
        (reason, [key for key, why in cohort.excluded if why == reason])
        for reason in set(reasons.values())
    ]
    known, arrived, scored, analysed = patient_flow(cohort.n, by_reason)
    assert [(step.n, step.n_left) for step in (known, arrived, scored, analysed)] == [
        (8, 1),
        (7, 4),
        (3, 2),
        (1, 0),
    ]
    assert {reason for reason, _ in scored.left} == {NO_CLINICAL_ROW, reasons["young"]}


def test_without_the_registry_nobody_is_said_not_to_have_arrived() -> None:
    cohort = assemble_cohort("B", [_score("good")], [_record("good"), _record("never")], {}, (365,))
    assert dict(cohort.excluded) == {"never": NOT_SCORED}
    known, arrived, *_ = patient_flow(cohort.n, [(NOT_SCORED, ["never"])])
    assert (known.n, known.left, arrived.n_left) == (2, (), 1)
