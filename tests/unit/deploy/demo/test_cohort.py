"""Synthetic centres: real DICOM files, known hazards, deliberate defects."""

from __future__ import annotations

import csv
import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from deploy.demo.cohort import (
    DEMO_CENTERS,
    BadStudy,
    CenterFiles,
    CenterSpec,
    log_hazard,
    make_cohort,
    write_center,
)
from deploy.demo.phantom import TumourTraits
from deploy.demo.planning_study import SYNTHETIC

SEED = 7


@pytest.fixture(scope="module")
def small() -> CenterSpec:
    return replace(DEMO_CENTERS[1], patients=2)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, small: CenterSpec) -> CenterFiles:
    return write_center(tmp_path_factory.mktemp("center"), small, SEED)


def concordance(days: np.ndarray, event: np.ndarray, score: np.ndarray) -> float:
    earlier = event[:, None] & (days[:, None] < days[None])
    return float((score[:, None] > score[None])[earlier].mean())


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_planted_hazard_orders_survival_as_well_as_promised() -> None:
    members = make_cohort(replace(DEMO_CENTERS[0], patients=1500), SEED)
    days = np.array([member.survival_days for member in members])
    event = np.array([member.event for member in members])
    hazard = np.array([member.log_hazard for member in members])
    assert 0.78 <= concordance(days, event, hazard) <= 0.82
    assert 0.68 <= event.mean() <= 0.80
    assert (days > 1095).mean() > 0.2


def test_hazard_grows_with_every_trait_and_is_zero_for_the_average_tumour() -> None:
    assert log_hazard(TumourTraits(0, 0, 0, 0)) == 0.0
    for name in ("volume", "shape", "heterogeneity", "rim"):
        assert log_hazard(replace(TumourTraits(0, 0, 0, 0), **{name: 1.0})) > 0.5


def test_traits_of_a_small_centre_cover_their_range() -> None:
    for spec in DEMO_CENTERS:
        shapes = np.array(
            [member.traits.shape for member in make_cohort(spec, SEED)[: spec.patients]]
        )
        assert abs(shapes.mean()) < 0.1
        assert shapes.std() == pytest.approx(0.96, abs=0.1)


def test_demo_centers_are_as_documented() -> None:
    assert [(spec.name, spec.patients, spec.bad_study) for spec in DEMO_CENTERS] == [
        ("A", 60, None),
        ("B", 24, BadStudy.TWO_GTVS),
        ("C", 24, None),
    ]
    assert DEMO_CENTERS[0].scaled(0.25).patients == 15
    assert DEMO_CENTERS[2].scaled(0.001).patients == 2


def test_validating_centres_have_vendors_that_training_never_saw() -> None:
    training, *external = [
        {scanner.manufacturer for scanner in spec.scanners} for spec in DEMO_CENTERS
    ]
    assert all(training.isdisjoint(vendors) for vendors in external)
    assert external[0].isdisjoint(external[1])
    a = DEMO_CENTERS[0]
    assert {scanner.slice_mm for scanner in a.scanners} == {2.0, 3.0, 5.0}
    assert a.patients % len(a.scanners) == 0
    assert a.description == "SIEMENS and TOSHIBA, 120 kV, 2, 3 and 5 mm slices"


def test_scanners_say_nothing_of_the_hazard() -> None:
    spec = replace(DEMO_CENTERS[0], patients=2000)
    hazard = np.array([member.log_hazard for member in make_cohort(spec, SEED)]).reshape(
        -1, len(spec.scanners)
    )
    means, error = hazard.mean(axis=0), hazard.std() / np.sqrt(len(hazard))
    assert np.ptp(means) < 4 * error


@pytest.mark.slow
def test_patients_take_the_scanners_in_turn(tmp_path: Path) -> None:
    spec = replace(DEMO_CENTERS[0], patients=len(DEMO_CENTERS[0].scanners) + 1)
    folders = write_center(tmp_path, spec, SEED).study_folders
    headers = [
        pydicom.dcmread(folder / "CT_000.dcm", stop_before_pixels=True) for folder in folders
    ]
    assert [
        (str(h.Manufacturer), str(h.ConvolutionKernel), float(h.SliceThickness)) for h in headers
    ] == [
        (scanner.manufacturer, scanner.kernel, scanner.slice_mm)
        for scanner in (*spec.scanners, spec.scanners[0])
    ]


def test_centre_is_written_with_every_study_and_both_tables(
    files: CenterFiles, small: CenterSpec
) -> None:
    assert [folder.name for folder in files.study_folders] == [
        "SYN-B-001",
        "SYN-B-002",
        "SYN-B-003",
    ]
    for folder in files.study_folders:
        assert len(list(folder.glob("CT_*.dcm"))) == small.scanners[0].n_slices
    clinical, truth = read_table(files.clinical_csv), read_table(files.truth_csv)
    assert [row["patient_id"] for row in clinical] == [
        folder.name for folder in files.study_folders
    ]
    assert [row["patient_id"] for row in truth] == [row["patient_id"] for row in clinical]
    assert list(clinical[0]) == [
        "patient_id",
        "age",
        "sex",
        "histology",
        "stage",
        "survival_days",
        "event",
    ]
    assert {path.suffix for path in files.dicom.rglob("*") if path.is_file()} == {".dcm"}


