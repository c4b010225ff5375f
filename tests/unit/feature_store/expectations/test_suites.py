"""Every expectation: met by a good study, failed by the one fact that it is about, told in a
sentence, and the same sentence where loading refuses it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from feature_store.clinical_records import Histology
from feature_store.errors import StudyDefect
from feature_store.expectations.study_rules import study_facts
from feature_store.expectations.suites import (
    RELEASABLE,
    SUITE_TITLES,
    SUITES,
    check_contours,
    check_regions,
    check_study,
    check_voxels,
    suite,
    waive,
)
from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.reading import read_ct, read_rtstruct, read_study
from feature_store.imaging.region_rules import RegionFacts
from feature_store.imaging.regions import make_regions
from feature_store.imaging.slice_levels import LevelStep
from feature_store.rules import Finding, Severity
from feature_store.study_features import load_study
from tests.support.dicom_files import write_ct, write_rtstruct
from tests.support.study_facts import GOOD, GOOD_CONTOURS, GOOD_REGIONS, GOOD_VOXELS

pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_.*' is deprecated:DeprecationWarning")

CRITICAL, WARNING = Severity.CRITICAL, Severity.WARNING

STUDY_CASES: list[tuple[str, Severity, dict[str, Any], str]] = [
    ("too-few-slices", CRITICAL, {"n_slices": 1}, "The CT has 1 slice, expected at least 2"),
    ("mixed-series", CRITICAL, {"n_series": 2}, "of 2 series, expected one"),
    ("mixed-frame-of-reference", CRITICAL, {"n_frames_of_reference": 2}, "2 Frames of Reference"),
    ("mixed-orientation", CRITICAL, {"orientation_consistent": False}, "one orientation"),
    (
        "mixed-spacing",
        CRITICAL,
        {"spacing_consistent": False, "sizes": ("6 x 5 of 1 x 1 mm", "6 x 5 of 1 x 1.01 mm")},
        "expected one, found 6 x 5 of 1 x 1 mm, 6 x 5 of 1 x 1.01 mm",
    ),
    (
        "duplicate-slice",
        CRITICAL,
        {"coinciding_at_mm": (-21.0, 3.0)},
        "The CT has 2 slices where another lies, the first at -21.00 mm",
    ),
    (
        "missing-slice",
        CRITICAL,
        {"largest_gap_ratio": 2.0, "missing_slices": 1},
        "lacks 1 slice: after the slice at -50.00 mm the next is 6.00 mm away, expected 3.00 mm",
    ),
    (
        "irregular-spacing",
        CRITICAL,
        {"evenly_spaced": False, "off_grid_mm": 0.5},
        "at -50.00 mm is 0.50 mm off the regular grid of 3.000 mm",
    ),
    (
        "unequal-spacing",
        CRITICAL,
        {"uneven_gaps_mm": (3.0, 5.0)},
        "lie 3, 5 mm apart, expected 3.00 mm throughout",
    ),
    (
        "pixel-form",
        CRITICAL,
        {"odd_pixels": ("12 of 16 bits, the highest of them bit 15",)},
        "pixels are 12 of 16 bits, the highest of them bit 15, expected one grey sample each",
    ),
    ("packed-pixels", CRITICAL, {"packed_bits": (12,)}, "packed into 12 bits each"),
    ("gantry-tilt", CRITICAL, {"shift_mm": 3.5}, "shifted by 3.50 mm within its plane"),
    ("no-rescale", CRITICAL, {"unscaled_at_mm": (-30.0,)}, "the first at -30.00 mm, without a"),
    ("not-hounsfield", CRITICAL, {"rescale_types": ("OD", "PCT")}, "'OD', 'PCT', expected HU"),
    (
        "gtv-name",
        CRITICAL,
        {"gtv_candidates": ()},
        "expected one ROI whose whole name matches 'gtv.*', found 'GTV-1', 'PTV'. Rename the ROI",
    ),
    (
        "gtv-name",
        CRITICAL,
        {"gtv_candidates": ("GTV-1", "GTV")},
        "2 ROIs could be the GTV: expected one ROI whose whole name matches 'gtv.*', found 'GTV-1'",
    ),
    ("empty-gtv", CRITICAL, {"gtv_contours": 0}, "ROI 'GTV-1' has no contours"),
    (
        "malformed-contour",
        CRITICAL,
        {"malformed_contours": (3, 7)},
        "2 of the 20 contours of ROI 'GTV-1' (number 3, 7) cannot be read as points",
    ),
    (
        "open-contour",
        CRITICAL,
        {"open_contours": (1,), "open_types": ("", "OPEN_PLANAR")},
        "Contour Geometric Type (3006,0042) CLOSED_PLANAR, found none, OPEN_PLANAR. Draw closed",
    ),
    (
        "empty-contour",
        CRITICAL,
        {"infinite_contours": (2,)},
        "(number 2) has a point that is not finite, or beyond 100 m",
    ),
    ("repeated-roi-number", CRITICAL, {"shares_its_number": True}, "Another ROI has the same ROI"),
    (
        "frame-of-reference",
        CRITICAL,
        {"same_frame_of_reference": False},
        "ROI 'GTV-1' is not in the Frame of Reference of the CT",
    ),
    (
        "unlisted-frame-of-reference",
        WARNING,
        {"frame_of_reference_listed": False},
        "ROI 'GTV-1' names a Frame of Reference that the RTSTRUCT itself does not list",
    ),
    (
        "no-frame-of-reference",
        WARNING,
        {"frame_of_reference_told": False},
        "ROI 'GTV-1' or the CT names no Frame of Reference (3006,0024 and 0020,0052)",
    ),
    (
        "other-frame-of-reference",
        WARNING,
        {"frame_of_reference_shared": False},
        "ROI 'GTV-1' is in another Frame of Reference than the CT, expected the same: the RTSTRUCT",
    ),
    (
        "undrawn-namesake",
        WARNING,
        {"undrawn_namesakes": ("GTVp",)},
        "ROI 'GTVp' has a name of the GTV too and no contours, expected one such ROI: 'GTV-1' is",
    ),
    ("rejected-rtstruct", WARNING, {"is_rejected": True}, "(300E,0002) is REJECTED, expected"),
    ("interpreted-type", WARNING, {"other_types": ("PTV",)}, "ROI 'GTV-1' is PTV by its RT ROI"),
    (
        "contour-outside-ct",
        CRITICAL,
        {"contours_outside_ct": 4, "farthest_outside_mm": 12.34},
        "4 of 20 contours of ROI 'GTV-1' leave the CT by up to 12.3 mm",
    ),
    (
        "contour-names-other-slice",
        WARNING,
        {"named_elsewhere": 1, "farthest_named_mm": 9.0},
        "1 of 20 contours of ROI 'GTV-1' names another slice (Contour Image Sequence",
    ),
    ("kvp", WARNING, {"kvp": 140.0}, "140 kV, expected 120 kV"),
    ("slice-thickness", WARNING, {"slice_thickness_mm": 5.5}, "5.5 mm, expected 2 to 5 mm"),
    ("slice-thickness", WARNING, {"slice_thickness_mm": 1.0}, "1 mm, expected 2 to 5 mm"),
    ("matrix", WARNING, {"rows": 256}, "256 x 512 pixels, expected 512 x 512"),
    (
        "interleaved-acquisitions",
        WARNING,
        {"acquisitions": 2, "interleaved": 9},
        "The CT's slices are of 2 acquisitions that alternate along the patient",
    ),
    (
        "slices-apart",
        WARNING,
        {"thickness_share": 0.5, "slice_distance_mm": 6.0},
        "3 mm thick and lie 6.00 mm apart, expected no gaps",
    ),
    ("vendor", WARNING, {"manufacturer": "Acme"}, "is 'Acme', expected a vendor whose CTs"),
    ("missing-tags", WARNING, {"missing_tags": ("KVP",), "kvp": None}, "does not say KVP"),
    (
        "clinical-row",
        WARNING,
        {"clinical_row": False, "age": None, "histology": None},
        "has no row for this patient",
    ),
    (
        "clinical-incomplete",
        WARNING,
        {"age": None, "histology": None},
        "does not say age and histology",
    ),
    (
        "varying-acquisition",
        WARNING,
        {"varying_tags": ("KVP", "ImageType")},
        "KVP and ImageType change within the CT series, expected one value",
    ),
    (
        "varying-acquisition",
        WARNING,
        {"varying_tags": ("KVP",)},
        "KVP changes within the CT series, expected one value",
    ),
    ("projection", WARNING, {"projections": ("MIP",)}, "says MIP, expected a plain"),
    ("spectral", WARNING, {"spectral": ("VMI",)}, "says VMI, expected a reconstruction at one"),
    ("lossy", WARNING, {"lossy_slices": 3}, "The CT has 3 slices compressed with loss"),
    ("few-bits", WARNING, {"bits_stored": 8}, "have 8 bits, expected at least 12"),
    ("untold-tilt", WARNING, {"untold_tilt_deg": 15.0}, "names a gantry tilt of 15 degrees"),
    ("unspecified-unit", WARNING, {"unspecified_slices": 4}, "has 4 slices of Rescale Type US"),
    ("age", WARNING, {"age": 18.0}, "18 years old, expected more than 18"),
    ("histology", WARNING, {"histology": Histology.LARGE_CELL}, "histology is large cell"),
]
CONTOUR_CASES: list[tuple[str, Severity, dict[str, Any], str]] = [
    (
        "repeated-contour",
        WARNING,
        {"repeated": 2, "repeated_on": (4, 5)},
        "The GTV has 2 contours on slices 4, 5 drawn twice, by another contour or within one",
    ),
    (
        "remnant-contour",
        WARNING,
        {"remnants": 1, "remnants_on": (7,)},
        "The GTV has 1 contour on slice 7 around less than a voxel",
    ),
    (
        "crossing-contour",
        WARNING,
        {"crossing": 1, "crossing_on": (3,)},
        "slice 3 with lines that cross",
    ),
    ("united-contours", WARNING, {"united": 1, "united_on": (3,)}, "on slice 3 overlap in part"),
    ("empty-contoured-slice", WARNING, {"empty_on": (9,)}, "contours on slice 9 but no voxel"),
    ("hollow-gtv", WARNING, {"hollow_on": (2,)}, "On slice 2 contours within others take more"),
    ("one-slice-gtv", WARNING, {"contoured_slices": 1}, "on 1 slice, expected at least 2"),
    ("contour-off-plane", WARNING, {"near_plane": False, "off_plane_mm": 0.7}, "lies 0.70 mm off"),
    ("between-lesions", WARNING, {"between_lesions": (5, 6)}, "no voxel on slices 5, 6 between"),
    ("several-contour-items", WARNING, {"contour_items": 2}, "come in 2 ROI Contour items"),
    ("contour-offset", WARNING, {"offset_contours": 3}, "The GTV has 3 contours with a Contour"),
]
VOXEL_CASES: list[tuple[str, Severity, dict[str, Any], str]] = [
    ("no-air", WARNING, {"air_share": 0.0}, "0.0% of the CT's voxels are below -700 HU, expected"),
    ("no-soft-tissue", WARNING, {"soft_tissue_share": 0.01}, "1.0% of the CT's voxels are from"),
    ("gtv-hu", WARNING, {"gtv_90th_percentile_hu": 1064.0}, "above 1064 HU, expected -300 to 500"),
    ("gtv-not-measured", WARNING, {"gtv_outside_image": 3}, "The GTV has 3 voxels of padding"),
    ("padding-within", WARNING, {"padding_within": 2000}, "The CT has 2000 voxels of padding"),
    ("beyond-scale", WARNING, {"beyond_scale": 9}, "The CT has 9 voxels above 32767 HU"),
    (
        "slice-level",
        WARNING,
        {"level_steps": (LevelStep(-3.0, 0.0, 1024.0), LevelStep(0.0, 3.0, -1024.0))},
        "by +1024 HU from the slice at -3.00 mm to the one at 0.00 mm, and in 1 place more",
    ),
    (
        "coarse-values",
        WARNING,
        {"soft_tissue_values": 26},
        "The CT's soft tissue takes 26 whole values from -200 to 200 HU, expected at least 100",
    ),
    (
        "lost-rows",
        WARNING,
        {"rows_lost_at_mm": (-30.0, -27.0)},
        "The CT has 2 slices, the first at -30.00 mm, in which tissue ends at rows of one value",
    ),
    (
        "repeated-slice",
        WARNING,
        {"repeated_slices": 2},
        "The CT has 2 slices with the pixels of the slice below, expected none",
    ),
    ("metal", WARNING, {"metal_influence": 0.4}, "by 40.0%, expected at most 1%"),
]
REGION_CASES: list[tuple[str, Severity, dict[str, Any], str]] = [
    ("gtv-volume", WARNING, {"gtv_voxels": 400}, "0.4 cm3, expected 0.5 to 1500 cm3"),
    (
        "impossible-features",
        CRITICAL,
        {"impossible_features": ("gtv:original_glcm_Correlation",)},
        "The features have 1 value that a definition excludes (such as that of gtv:original_glcm_",
    ),
    (
        "gtv-outside-body",
        WARNING,
        {"gtv_outside_body": 0.25},
        "25% of the GTV lies outside",
    ),
    ("ring-cut", WARNING, {"ring_share_beyond_ct": 0.125}, "12.5% of the ring lies beyond"),
]


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.code for finding in findings]


def suite_codes(of: Any) -> set[str]:
    return {expectation.meta["code"] for expectation in of.expectations}


def test_a_study_as_the_protocol_has_it_has_no_finding() -> None:
    assert check_study(GOOD) == ()
    assert check_contours(GOOD_CONTOURS) == ()
    assert check_voxels(GOOD_VOXELS) == ()
    assert check_regions(GOOD_REGIONS) == ()


@pytest.mark.parametrize(("code", "severity", "change", "sentence"), STUDY_CASES)
def test_each_fact_fails_its_own_expectation_only(
    code: str, severity: Severity, change: dict[str, Any], sentence: str
) -> None:
    (finding,) = check_study(replace(GOOD, **change))
    assert (finding.code, finding.severity) == (code, severity)
    assert sentence in finding.sentence
    assert "expected" in finding.sentence


@pytest.mark.parametrize(("code", "severity", "change", "sentence"), CONTOUR_CASES)
def test_each_fact_of_the_contours_fails_its_own_expectation_only(
    code: str, severity: Severity, change: dict[str, Any], sentence: str
) -> None:
    (finding,) = check_contours(replace(GOOD_CONTOURS, **change))
    assert (finding.code, finding.severity) == (code, severity)
    assert sentence in finding.sentence


@pytest.mark.parametrize(("code", "severity", "change", "sentence"), VOXEL_CASES)
def test_each_fact_of_the_voxels_fails_its_own_expectation_only(
    code: str, severity: Severity, change: dict[str, Any], sentence: str
) -> None:
    (finding,) = check_voxels(replace(GOOD_VOXELS, **change))
    assert (finding.code, finding.severity) == (code, severity)
    assert sentence in finding.sentence


@pytest.mark.parametrize(("code", "severity", "change", "sentence"), REGION_CASES)
def test_each_fact_of_a_region_fails_its_own_expectation_only(
    code: str, severity: Severity, change: dict[str, Any], sentence: str
) -> None:
    (finding,) = check_regions(replace(GOOD_REGIONS, **change))
    assert (finding.code, finding.severity) == (code, severity)
    assert sentence in finding.sentence


def test_a_tiny_gtv_is_critical() -> None:
    assert codes(check_regions(RegionFacts(gtv_voxels=10))) == ["gtv-too-small", "gtv-volume"]


def test_every_expectation_has_a_case_and_a_suite_round_trips() -> None:
    assert suite_codes(suite("study")) == {case[0] for case in STUDY_CASES}
    assert suite_codes(suite("contours")) == {case[0] for case in CONTOUR_CASES}
    assert suite_codes(suite("voxels")) == {case[0] for case in VOXEL_CASES}
    assert suite_codes(suite("regions")) == {case[0] for case in REGION_CASES} | {"gtv-too-small"}
    plain = suite("study").to_json_dict()
    severities = {item["meta"]["code"]: item["severity"] for item in plain["expectations"]}
    assert severities["missing-slice"] == "critical"
    assert severities["kvp"] == "warning"


def test_a_code_is_one_rule_of_one_suite_and_every_rule_says_what_it_expects() -> None:
    assert set(SUITE_TITLES) == set(SUITES)
    of_a_study = ("study", "contours", "voxels", "regions")
    study_codes = Counter(rule.code for name in of_a_study for rule in SUITES[name])
    assert set(study_codes.values()) == {1}
    for rules in SUITES.values():
        assert len({rule.code for rule in rules}) == len(rules)
        assert all(rule.expected for rule in rules)
    warnings = {
        case[0]
        for case in (*STUDY_CASES, *CONTOUR_CASES, *VOXEL_CASES, *REGION_CASES)
        if case[1] is WARNING
    }
    assert warnings == RELEASABLE


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
    no_gtv = Finding(Severity.CRITICAL, "gtv-name", "No ROI is the GTV.")
    assert waive((no_gtv,), {"gtv-name": "Released by A."}) == (no_gtv,)


SQUARE = np.array([[-8.0, 7, -21], [-6.5, 7, -21], [-6.5, 9, -21], [-8, 9, -21]])


def _set(**values: object) -> Callable[[int, Dataset], None]:
    def spoil(z: int, dataset: Dataset) -> None:
        if z == 4:
            for keyword, value in values.items():
                setattr(dataset, keyword, value)

    return spoil


def _sheared(z: int, dataset: Dataset) -> None:
    dataset.ImagePositionPatient = [-10, 5 + 0.5 * z, -30 + 3 * z]


def _contour(**values: object) -> Callable[[Dataset], None]:
    def spoil(dataset: Dataset) -> None:
        contour = dataset.ROIContourSequence[0].ContourSequence[0]
        for keyword, value in values.items():
            setattr(contour, keyword, value)

    return spoil


def _undrawn(dataset: Dataset) -> None:
    del dataset.ROIContourSequence[0]


def _elsewhere(dataset: Dataset) -> None:
    dataset.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = "1.2.3"
    for contour in dataset.ROIContourSequence[0].ContourSequence:
        del contour.ContourImageSequence  # or this CT is meant all the same


@pytest.mark.parametrize(
    ("code", "ct", "drawn", "name"),
    [
        ("mixed-series", _set(SeriesInstanceUID="1.2.3"), None, "GTV"),
        ("mixed-orientation", _set(ImageOrientationPatient=[0, 1, 0, 0, 0, 1]), None, "GTV"),
        ("mixed-spacing", _set(PixelSpacing=[1.0, 1.01]), None, "GTV"),
        ("duplicate-slice", _set(ImagePositionPatient=[-10, 5, -21]), None, "GTV"),
        ("irregular-spacing", _set(ImagePositionPatient=[-10, 5, -17.5]), None, "GTV"),
        ("gantry-tilt", _sheared, None, "GTV"),
        ("no-rescale", _set(RescaleSlope=None), None, "GTV"),
        ("not-hounsfield", _set(RescaleType="OD"), None, "GTV"),
        ("gtv-name", None, None, "PTV"),
        ("empty-gtv", None, _undrawn, "GTV"),
        ("malformed-contour", None, _contour(NumberOfContourPoints=17), "GTV"),
        ("open-contour", None, _contour(ContourGeometricType="OPEN_PLANAR"), "GTV"),
        ("frame-of-reference", None, _elsewhere, "GTV"),
        (
            "contour-outside-ct",
            None,
            _contour(ContourData=[0, 7, 40, 5, 7, 40, 5, 9, 40], NumberOfContourPoints=3),
            "GTV",
        ),
    ],
)
def test_loading_refuses_with_the_code_and_sentence_of_the_suite(
    tmp_path: Path,
    code: str,
    ct: Callable[[int, Dataset], None] | None,
    drawn: Callable[[Dataset], None] | None,
    name: str,
) -> None:
    hu = np.random.default_rng(3).integers(-1000, 1500, (8, 6, 5)).astype(np.int16)
    paths = write_ct(tmp_path / "ct", hu, spoil=ct)
    structures = write_rtstruct(tmp_path / "rs.dcm", [(name, [SQUARE])], spoil=drawn)
    facts = study_facts(
        read_ct(paths).headers, read_rtstruct(structures).structure_set, "gtv", None
    )
    critical = [one for one in check_study(facts) if one.severity is Severity.CRITICAL]
    with pytest.raises(StudyDefect) as caught:
        load_study(read_study(paths, structures), "gtv")
    assert [(one.code, one.sentence) for one in critical if one.code == code] == [
        (caught.value.code, caught.value.sentence)
    ]


def test_a_gtv_of_few_voxels_is_refused_with_the_code_and_sentence_of_the_suite() -> None:
    gtv = np.zeros((10, 10, 10), dtype=bool)
    gtv.reshape(-1)[500:526] = True
    with pytest.raises(StudyDefect) as caught:
        make_regions(BoxedMask.of(gtv), 1.0)
    finding = check_regions(RegionFacts(gtv_voxels=26))[0]
    assert (finding.code, finding.sentence) == (caught.value.code, caught.value.sentence)
