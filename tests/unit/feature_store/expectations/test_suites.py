"""Every expectation: met by a good study, failed by the one fact that it is about, told in a
sentence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from feature_store.clinical_records import ClinicalRecord, Histology, Sex
from feature_store.expectations.study_facts import StudyFacts
from feature_store.expectations.suites import (
    Finding,
    Severity,
    check_clinical,
    check_regions,
    check_study,
    suite,
)

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")

GOOD = StudyFacts(
    n_slices=100,
    median_gap_mm=3.0,
    largest_gap_ratio=1.0,
    largest_gap_after_mm=-50.0,
    coinciding_slices=0,
    orientation_consistent=True,
    spacing_consistent=True,
    one_series=True,
    same_frame_of_reference=True,
    roi_names=("GTV-1", "PTV"),
    gtv_pattern="gtv.*",
    gtv_candidates=("GTV-1",),
    gtv_contours=20,
    contours_outside_ct=0,
    kvp=120.0,
    slice_thickness_mm=3.0,
    rows=512,
    columns=512,
    manufacturer="SIEMENS",
    missing_tags=(),
    clinical_row=True,
    age=66.0,
    histology=Histology.ADENOCARCINOMA,
    gtv_voxels=12_000,
    ring_cut_by_field_of_view=False,
)
RECORD = ClinicalRecord("k1", "A", 66.0, Sex.MALE, Histology.SQUAMOUS, "II", 100.0, True)

STUDY_CASES: list[tuple[str, Severity, dict[str, Any], str]] = [
    (
        "too-few-slices",
        Severity.CRITICAL,
        {"n_slices": 1, "largest_gap_ratio": None},
        ("1 slice, expected at least 2"),
    ),
    ("mixed-series", Severity.CRITICAL, {"one_series": False}, "of several series, expected one"),
    (
        "mixed-orientation",
        Severity.CRITICAL,
        {"orientation_consistent": False},
        ("differ in orientation"),
    ),
    (
        "mixed-spacing",
        Severity.CRITICAL,
        {"spacing_consistent": False},
        ("differ in size or pixel spacing"),
    ),
    (
        "duplicate-slice",
        Severity.CRITICAL,
        {"coinciding_slices": 3},
        ("3 CT slices lie where another lies"),
    ),
    (
        "missing-slice",
        Severity.CRITICAL,
        {"largest_gap_ratio": 2.0},
        "after the slice at -50.00 mm the next is 6.00 mm away, expected 3.00 mm",
    ),
    (
        "missing-slice",
        Severity.CRITICAL,
        {"largest_gap_ratio": float("inf"), "median_gap_mm": 0.0},
        ("has a gap"),
    ),
    (
        "frame-of-reference",
        Severity.CRITICAL,
        {"same_frame_of_reference": False},
        ("not in one Frame of Reference"),
    ),
    (
        "gtv-name",
        Severity.CRITICAL,
        {"gtv_candidates": ()},
        ("No ROI is the GTV: expected one ROI whose whole name"),
    ),
    (
        "gtv-name",
        Severity.CRITICAL,
        {"gtv_candidates": ("GTV-1", "GTV")},
        (
            "2 ROIs could be the GTV: expected one ROI whose whole name matches 'gtv.*', found "
            "'GTV-1', 'GTV'"
        ),
    ),
    ("empty-gtv", Severity.CRITICAL, {"gtv_contours": 0}, "The ROI 'GTV-1' has no contour"),
    (
        "contour-outside-ct",
        Severity.CRITICAL,
        {"contours_outside_ct": 4},
        ("4 of 20 GTV contours lie outside the CT"),
    ),
    ("kvp", Severity.WARNING, {"kvp": 140.0}, "140 kV, expected 120 kV"),
    (
        "slice-thickness",
        Severity.WARNING,
        {"slice_thickness_mm": 5.5},
        ("5.5 mm, expected 2 to 5 mm"),
    ),
    ("slice-thickness", Severity.WARNING, {"slice_thickness_mm": 1.0}, "1 mm, expected 2 to 5 mm"),
    ("matrix", Severity.WARNING, {"rows": 256}, "256 x 512 pixels, expected 512 x 512"),
    ("vendor", Severity.WARNING, {"manufacturer": "Acme"}, "not one of those that are known"),
    ("missing-tags", Severity.WARNING, {"missing_tags": ("KVP",), "kvp": None}, "does not say KVP"),
    (
        "clinical-row",
        Severity.WARNING,
        {"clinical_row": False, "age": None, "histology": None},
        "has no row for this patient",
    ),
    (
        "clinical-incomplete",
        Severity.WARNING,
        {"age": None, "histology": None},
        ("does not say age and histology"),
    ),
    ("age", Severity.WARNING, {"age": 18.0}, "18 years old, expected more than 18"),
    ("histology", Severity.WARNING, {"histology": Histology.LARGE_CELL}, "histology is large cell"),
]
REGION_CASES: list[tuple[str, Severity, dict[str, Any], str]] = [
    ("no-gtv-voxels", Severity.CRITICAL, {"gtv_voxels": None}, "was not rasterised"),
    ("gtv-volume", Severity.WARNING, {"gtv_voxels": 400}, "0.4 cm3, expected 0.5 to 1500 cm3"),
    ("ring-cut", Severity.WARNING, {"ring_cut_by_field_of_view": True}, "ends within a ring"),
]


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.code for finding in findings]


def suite_codes(of: Any) -> set[str]:
    return {expectation.meta["code"] for expectation in of.expectations}


def test_a_study_as_the_protocol_has_it_has_no_finding() -> None:
    assert check_study(GOOD) == ()
    assert check_regions(GOOD) == ()


@pytest.mark.parametrize(("code", "severity", "change", "sentence"), STUDY_CASES)
def test_each_fact_fails_its_own_expectation_only(
    code: str, severity: Severity, change: dict[str, Any], sentence: str
) -> None:
    (finding,) = check_study(replace(GOOD, **change))
    assert (finding.code, finding.severity) == (code, severity)
    assert sentence in finding.sentence


@pytest.mark.parametrize(("code", "severity", "change", "sentence"), REGION_CASES)
def test_each_fact_of_a_region_fails_its_own_expectation_only(
    code: str, severity: Severity, change: dict[str, Any], sentence: str
) -> None:
    (finding,) = check_regions(replace(GOOD, **change))
    assert (finding.code, finding.severity) == (code, severity)
    assert sentence in finding.sentence


def test_a_tiny_gtv_is_critical() -> None:
    assert codes(check_regions(replace(GOOD, gtv_voxels=10))) == ["gtv-too-small", "gtv-volume"]


def test_every_expectation_has_a_case_and_a_suite_round_trips() -> None:
    assert suite_codes(suite("study")) == {case[0] for case in STUDY_CASES}
    assert suite_codes(suite("regions")) == {case[0] for case in REGION_CASES} | {"gtv-too-small"}
    plain = suite("study").to_json_dict()
    severities = {item["meta"]["code"]: item["severity"] for item in plain["expectations"]}
    assert severities["missing-slice"] == "critical"
    assert severities["kvp"] == "warning"


def test_critical_findings_come_first() -> None:
    findings = check_study(replace(GOOD, kvp=100.0, contours_outside_ct=1, rows=256, n_slices=0))
    assert codes(findings) == ["too-few-slices", "contour-outside-ct", "kvp", "matrix"]


def test_nothing_known_is_not_nothing_wrong() -> None:
    unknown = replace(
        GOOD,
        kvp=None,
        slice_thickness_mm=None,
        manufacturer=None,
        age=None,
        histology=None,
        clinical_row=False,
        missing_tags=("KVP", "SliceThickness", "Manufacturer"),
    )
    assert codes(check_study(unknown)) == ["missing-tags", "clinical-row"]


def test_vendors_are_known_by_their_usual_spellings() -> None:
    for vendor in (
        "SIEMENS",
        "Siemens Healthineers",
        "GE MEDICAL SYSTEMS",
        "Philips",
        "TOSHIBA",
        "CMS, Inc.",
    ):
        assert check_study(replace(GOOD, manufacturer=vendor)) == ()


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
        "age": "1 patients are not older than 18 years",
        "histology-missing": "1 patients have no histology",
        "histology": "1 patients have another histology",
        "sex-missing": "1 patients have no sex",
        "stage-missing": "1 patients have no stage",
    }
    assert check_clinical([RECORD]) == ()
    assert suite_codes(suite("clinical")) >= {finding.code for finding in check_clinical(records)}


def test_a_repeated_patient_and_an_empty_table_are_critical() -> None:
    assert codes(check_clinical([RECORD, RECORD])) == ["repeated-patient"]
    (finding,) = check_clinical([])
    assert (finding.code, finding.severity) == ("no-patients", Severity.CRITICAL)
