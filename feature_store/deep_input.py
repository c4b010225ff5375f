"""What the network sees of a patient: the GTV's bounding box as a cube of 64 voxels (paper, deep features)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from feature_store.boxes import BoxedMask
from feature_store.errors import ExtractionError, RegionError
from feature_store.harmonize import HarmonizedCt

EDGE = 64


def deep_input(ct: HarmonizedCt, gtv: BoxedMask) -> npt.NDArray[np.float32]:
    """Cut the GTV's bounding box out of the CT, resize it to 64 x 64 x 64 and z-score it.

    The paper resizes "the GTV region"; here that is the bounding box with all its voxels, not only those within the
    contour. Each axis is resized on its own by linear interpolation, with the corners of the box kept; the z-score
    uses the mean and standard deviation (ddof 0) of the resized cube.

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
            f"The GTV mask has {gtv.count} voxels on a grid of {gtv.grid_shape}: expected some on the CT's grid "
            f"{ct.shape}.",
        )
    box = ct.values(*gtv.tight().box).astype(np.float64)
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