def test_every_instance_is_marked_as_synthetic(files: CenterFiles) -> None:
    for path in files.dicom.rglob("*.dcm"):
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        assert dataset.StudyDescription == SYNTHETIC
        assert str(dataset.PatientName).startswith("SYNTHETIC^")
        assert dataset.get("ImageComments", SYNTHETIC) == SYNTHETIC


def test_same_seed_gives_the_same_bytes(
    files: CenterFiles, small: CenterSpec, tmp_path: Path
) -> None:
    again = write_center(tmp_path, small, SEED)

    def digests(folder: Path) -> dict[str, str]:
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file()
        }

    assert digests(again.clinical_csv.parent) == digests(files.clinical_csv.parent)


def test_structure_set_refers_to_the_slices_it_was_drawn_on(files: CenterFiles) -> None:
    folder = files.study_folders[0]
    slices = {
        str(dataset.SOPInstanceUID): float(dataset.ImagePositionPatient[2])
        for dataset in (
            pydicom.dcmread(path, stop_before_pixels=True) for path in folder.glob("CT_*.dcm")
        )
    }
    structures = pydicom.dcmread(folder / "RS.dcm")
    frame = structures.ReferencedFrameOfReferenceSequence[0]
    listed = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0].ContourImageSequence
    assert {str(item.ReferencedSOPInstanceUID) for item in listed} == set(slices)
    assert [str(roi.ROIName) for roi in structures.StructureSetROISequence] == [
        "Lung_L",
        "SpinalCord",
        "GTV-1",
        "PTV",
    ]
    for roi in structures.ROIContourSequence:
        for contour in roi.ContourSequence:
            height = {float(value) for value in contour.ContourData[2::3]}
            assert height == {slices[str(contour.ContourImageSequence[0].ReferencedSOPInstanceUID)]}
            assert len(contour.ContourData) == 3 * contour.NumberOfContourPoints


def test_stored_values_come_back_as_hu(files: CenterFiles) -> None:
    dataset = pydicom.dcmread(files.study_folders[0] / "CT_020.dcm")
    hu = dataset.pixel_array * dataset.RescaleSlope + dataset.RescaleIntercept
    assert hu[:8, :8].mean() == pytest.approx(-1000, abs=15)
    unsigned = write_center(
        files.dicom.parent / "unsigned", replace(DEMO_CENTERS[0], patients=1), SEED
    )
    dataset = pydicom.dcmread(unsigned.study_folders[0] / "CT_020.dcm")
    assert dataset.pixel_array.min() >= 0
    assert (dataset.pixel_array[:8, :8] + float(dataset.RescaleIntercept)).mean() == pytest.approx(
        -1000, abs=15
    )


def test_bad_study_with_two_gtvs_has_two_names_that_match(files: CenterFiles) -> None:
    names = [
        [str(roi.ROIName) for roi in pydicom.dcmread(folder / "RS.dcm").StructureSetROISequence]
        for folder in files.study_folders
    ]
    assert [sum(name in {"GTV", "GTV-1"} for name in study) for study in names] == [1, 1, 2]


def test_bad_study_with_a_missing_slice_lacks_one_within_the_tumour(
    small: CenterSpec, tmp_path: Path
) -> None:
    center = write_center(
        tmp_path, replace(small, patients=1, bad_study=BadStudy.MISSING_SLICE), SEED
    )
    good, bad = center.study_folders
    assert len(list(good.glob("CT_*.dcm"))) - len(list(bad.glob("CT_*.dcm"))) == 1
    heights = sorted(
        float(pydicom.dcmread(path, stop_before_pixels=True).ImagePositionPatient[2])
        for path in bad.glob("CT_*.dcm")
    )
    gap = int(np.argmax(np.diff(heights)))
    assert heights[gap + 1] - heights[gap] == pytest.approx(2 * small.scanners[0].slice_mm)
    structures = pydicom.dcmread(bad / "RS.dcm")
    number = next(
        roi.ROINumber for roi in structures.StructureSetROISequence if roi.ROIName == "GTV-1"
    )
    drawn = next(roi for roi in structures.ROIContourSequence if roi.ReferencedROINumber == number)
    at = [float(contour.ContourData[2]) for contour in drawn.ContourSequence]
    assert min(at) < heights[gap] < max(at)


@pytest.mark.peers
def test_dciodvfy_finds_no_error(files: CenterFiles, peer: Callable[[str], str]) -> None:
    program = peer("dciodvfy")
    for name in ("CT_000.dcm", "CT_044.dcm", "RS.dcm"):
        result = subprocess.run(
            [program, files.study_folders[0] / name], capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        assert "Error" not in result.stderr + result.stdout
        assert "Warning" not in result.stderr + result.stdout


def test_a_centre_without_patients_is_refused(small: CenterSpec) -> None:
    with pytest.raises(ValueError, match="expected at least 1"):
        replace(small, patients=0)


def test_a_centre_without_scanners_is_refused(small: CenterSpec) -> None:
    with pytest.raises(ValueError, match="Centre B has no scanner"):
        replace(small, scanners=())
