"""What every DICOM object that tests make has in common: its identity, its file, and the items of a
structure set.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from dicom_node.datasets.sop_classes import CT_IMAGE_STORAGE, EXPLICIT_VR_LITTLE_ENDIAN


def dataset_of(
    sop_class: str,
    sop_instance: str,
    study: str,
    *,
    series: str | None = None,
    patient: str = "P1",
    patient_name: str = "Synthetic^Nobody",
) -> Dataset:
    """Return a dataset with the identity that every object carries, in Explicit VR Little
    Endian.
    """
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(EXPLICIT_VR_LITTLE_ENDIAN)
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = sop_instance
    dataset.StudyInstanceUID = study
    if series is not None:
        dataset.SeriesInstanceUID = series
    dataset.PatientID = patient
    dataset.PatientName = patient_name
    return dataset


def save(dataset: Dataset, path: Path) -> Path:
    """Write a dataset as a DICOM file (PS3.10), and return its path."""
    dataset.save_as(path, enforce_file_format=True)
    return path


def set_pixels(
    dataset: Dataset, rows: int, columns: int, content: bytes, *, signed: bool = False
) -> None:
    """Give a dataset monochrome pixels of 16 bits (PS3.3 C.7.6.3)."""
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, int(signed)
    dataset.add_new(0x7FE00010, "OW", content)


def set_listed_images(
    dataset: Dataset, study: str, series: str, frame: str, images: Sequence[str]
) -> None:
    """Let a structure set say to which frame of reference and images it belongs (PS3.3 C.8.8.5)."""
    of_series, of_study, of_frame = Dataset(), Dataset(), Dataset()
    of_series.SeriesInstanceUID = series
    of_series.ContourImageSequence = [_image(uid) for uid in images]
    of_study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    of_study.ReferencedSOPInstanceUID = study
    of_study.RTReferencedSeriesSequence = [of_series]
    of_frame.FrameOfReferenceUID = frame
    of_frame.RTReferencedStudySequence = [of_study]
    dataset.ReferencedFrameOfReferenceSequence = [of_frame]


def set_rois(
    dataset: Dataset,
    frame: str,
    rois: Sequence[tuple[str, Sequence[npt.ArrayLike]]],
    image: str | None = None,
) -> None:
    """Give a structure set its ROIs (PS3.3 C.8.8.5 and C.8.8.6), numbered from 1.

    Parameters
    ----------
    dataset : Dataset
        The structure set.
    frame : str
        Their frame of reference.
    rois : sequence of str and contours
        Their names, and their contours of shape (n, 3), in mm.
    image : str, optional
        SOP Instance UID that every contour names.
    """
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(rois, start=1):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber = drawn.ReferencedROINumber = number
        roi.ROIName, roi.ReferencedFrameOfReferenceUID = name, frame
        drawn.ContourSequence = [_contour(np.asarray(points), image) for points in contours]
        dataset.StructureSetROISequence.append(roi)
        dataset.ROIContourSequence.append(drawn)


def square(low: float, high: float, z: float) -> npt.NDArray[np.float64]:
    """Return the corners of a square from `low` to `high` in x and y, in mm."""
    return np.array([(low, low, z), (high, low, z), (high, high, z), (low, high, z)], dtype=float)


def _contour(points: npt.NDArray[np.float64], image: str | None) -> Dataset:
    contour = Dataset()
    contour.ContourGeometricType = "CLOSED_PLANAR"
    contour.NumberOfContourPoints = len(points)
    contour.ContourData = [f"{value:.6f}" for value in points.ravel()]
    if image is not None:
        contour.ContourImageSequence = [_image(image)]
    return contour


def _image(uid: str) -> Dataset:
    image = Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = CT_IMAGE_STORAGE, uid
    return image
