"""What the network sees of a patient: the GTV's bounding box as a cube of 64 voxels (paper, deep
features).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from feature_store.errors import ExtractionError, RegionError
from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.harmonize import HarmonizedCt, HarmonizedGrid
from feature_store.wording import counted

EDGE = 64


@dataclass(frozen=True)
class InputGrid:
    """Where the network's input lies in the patient, so that a map of its voxels can be laid over
    the CT.

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


def input_grid(grid: HarmonizedGrid, gtv: BoxedMask) -> InputGrid:
    """Return where the voxels of `deep_input` lie.

    Parameters
    ----------
    grid : HarmonizedGrid
        The CT's.
    gtv : BoxedMask
        The GTV on the same grid, with some voxels.

    Returns
    -------
    InputGrid
    """
    box = gtv.tight().box[::-1]  # along x, y, z
    size = np.array([part.stop - part.start for part in box])
    # The corners of the box are kept: its first voxel's face is the first face of the input.
    first = np.array([part.start for part in box]) - 0.5 + 0.5 * size / EDGE
    axes = np.reshape(grid.direction, (3, 3))
    x, y, z = (np.asarray(grid.origin_mm) + axes @ (first * grid.spacing_mm)).tolist()
    sx, sy, sz = (grid.spacing_mm * size / EDGE).tolist()
    return InputGrid((x, y, z), (sx, sy, sz), grid.direction)


def deep_input(ct: HarmonizedCt, gtv: BoxedMask) -> npt.NDArray[np.float32]:
    """Cut the GTV's bounding box out of the CT, resize it to 64 x 64 x 64 and z-score it.

    The paper resizes "the GTV region"; here that is the bounding box with all its voxels, not only
    those within the contour. Each axis is resized on its own by linear interpolation, with the
    corners of the box kept; the z-score uses the mean and standard deviation (ddof 0) of the
    resized cube.

    Parameters
    ----------
    ct : HarmonizedCt
        In HU.
    gtv : BoxedMask
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
    if gtv.grid_shape != ct.shape or not gtv.count:
        raise RegionError(
            "no-gtv-voxels",
            f"The GTV mask has {counted(gtv.count, 'voxel')} on a grid of {gtv.grid_shape}: "
            f"expected some on the CT's grid {ct.shape}.",
        )
    box = ct.values(*gtv.tight().box).astype(np.float64)
    zoom = [EDGE / n for n in box.shape]
    cube = ndimage.zoom(box, zoom, order=1, mode="nearest", grid_mode=True)
    deviation = float(cube.std())
    if not np.isfinite(deviation) or deviation < 1e-6:
        raise ExtractionError(
            "flat-gtv",
            f"The CT within the GTV's bounding box has a standard deviation of {deviation:g} HU: "
            "expected a finite value above 0. Check that the CT holds an image there.",
        )
    return np.asarray((cube - cube.mean()) / deviation, dtype=np.float32)
