"""The objects that the ingest benchmark pushes: valid CT slices with noise in them, and one that is
very large.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

CT = "1.2.840.10008.5.1.4.1.1.2"
RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
EXPLICIT = UID("1.2.840.10008.1.2.1")
SIZE = 512


def write_study(folder: Path, slices: int, seed: int) -> list[Path]:
    """Write a study of so many slices of 512 x 512 pixels and an RTSTRUCT that lists them; return
    its files.
    """
    folder.mkdir()
    generator = np.random.default_rng(seed)
    root = f"1.2.826.0.1.3680043.8.498.{seed}"
    files, uids = [], []
    for number in range(slices):
        pixels = generator.integers(-1000, 1000, (SIZE, SIZE), dtype=np.int16)
        dataset = _slice(root, number, pixels.tobytes(), SIZE, SIZE)
        uids.append(str(dataset.SOPInstanceUID))
        files.append(_save(dataset, folder / f"ct{number:04}.dcm"))
    return [*files, _save(_structure_set(root, uids), folder / "rtstruct.dcm")]


def write_large_object(path: Path, megabytes: int) -> Path:
    """Write one CT object of so many MB: thousands of frames in one instance."""
    frames = megabytes * 10**6 // (SIZE * SIZE * 2)
    dataset = _slice("1.2.826.0.1.3680043.8.498.9", 0, bytes(frames * SIZE * SIZE * 2), SIZE, SIZE)
    dataset.NumberOfFrames = frames
    return _save(dataset, path)


def _base(sop_class: str, root: str, suffix: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = EXPLICIT
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, f"{root}.{suffix}"
    dataset.StudyDate = dataset.SeriesDate = "20240517"
    dataset.StudyTime = "083000"
    dataset.AccessionNumber = "1"
    dataset.Manufacturer, dataset.ManufacturerModelName = "Annulus", "benchmark"
    dataset.StudyDescription, dataset.SeriesDescription = "planning", "thorax"
    dataset.PatientName, dataset.PatientID = "Synthetic^Nobody", "P1"
    dataset.PatientBirthDate, dataset.PatientSex = "19500101", "O"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (
        f"{root}.0",
        f"{root}.{1 if sop_class == CT else 2}",
    )
    dataset.StudyID, dataset.SeriesNumber = "1", 1
    dataset.FrameOfReferenceUID = f"{root}.3"
    return dataset


def _slice(root: str, number: int, pixels: bytes, rows: int, columns: int) -> Dataset:
    dataset = _base(CT, root, f"1.{number + 1}")
    dataset.Modality, dataset.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SliceThickness, dataset.KVP, dataset.PatientPosition = 3, 120, "HFS"
    dataset.InstanceNumber = number + 1
    dataset.ImagePositionPatient = [-250, -250, 3 * number]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [0.977, 0.977]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.RescaleIntercept, dataset.RescaleSlope = 0, 1
    dataset.add_new(0x7FE00010, "OW", pixels)
    return dataset


def _structure_set(root: str, uids: list[str]) -> Dataset:
    dataset = _base(RTSTRUCT, root, "2.1")
    dataset.Modality, dataset.StructureSetLabel = "RTSTRUCT", "GTV"
    dataset.StructureSetDate, dataset.StructureSetTime = "20240517", "083000"
    series, study, frame, roi = Dataset(), Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = f"{root}.1"
    series.ContourImageSequence = [_reference(uid) for uid in uids]
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = (
        "1.2.840.10008.3.1.2.3.1",
        f"{root}.0",
    )
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = f"{root}.3", [study]
    dataset.ReferencedFrameOfReferenceSequence = [frame]
    roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = 1, "GTV-1", f"{root}.3"
    dataset.StructureSetROISequence = [roi]
    contours = Dataset()
    contours.ReferencedROINumber, contours.ContourSequence = 1, []
    for number in range(10, 40):
        contour = Dataset()
        contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", 4
        contour.ContourData = [
            0,
            0,
            3 * number,
            50,
            0,
            3 * number,
            50,
            50,
            3 * number,
            0,
            50,
            3 * number,
        ]
        contours.ContourSequence.append(contour)
    dataset.ROIContourSequence = [contours]
    return dataset


def _reference(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, uid
    return item


def _save(dataset: Dataset, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path
