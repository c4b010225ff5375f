"""What the network sees of a patient: the GTV's bounding box as a cube of 64 voxels (paper, deep features)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK
from scipy import ndimage

from feature_store.errors import ExtractionError, RegionError
from feature_store.regions import bounding_box

EDGE = 64


@dataclass(frozen=True)
class InputGrid:
    """Where the network's input lies in the patient, so that a map of its voxels can be laid over the CT.

    Parameters
    ----------
    origin_mm : tuple of 3 float
        Centre of voxel (0, 0, 0) in patient coordinates (LPS).
    spacing_mm : tuple of 3 float
        Distance of voxel centres along (x, y, z) of the grid.
    direction : tuple of 9 float
        Row-major direction cosines; the columns are the grid's x, y and z axis.
    """

    origin_mm: tuple[float, float, float]
    spacing_mm: tuple[float, float, float]
    direction: tuple[float, ...]


def input_grid(image: Any, gtv_mask: npt.NDArray[np.bool_]) -> InputGrid:
    """Return where the voxels of `deep_input` lie.

    Parameters
    ----------
    image : SimpleITK.Image
        CT on the harmonised grid.
    gtv_mask : ndarray of bool, shape (z, y, x)
        The GTV on the same grid, with some voxels.

    Returns
    -------
    InputGrid
    """
    box = bounding_box(gtv_mask)[::-1]  # along x, y, z
    size = np.array([part.stop - part.start for part in box])
    # The corners of the box are kept: its first voxel's face is the first face of the input.
    first = np.array([part.start for part in box]) - 0.5 + 0.5 * size / EDGE
    x, y, z = (float(value) for value in image.TransformContinuousIndexToPhysicalPoint(first.tolist()))
    sx, sy, sz = (float(value) for value in np.array(image.GetSpacing()) * size / EDGE)
    return InputGrid((x, y, z), (sx, sy, sz), tuple(float(value) for value in image.GetDirection()))


def deep_input(image: Any, gtv_mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Cut the GTV's bounding box out of the CT, resize it to 64 x 64 x 64 and z-score it.

    The paper resizes "the GTV region"; here that is the bounding box with all its voxels, not only those within the
    contour. Each axis is resized on its own by linear interpolation, with the corners of the box kept; the z-score
    uses the mean and standard deviation (ddof 0) of the resized cube.

    Parameters
    ----------
    image : SimpleITK.Image
        CT in HU on the harmonised grid.
    gtv_mask : ndarray of bool, shape (z, y, x)
        The GTV on the same grid.

    Returns
    -------
    ndarray of float32, shape (64, 64, 64)
        Mean 0, standard deviation 1.

    Raises
    ------
    RegionError
        If the mask is empty or not on the image's grid.
    ExtractionError
        If all voxels of the box are equal or one is not finite.
    """
    if gtv_mask.shape != tuple(reversed(image.GetSize())) or not gtv_mask.any():
        raise RegionError(
            "no-gtv-voxels",
            f"The GTV mask has shape {gtv_mask.shape} and {int(gtv_mask.sum())} voxels: expected some voxels on the "
            f"image's grid {tuple(reversed(image.GetSize()))}.",
        )
    box = SimpleITK.GetArrayViewFromImage(image)[bounding_box(gtv_mask)].astype(np.float64)
    zoom = [EDGE / n for n in box.shape]
    cube = ndimage.zoom(box, zoom, order=1, mode="nearest", grid_mode=True)
    deviation = float(cube.std())
    if not np.isfinite(deviation) or deviation < 1e-6:
        raise ExtractionError(
            "flat-gtv",
            f"The CT within the GTV's bounding box has a standard deviation of {deviation:g} HU: expected a finite "
            "value above 0. Check that the CT holds an image there.",
        )
    return np.asarray((cube - cube.mean()) / deviation, dtype=np.float32)
