"""A real CT stored in another way: the same voxels at the same places in the patient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset

POSITIONS = {
    "HFS": ((1, 0, 0), (0, 1, 0)),
    "HFP": ((-1, 0, 0), (0, -1, 0)),
    "FFS": ((-1, 0, 0), (0, 1, 0)),
    "FFP": ((1, 0, 0), (0, -1, 0)),
    "HFDL": ((0, -1, 0), (1, 0, 0)),
    "HFDR": ((0, 1, 0), (-1, 0, 0)),
    "FFDL": ((0, 1, 0), (1, 0, 0)),
    "FFDR": ((0, -1, 0), (-1, 0, 0)),
}
"""Directions of a row and of a column by Patient Position (PS3.3 section C.7.3.1.1.2)."""


def in_position(paths: Sequence[Path], folder: Path, position: str) -> list[Path]:
    """Write axial slices anew as a scanner encodes a patient who lies in `position`."""
    row, column = (np.array(axis, dtype=float) for axis in POSITIONS[position])

    def turn(dataset: Dataset, stored: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
        first = np.array(dataset.ImagePositionPatient, dtype=float)
        dy, dx = (float(value) for value in dataset.PixelSpacing)
        height, width = stored.shape
        steps = np.diag([dx, dy, 0.0])
        size = np.array([width, height, 1])
        # The new first pixel lies where both new directions begin.
        begins = (row + column) > 0
        corner = np.where(begins, 0, size - 1)
        dataset.ImagePositionPatient = [f"{value:.6f}" for value in first + steps @ corner]
        dataset.ImageOrientationPatient = [*row.tolist(), *column.tolist()]
        dataset.PatientPosition = position
        along_x = bool(row[0])
        dataset.PixelSpacing = [dy, dx] if along_x else [dx, dy]
        lines = stored if along_x else stored.T
        flips = (column.sum() < 0, row.sum() < 0)
        return lines[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1]

    return rewritten(paths, folder, turn)


def rewritten(
    paths: Sequence[Path],
    folder: Path,
    change: Callable[[Dataset, npt.NDArray[np.integer]], npt.NDArray[np.integer]],
) -> list[Path]:
    """Write CT slices anew with other pixels; `change` may set elements as well."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for path in paths:
        dataset = pydicom.dcmread(path)
        stored = change(dataset, dataset.pixel_array)
        dataset.Rows, dataset.Columns = stored.shape
        dataset.PixelData = np.ascontiguousarray(stored).tobytes()
        dataset["PixelData"].VR = "OW"
        dataset.save_as(folder / path.name, enforce_file_format=True)
        written.append(folder / path.name)
    return written
