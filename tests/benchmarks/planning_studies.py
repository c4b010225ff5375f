"""The planning CT as the studies of many patients, for what is scored once only."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.benchmarks.planning_ct import real_data, within_planning_ct
from tests.support.dicom_datasets import set_listed_images
from tests.support.real_data import StudyFiles, real_study


def write_studies(folder: Path, number: int) -> list[Path]:
    """Write the planning CT as studies of so many patients, each complete by its RTSTRUCT's own
    list.
    """
    made = within_planning_ct(real_study(real_data() / "pat1"), folder / "planning")
    return [_as_patient(made, folder / "pacs" / f"P{one}", f"P{one}") for one in range(number)]


def _as_patient(made: StudyFiles, folder: Path, patient_id: str) -> Path:
    folder.mkdir(parents=True)
    study, series, frame = (
        generate_uid(entropy_srcs=[f"{patient_id}/{what}"]) for what in ("study", "series", "frame")
    )
    uids = []
    for number, path in enumerate(made.ct):
        slice_ = dcmread(path)
        _identify(slice_, patient_id, study)
        slice_.SeriesInstanceUID, slice_.FrameOfReferenceUID = series, frame
        slice_.SOPInstanceUID = slice_.file_meta.MediaStorageSOPInstanceUID = generate_uid(
            entropy_srcs=[f"{patient_id}/{number}"]
        )
        uids.append(slice_.SOPInstanceUID)
        slice_.save_as(folder / f"CT_{number:03d}.dcm")
    structure = dcmread(made.rtstruct)
    _identify(structure, patient_id, study)
    structure.SOPInstanceUID = structure.file_meta.MediaStorageSOPInstanceUID = generate_uid(
        entropy_srcs=[f"{patient_id}/rtstruct"]
    )
    structure.SeriesInstanceUID = generate_uid(entropy_srcs=[f"{patient_id}/structures"])
    set_listed_images(structure, study, series, frame, uids)
    for roi in structure.StructureSetROISequence:
        roi.ReferencedFrameOfReferenceUID = frame
    for drawn in structure.ROIContourSequence:
        for contour in drawn.get("ContourSequence", []):
            del contour.ContourImageSequence
    structure.save_as(folder / "RS.dcm")
    return folder


def _identify(dataset: Dataset, patient_id: str, study: str) -> None:
    dataset.PatientID, dataset.PatientName = patient_id, f"SYNTHETIC^{patient_id}"
    dataset.PatientBirthDate, dataset.PatientSex = "19550101", "M"
    dataset.StudyInstanceUID = study
    dataset.StudyID, dataset.AccessionNumber, dataset.ReferringPhysicianName = "1", "", ""
    dataset.StudyDate, dataset.StudyTime = "20200101", "120000"
