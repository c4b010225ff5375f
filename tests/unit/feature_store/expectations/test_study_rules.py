"""Facts of real studies, and of synthetic ones with a known defect."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from deploy.demo.cohort import DEMO_CENTERS, BadStudy, CenterSpec, write_center
from feature_store.clinical_records import ClinicalRecord, Histology, Sex
from feature_store.expectations.study_rules import STUDY_RULES, StudyFacts, study_facts
from feature_store.imaging.reading import read_ct, read_rtstruct
from feature_store.rules import refuse, unmet
from flows.settings.tables import ExpectationsTable

PATTERN = r"gtv[-_ ]?(p|1|primary)?"


def facts_of(
    ct: list[Path], structures: Path, pattern: str = PATTERN, clinical: ClinicalRecord | None = None
) -> StudyFacts:
    return study_facts(
        read_ct(ct).headers, read_rtstruct(structures).structure_set, pattern, clinical
    )


def synthetic(folder: Path, spec: CenterSpec) -> StudyFacts:
    study = write_center(folder, spec, 3).study_folders[-1]
    return facts_of(sorted(study.glob("CT_*.dcm")), study / "RS.dcm")


@pytest.mark.real_data
def test_pat1_is_regular_and_lacks_what_its_header_leaves_empty(real_data: Path) -> None:
    (structures,) = (real_data / "pat1" / "rtstruct").glob("*.dcm")
    facts = facts_of(sorted((real_data / "pat1" / "ct").glob("*.dcm")), structures)
    assert (facts.n_slices, facts.rows, facts.columns, facts.median_gap_mm) == (60, 201, 204, 3.0)
    assert facts.gtv_candidates == ("GTV-1",)
    refuse(STUDY_RULES, facts)
    assert {"KVP", "StudyDate"} <= set(facts.missing_tags)
    assert (facts.kvp, facts.clinical_row, facts.age) == (None, False, None)


def test_a_clinical_record_adds_what_it_says(tmp_path: Path) -> None:
    record = ClinicalRecord("k", "C", 71.0, Sex.MALE, Histology.SQUAMOUS, "II", 10.0, True)
    study = write_center(tmp_path, replace(DEMO_CENTERS[2], patients=1), 3).study_folders[0]
    facts = facts_of(sorted(study.glob("CT_*.dcm")), study / "RS.dcm", clinical=record)
    assert (facts.clinical_row, facts.age, facts.histology) == (True, 71.0, Histology.SQUAMOUS)
    assert (facts.manufacturer, facts.kvp, facts.slice_thickness_mm) == ("Philips", 120.0, 5.0)
    assert facts.missing_tags == ()
    assert facts.roi_names == ("Lung_L", "SpinalCord", "GTV-1", "PTV")


def test_a_missing_slice_is_found_where_it_is(tmp_path: Path) -> None:
    facts = synthetic(
        tmp_path, replace(DEMO_CENTERS[1], patients=1, bad_study=BadStudy.MISSING_SLICE)
    )
    assert (facts.n_slices, facts.missing_slices) == (44, 1)
    assert facts.largest_gap_ratio == pytest.approx(2.0)
    assert facts.median_gap_mm == pytest.approx(2.0)
    assert facts.largest_gap_after_mm is not None


def test_two_gtvs_are_both_candidates(tmp_path: Path) -> None:
    facts = synthetic(tmp_path, replace(DEMO_CENTERS[1], patients=1, bad_study=BadStudy.TWO_GTVS))
    assert facts.gtv_candidates == ("GTV-1", "GTV")


def test_a_ct_that_is_cut_short_leaves_contours_outside(tmp_path: Path) -> None:
    study = write_center(tmp_path, replace(DEMO_CENTERS[0], patients=1), 3).study_folders[0]
    slices = sorted(study.glob("CT_*.dcm"))
    whole, half = facts_of(slices, study / "RS.dcm"), facts_of(slices[:18], study / "RS.dcm")
    assert whole.contours_outside_ct == 0
    assert whole.gtv_contours is not None
    assert 0 < half.contours_outside_ct < whole.gtv_contours
    assert half.farthest_outside_mm > 1


@pytest.mark.parametrize(("off", "expected"), [(0, 0), (1, 2), (3, 2), (-3, 2)])
def test_contours_that_name_another_slice_than_they_lie_on_are_counted(
    tmp_path: Path, off: int, expected: int
) -> None:
    study = write_center(tmp_path, replace(DEMO_CENTERS[0], patients=1), 3).study_folders[0]
    slices = sorted(study.glob("CT_*.dcm"))
    images = [dcmread(path, stop_before_pixels=True) for path in slices]
    images.sort(key=lambda image: float(image.ImagePositionPatient[2]))
    depths = [float(image.ImagePositionPatient[2]) for image in images]
    drawn = dcmread(study / "RS.dcm")
    numbers = {roi.ROIName: roi.ROINumber for roi in drawn.StructureSetROISequence}
    gtv = next(
        one for one in drawn.ROIContourSequence if one.ReferencedROINumber == numbers["GTV-1"]
    )
    for number, contour in enumerate(gtv.ContourSequence):
        own = int(np.argmin(np.abs(np.array(depths) - float(contour.ContourData[2]))))
        image = Dataset()
        named = images[own + off * (number in {1, 2})]
        image.ReferencedSOPClassUID = named.SOPClassUID
        image.ReferencedSOPInstanceUID = named.SOPInstanceUID
        contour.ContourImageSequence = [image]
    drawn.save_as(study / "RS.dcm")
    facts = facts_of(slices, study / "RS.dcm")
    assert facts.named_elsewhere == expected
    spacing = float(np.median(np.diff(depths)))
    assert facts.farthest_named_mm == pytest.approx(
        abs(off) * spacing if expected else 0.0, abs=0.2
    )
    found = unmet(STUDY_RULES, facts)
    said = [one for one in found if one.code == "contour-names-other-slice"]
    assert len(said) == bool(expected)
    for one in said:
        assert "2 of " in one.sentence
        assert "ROI 'GTV-1' name another slice" in one.sentence
        assert one.code in ExpectationsTable().quarantine


def test_slices_of_two_patients_agree_in_little(tmp_path: Path) -> None:
    first, second = write_center(tmp_path, replace(DEMO_CENTERS[0], patients=2), 3).study_folders
    facts = facts_of([*first.glob("CT_*.dcm"), *second.glob("CT_*.dcm")], first / "RS.dcm")
    assert (facts.n_series, facts.n_frames_of_reference) == (2, 2)
    assert (facts.median_gap_mm, facts.coinciding_at_mm, facts.evenly_spaced) == (None, (), None)


def test_what_a_record_leaves_open_counts_only_where_there_is_one(tmp_path: Path) -> None:
    facts = synthetic(tmp_path, replace(DEMO_CENTERS[0], patients=1))
    assert facts.clinical_gaps == ()
    assert replace(facts, clinical_row=True).clinical_gaps == ("age", "histology")
