"""Small CT series and RTSTRUCTs, written as real DICOM files, that the tests can spoil one value at
a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

STUDY_UID = generate_uid(entropy_srcs=["study"])
SERIES_UID = generate_uid(entropy_srcs=["series"])
FRAME_UID = generate_uid(entropy_srcs=["frame"])

Spoil = Callable[[int, Dataset], None]


def write_ct(
    folder: Path,
    hu: npt.NDArray[np.int16],
    *,
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 3.0),
    origin_mm: tuple[float, float, float] = (-10.0, 5.0, -30.0),
    axes: npt.NDArray[np.float64] | None = None,
    spoil: Spoil | None = None,
) -> list[Path]:
    """Write slices of `hu` (z, y, x); `axes` holds the unit axes as columns; `spoil(z, dataset)`
    may change a slice.
    """
    axes = np.eye(3) if axes is None else axes
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for z, plane in enumerate(hu):
        dataset = _file_dataset(CTImageStorage, f"ct {z}")
        dataset.Modality = "CT"
        dataset.SeriesInstanceUID = SERIES_UID
        dataset.FrameOfReferenceUID = FRAME_UID
        position = np.asarray(origin_mm) + axes[:, 2] * z * spacing_mm[2]
        dataset.ImagePositionPatient = [f"{value:.6f}" for value in position]
        dataset.ImageOrientationPatient = [f"{value:.10f}" for value in axes[:, :2].T.ravel()]
        dataset.PixelSpacing = [spacing_mm[1], spacing_mm[0]]
        dataset.SliceThickness = spacing_mm[2]
        dataset.KVP = 120
        dataset.Manufacturer = "SIEMENS"
        dataset.ManufacturerModelName = "Model"
        dataset.ConvolutionKernel = ["B30f", "2"]
        dataset.StudyDate = "20200101"
        dataset.Rows, dataset.Columns = plane.shape
        dataset.SamplesPerPixel = 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit = 15
        dataset.PixelRepresentation = 0
        # Each slice has its own intercept, as PET/CT scanners and some CTs write it.
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024 - z
        dataset.PixelData = (plane.astype(np.int32) + 1024 + z).astype(np.uint16).tobytes()
        if spoil is not None:
            spoil(z, dataset)
        path = folder / f"{(z * 7) % 1000:03d}-{z}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def write_rtstruct(
    path: Path,
    rois: Sequence[tuple[str, Sequence[npt.NDArray[np.float64]]]],
    *,
    frame_uid: str = FRAME_UID,
    spoil: Callable[[Dataset], None] | None = None,
) -> Path:
    """Write ROIs given as name and contours, each of shape (n, 3)."""
    dataset = _file_dataset(RTStructureSetStorage, "rtstruct")
    dataset.Modality = "RTSTRUCT"
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["rtstruct series"])
    dataset.StructureSetROISequence = DicomSequence()
    dataset.ROIContourSequence = DicomSequence()
    for number, (name, contours) in enumerate(rois, start=1):
        item, drawn = Dataset(), Dataset()
        item.ROINumber = drawn.ReferencedROINumber = number
        item.ROIName = name
        item.ReferencedFrameOfReferenceUID = frame_uid
        drawn.ContourSequence = DicomSequence()
        for points in contours:
            contour = Dataset()
            contour.ContourGeometricType = "CLOSED_PLANAR"
            contour.NumberOfContourPoints = len(points)
            contour.ContourData = [f"{value:.6f}" for value in points.ravel()]
            image = Dataset()
            image.ReferencedSOPInstanceUID = generate_uid(entropy_srcs=["ct 0"])
            contour.ContourImageSequence = DicomSequence([image])
            drawn.ContourSequence.append(contour)
        dataset.StructureSetROISequence.append(item)
        dataset.ROIContourSequence.append(drawn)
    if spoil is not None:
        spoil(dataset)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _file_dataset(sop_class: str, name: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[name])
    dataset.StudyInstanceUID = STUDY_UID
    dataset.PatientID = "SECRET-ID"
    dataset.PatientName = "SECRET^NAME"
    return dataset
