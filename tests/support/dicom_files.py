"""Small CT series and RTSTRUCTs, written as real DICOM files, that the tests can spoil one value at
a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, RTStructureSetStorage, generate_uid

from tests.support.dicom_datasets import dataset_of, save, set_pixels, set_rois

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
        dataset = _dataset(CTImageStorage, f"ct {z}", SERIES_UID)
        dataset.Modality = "CT"
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
        # Each slice has its own intercept, as PET/CT scanners and some CTs write it.
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024 - z
        stored = (plane.astype(np.int32) + 1024 + z).astype(np.uint16)
        set_pixels(dataset, plane.shape[0], plane.shape[1], stored.tobytes())
        if spoil is not None:
            spoil(z, dataset)
        path = folder / f"{(z * 7) % 1000:03d}-{z}.dcm"
        paths.append(save(dataset, path))
    return paths


def write_rtstruct(
    path: Path,
    rois: Sequence[tuple[str, Sequence[npt.NDArray[np.float64]]]],
    *,
    frame_uid: str = FRAME_UID,
    spoil: Callable[[Dataset], None] | None = None,
) -> Path:
    """Write ROIs given as name and contours, each of shape (n, 3)."""
    series = generate_uid(entropy_srcs=["rtstruct series"])
    dataset = _dataset(RTStructureSetStorage, "rtstruct", series)
    dataset.Modality = "RTSTRUCT"
    set_rois(dataset, frame_uid, rois, image=generate_uid(entropy_srcs=["ct 0"]))
    if spoil is not None:
        spoil(dataset)
    return save(dataset, path)


def _dataset(sop_class: str, name: str, series: str) -> Dataset:
    return dataset_of(
        sop_class,
        generate_uid(entropy_srcs=[name]),
        STUDY_UID,
        series=series,
        patient="SECRET-ID",
        patient_name="SECRET^NAME",
    )
