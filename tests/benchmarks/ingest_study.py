"""The objects that the ingest benchmark pushes: valid CT slices with noise in them, and one that is
very large.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from dicom_node.datasets.sop_classes import CT_IMAGE_STORAGE, RT_STRUCTURE_SET_STORAGE
from tests.support.dicom_datasets import (
    dataset_of,
    save,
    set_listed_images,
    set_pixels,
    set_rois,
    square,
)

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
        dataset = _slice(root, number, pixels.tobytes())
        uids.append(str(dataset.SOPInstanceUID))
        files.append(save(dataset, folder / f"ct{number:04}.dcm"))
    return [*files, save(_structure_set(root, uids), folder / "rtstruct.dcm")]


def write_large_object(path: Path, megabytes: int) -> Path:
    """Write one CT object of so many MB: thousands of frames in one instance."""
    frames = megabytes * 10**6 // (SIZE * SIZE * 2)
    dataset = _slice("1.2.826.0.1.3680043.8.498.9", 0, bytes(frames * SIZE * SIZE * 2))
    dataset.NumberOfFrames = frames
    return save(dataset, path)


def _base(sop_class: str, root: str, suffix: str) -> Dataset:
    series = f"{root}.{1 if sop_class == CT_IMAGE_STORAGE else 2}"
    dataset = dataset_of(sop_class, f"{root}.{suffix}", f"{root}.0", series=series)
    dataset.StudyDate = dataset.SeriesDate = "20240517"
    dataset.StudyTime = "083000"
    dataset.AccessionNumber = "1"
    dataset.Manufacturer, dataset.ManufacturerModelName = "Annulus", "benchmark"
    dataset.StudyDescription, dataset.SeriesDescription = "planning", "thorax"
    dataset.PatientBirthDate, dataset.PatientSex = "19500101", "O"
    dataset.StudyID, dataset.SeriesNumber = "1", 1
    dataset.FrameOfReferenceUID = f"{root}.3"
    return dataset


def _slice(root: str, number: int, pixels: bytes) -> Dataset:
    dataset = _base(CT_IMAGE_STORAGE, root, f"1.{number + 1}")
    dataset.Modality, dataset.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SliceThickness, dataset.KVP, dataset.PatientPosition = 3, 120, "HFS"
    dataset.InstanceNumber = number + 1
    dataset.ImagePositionPatient = [-250, -250, 3 * number]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [0.977, 0.977]
    dataset.RescaleIntercept, dataset.RescaleSlope = 0, 1
    set_pixels(dataset, SIZE, SIZE, pixels, signed=True)
    return dataset


def _structure_set(root: str, uids: list[str]) -> Dataset:
    dataset = _base(RT_STRUCTURE_SET_STORAGE, root, "2.1")
    dataset.Modality, dataset.StructureSetLabel = "RTSTRUCT", "GTV"
    dataset.StructureSetDate, dataset.StructureSetTime = "20240517", "083000"
    set_listed_images(dataset, f"{root}.0", f"{root}.1", f"{root}.3", uids)
    squares = [square(0, 50, z) for z in range(30, 120, 3)]
    set_rois(dataset, f"{root}.3", [("GTV-1", squares)])
    return dataset
