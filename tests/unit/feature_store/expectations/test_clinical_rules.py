"""A clinical table is judged as a whole, and told in counts of patients."""

from __future__ import annotations

from dataclasses import replace

import pytest

from feature_store.clinical_records import ClinicalRecord, Histology, Sex
from feature_store.expectations.suites import SUITES, check_clinical
from feature_store.rules import Severity

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")

RECORD = ClinicalRecord("k1", "A", 66.0, Sex.MALE, Histology.SQUAMOUS, "II", 100.0, True)


def test_a_clinical_table_is_told_in_counts() -> None:
    records = [
        RECORD,
        replace(RECORD, patient_key="k2", age=None, stage=None),
        replace(RECORD, patient_key="k3", age=17.0, histology=Histology.NOS),
        replace(RECORD, patient_key="k4", histology=None, sex=None, age=None),
    ]
    assert {
        finding.code: finding.sentence.split(",")[0] for finding in check_clinical(records)
    } == {
        "age-missing": "2 patients have no age",
        "age": "1 patient is not older than 18 years",
        "histology-missing": "1 patient has no histology",
        "histology": "1 patient has another histology",
        "sex-missing": "1 patient has no sex",
        "stage-missing": "1 patient has no stage",
    }
    assert check_clinical([RECORD]) == ()


def test_patients_of_whom_nothing_is_known_are_missing_and_not_wrong() -> None:
    unknown = replace(RECORD, age=None, histology=None, sex=None, stage=None)
    assert [finding.code for finding in check_clinical([unknown])] == [
        rule.code for rule in SUITES["clinical"] if rule.code.endswith("-missing")
    ]


def test_a_repeated_patient_and_an_empty_table_are_critical() -> None:
    (finding,) = check_clinical([RECORD, RECORD])
    assert (finding.code, finding.sentence) == (
        "repeated-patient",
        "2 rows repeat a patient, expected one row each. Keep one of them.",
    )
    (finding,) = check_clinical([])
    assert (finding.code, finding.severity) == ("no-patients", Severity.CRITICAL)
