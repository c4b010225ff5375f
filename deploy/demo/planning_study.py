"""A phantom as the files that a planning system would send: one CT series and its RTSTRUCT, marked
as synthetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    RTStructureSetStorage,
    generate_uid,
)

from deploy.demo.phantom import Phantom, Scanner

SYNTHETIC = "synthetic phantom, not a patient"
"""The mark that every instance carries as study description and image comment."""
_STUDY_COMPONENT = "1.2.840.10008.3.1.2.3.1"
_CONTOUR_DATA = Tag("ContourData")
_COLORS = ((0, 128, 255), (255, 165, 0), (0, 255, 0), (255, 0, 0), (0, 255, 255))


@dataclass(frozen=True)
class SyntheticPatient:
    """Whose study it is said to be.

    Parameters
    ----------
    patient_id : str
        Patient ID (0010,0020); the name becomes ``SYNTHETIC^<patient_id>``.
    sex : str
        ``M`` or ``F``.
    age_years : int
        Age at the planning CT.
    study_date : str
        Date of the planning CT, ``YYYYMMDD``.
    """

    patient_id: str
    sex: str
    age_years: int
    study_date: str


def write_planning_study(
    folder: Path,
    patient: SyntheticPatient,
    phantom: Phantom,
    scanner: Scanner,
    skip_slices: frozenset[int] = frozenset(),
) -> tuple[Path, ...]:
    """Write one study as DICOM files: ``CT_000.dcm`` onwards and ``RS.dcm``.

    Parameters
    ----------
    folder : Path
        Where to write; made if it is not there.
    patient : SyntheticPatient
        Whose study it is said to be.
    phantom : Phantom
        Image and contours.
    scanner : Scanner
        What made the image.
    skip_slices : frozenset of int
        Indices of slices that get lost: neither written nor listed in the RTSTRUCT.

    Returns
    -------
    tuple of Path
        The files; the RTSTRUCT is the last. The same arguments give the same bytes (UIDs derive
        from the patient ID).
    """
    folder.mkdir(parents=True, exist_ok=True)
    ct = _ct_template(patient, phantom, scanner)
    uids = [_uid(patient, "ct", str(index)) for index in range(phantom.hu.shape[0])]
    kept = [index for index in range(phantom.hu.shape[0]) if index not in skip_slices]
    files = []
    for number, index in enumerate(kept, start=1):
        _set_slice(ct, phantom, index, number, uids[index])
        files.append(folder / f"CT_{index:03d}.dcm")
        _save(ct, files[-1])
    files.append(folder / "RS.dcm")
    _save(
        _structure_set(patient, phantom, {phantom.slice_mm(index): uids[index] for index in kept}),
        files[-1],
    )
    return tuple(files)


def _uid(patient: SyntheticPatient, *parts: str) -> str:
    return generate_uid(
        entropy_srcs=["annulus synthetic", patient.patient_id, patient.study_date, *parts]
    )


def _common(patient: SyntheticPatient, sop_class: str, modality: str) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = sop_class
    dataset.StudyDate = dataset.SeriesDate = patient.study_date
    dataset.StudyTime = dataset.SeriesTime = "101500"
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = patient.study_date, "101500"
    dataset.AccessionNumber = ""
    dataset.Modality = modality
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = SYNTHETIC
    dataset.PatientName = f"SYNTHETIC^{patient.patient_id}"
    dataset.PatientID = patient.patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = patient.sex
    dataset.PatientAge = f"{patient.age_years:03d}Y"
    dataset.StudyInstanceUID = _uid(patient, "study")
    dataset.StudyID = "1"
    dataset.FrameOfReferenceUID = _uid(patient, "frame of reference")
    dataset.PositionReferenceIndicator = ""
    return dataset


def _ct_template(patient: SyntheticPatient, phantom: Phantom, scanner: Scanner) -> Dataset:
    dataset = _common(patient, CTImageStorage, "CT")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.AcquisitionDate = dataset.ContentDate = patient.study_date
    dataset.AcquisitionTime = dataset.ContentTime = "101500"
    dataset.BodyPartExamined = "CHEST"
    dataset.Manufacturer, dataset.ManufacturerModelName = scanner.manufacturer, "synthetic phantom"
    dataset.SeriesDescription = "planning CT, synthetic"
    dataset.SliceThickness, dataset.KVP = f"{scanner.slice_mm:g}", f"{scanner.kvp:g}"
    dataset.ConvolutionKernel = scanner.kernel
    dataset.SeriesInstanceUID, dataset.SeriesNumber = _uid(patient, "ct series"), 2
    dataset.PatientPosition, dataset.AcquisitionNumber = "HFS", 1
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.ImageComments = SYNTHETIC
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = phantom.hu.shape[1:]
    dataset.PixelSpacing = [f"{phantom.spacing_mm[1]:g}", f"{phantom.spacing_mm[0]:g}"]
    dataset.BitsAllocated = 16
    dataset.BitsStored, dataset.HighBit = (16, 15) if scanner.signed else (12, 11)
    dataset.PixelRepresentation = int(scanner.signed)
    dataset.WindowCenter, dataset.WindowWidth = "-200", "1600"
    dataset.RescaleIntercept = "0" if scanner.signed else "-1024"
    dataset.RescaleSlope, dataset.RescaleType = "1", "HU"
    return dataset


def _set_slice(dataset: Dataset, phantom: Phantom, index: int, number: int, uid: str) -> None:
    x, y, _ = phantom.origin_mm
    dataset.SOPInstanceUID = uid
    dataset.InstanceNumber = number
    dataset.ImagePositionPatient = [f"{x:g}", f"{y:g}", phantom.slice_mm(index)]
    dataset.SliceLocation = phantom.slice_mm(index)
    # two's complement: the bytes are right for signed and unsigned stored values alike
    dataset.PixelData = (
        (phantom.hu[index] - np.int16(dataset.RescaleIntercept)).astype("<i2").tobytes()
    )
    dataset["PixelData"].VR = "OW"


def _structure_set(patient: SyntheticPatient, phantom: Phantom, slices: dict[str, str]) -> Dataset:
    dataset = _common(patient, RTStructureSetStorage, "RTSTRUCT")
    dataset.SOPInstanceUID = _uid(patient, "structure set")
    dataset.SeriesInstanceUID, dataset.SeriesNumber = _uid(patient, "structure set series"), 3
    dataset.Manufacturer, dataset.ManufacturerModelName = "Annulus", "synthetic phantom"
    dataset.OperatorsName = ""
    dataset.SeriesDescription = "contours, synthetic"
    dataset.InstanceNumber = 1
    dataset.StructureSetLabel, dataset.StructureSetName = "PLAN", SYNTHETIC
    dataset.StructureSetDate, dataset.StructureSetTime = patient.study_date, "113000"
    dataset.ApprovalStatus = "UNAPPROVED"
    dataset.ReferencedFrameOfReferenceSequence = [_referenced_frame(dataset, patient, slices)]
    dataset.StructureSetROISequence = []
    dataset.ROIContourSequence = []
    dataset.RTROIObservationsSequence = []
    for number, (name, contours) in enumerate(phantom.contours.items(), start=1):
        roi = Dataset()
        roi.ROINumber, roi.ROIName = number, name
        roi.ReferencedFrameOfReferenceUID = dataset.FrameOfReferenceUID
        roi.ROIGenerationAlgorithm = "AUTOMATIC"
        dataset.StructureSetROISequence.append(roi)
        drawn = Dataset()
        drawn.ROIDisplayColor = list(_COLORS[(number - 1) % len(_COLORS)])
        drawn.ReferencedROINumber = number
        drawn.ContourSequence = list(_contour_items(contours, slices))
        dataset.ROIContourSequence.append(drawn)
        observation = Dataset()
        observation.ObservationNumber = observation.ReferencedROINumber = number
        observation.RTROIInterpretedType = {"GTV": "GTV", "PTV": "PTV"}.get(name[:3], "ORGAN")
        observation.ROIInterpreter = ""
        dataset.RTROIObservationsSequence.append(observation)
    return dataset


def _referenced_frame(
    dataset: Dataset, patient: SyntheticPatient, slices: dict[str, str]
) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = _uid(patient, "ct series")
    series.ContourImageSequence = [_reference(uid) for uid in slices.values()]
    study = Dataset()
    study.ReferencedSOPClassUID = _STUDY_COMPONENT
    study.ReferencedSOPInstanceUID = dataset.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = dataset.FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    return frame


def _reference(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, uid
    return item


def _contour_items(
    contours: tuple[npt.NDArray[np.float64], ...], slices: dict[str, str]
) -> Iterator[Dataset]:
    for points in contours:
        item = Dataset()
        height = f"{points[0, 2]:.2f}"
        if height in slices:
            item.ContourImageSequence = [_reference(slices[height])]
        item.ContourGeometricType = "CLOSED_PLANAR"
        item.NumberOfContourPoints = len(points)
        item[_CONTOUR_DATA] = _decimal_string("\\".join(f"{value:.2f}" for value in points.ravel()))
        yield item


def _decimal_string(text: str) -> RawDataElement:
    """Return Contour Data (VR DS) as it goes into the file; pydicom's check of each number is half
    of the time.
    """
    value = text.encode("ascii") + b" " * (len(text) % 2)
    return RawDataElement(
        _CONTOUR_DATA, "DS", len(value), value, 0, is_implicit_VR=False, is_little_endian=True
    )


def _save(dataset: Dataset, path: Path) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    FileDataset(path, dataset, preamble=b"\0" * 128, file_meta=meta).save_as(
        path, enforce_file_format=True
    )
