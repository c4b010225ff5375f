"""Small synthetic planning studies for integration tests, and the ways in which the field spoils
them.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from deploy.demo.phantom import Scanner, TumourTraits, make_phantom
from deploy.demo.planning_study import SyntheticPatient, write_planning_study

SCANNER = Scanner("SIEMENS", "B30f", 120, 4.0, 24, noise_hu=12, blur_mm=0.8)
SMALL = TumourTraits(volume=-2.0, shape=0.0, heterogeneity=0.0, rim=0.0)


def write_study(folder: Path, patient_id: str) -> list[Path]:
    """Write one good study; return its CT files in order, the RTSTRUCT last."""
    number = int.from_bytes(patient_id.encode(), "big") % 2**32
    phantom = make_phantom(SMALL, SCANNER, np.random.default_rng(number))
    patient = SyntheticPatient(patient_id=patient_id, sex="F", age_years=63, study_date="20180312")
    return list(write_planning_study(folder, patient, phantom, SCANNER))


def without_gtv(files: list[Path]) -> list[Path]:
    """Rename the GTV, so that no ROI matches the centre's rule."""
    structure = dcmread(files[-1])
    _roi(structure, "GTV-1").ROIName = "Boost"
    return _rewritten(files, structure)


def with_two_gtvs(files: list[Path]) -> list[Path]:
    """Draw the GTV a second time under another name that the rule matches too."""
    structure = dcmread(files[-1])
    second = copy.deepcopy(_roi(structure, "GTV-1"))
    contours = copy.deepcopy(_contours(structure, second.ROINumber))
    second.ROIName, second.ROINumber, contours.ReferencedROINumber = "GTVp", 99, 99
    structure.StructureSetROISequence.append(second)
    structure.ROIContourSequence.append(contours)
    return _rewritten(files, structure)


def without_a_slice(files: list[Path]) -> list[Path]:
    """Leave out a CT slice through the tumour, which the RTSTRUCT lists."""
    structure = dcmread(files[-1])
    heights = [
        c.ContourData[2]
        for c in _contours(structure, _roi(structure, "GTV-1").ROINumber).ContourSequence
    ]
    middle = float(heights[len(heights) // 2])
    return [
        f for f in files[:-1] if abs(float(dcmread(f).ImagePositionPatient[2]) - middle) > 0.1
    ] + files[-1:]


def in_another_frame_of_reference(files: list[Path]) -> list[Path]:
    """Move the RTSTRUCT to a Frame of Reference that the CT does not have."""
    structure, other = dcmread(files[-1]), generate_uid()
    structure.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID = other
    for roi in structure.StructureSetROISequence:
        roi.ReferencedFrameOfReferenceUID = other
    return _rewritten(files, structure)


def with_empty_contour(files: list[Path]) -> list[Path]:
    """Keep the GTV's name but none of its contours."""
    structure = dcmread(files[-1])
    del _contours(structure, _roi(structure, "GTV-1").ROINumber).ContourSequence
    return _rewritten(files, structure)


def with_one_voxel_contour(files: list[Path]) -> list[Path]:
    """Shrink the GTV to a square around one voxel's centre."""
    structure = dcmread(files[-1])
    ct = dcmread(files[len(files) // 2], stop_before_pixels=True)
    x, y, z = (float(value) for value in ct.ImagePositionPatient)
    row, column = (float(value) for value in ct.PixelSpacing)
    x, y = x + 80 * column, y + 80 * row
    contours = _contours(structure, _roi(structure, "GTV-1").ROINumber)
    contour = contours.ContourSequence[0]
    corners = [(-0.55, -0.55), (0.55, -0.55), (0.55, 0.55), (-0.55, 0.55)]
    contour.ContourData = [
        round(value, 2) for dx, dy in corners for value in (x + dx * column, y + dy * row, z)
    ]
    contour.NumberOfContourPoints = len(corners)
    for image in contour.get("ContourImageSequence", []):
        image.ReferencedSOPInstanceUID = ct.SOPInstanceUID
    contours.ContourSequence = [contour]
    return _rewritten(files, structure)


def drawn_anew(files: list[Path]) -> list[Path]:
    """Replace the RTSTRUCT by a later one with a UID of its own, whose GTV lacks its last
    contour.
    """
    structure = dcmread(files[-1])
    structure.SOPInstanceUID = structure.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    structure.StructureSetDate = "20991231"
    del _contours(structure, _roi(structure, "GTV-1").ROINumber).ContourSequence[-1]
    return _rewritten(files, structure)


def _roi(structure: Dataset, name: str) -> Dataset:
    rois: list[Dataset] = structure.StructureSetROISequence
    return next(roi for roi in rois if roi.ROIName == name)


def _contours(structure: Dataset, number: int) -> Dataset:
    items: list[Dataset] = structure.ROIContourSequence
    return next(item for item in items if item.ReferencedROINumber == number)


def _rewritten(files: list[Path], structure: Dataset) -> list[Path]:
    structure.save_as(files[-1])
    return files
