"""Where the patient is in a CT, for rings that must not reach into the air around the chest."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from feature_store.errors import RegionError
from feature_store.imaging.ct_volume import CtVolume

_SKIN_HU = -300.0
"""Halfway between the air around and the fat beneath the skin."""


def body_mask(volume: CtVolume) -> npt.NDArray[np.bool_]:
    """Return the voxels of the patient: in each slice the largest piece above -300 HU, with what it
    encloses.

    The lungs are enclosed, the couch is another piece.

    Parameters
    ----------
    volume : CtVolume
        HU, shape (z, y, x).

    Returns
    -------
    ndarray of bool, shape (z, y, x)
        Empty in slices without anything above -300 HU.

    Raises
    ------
    RegionError
        If nothing is above -300 HU.
    """
    body = np.zeros(volume.hu.shape, dtype=np.bool_)
    for index, plane in enumerate(volume.hu):
        pieces, count = ndimage.label(plane > _SKIN_HU)
        if count:
            largest = int(np.bincount(pieces.ravel())[1:].argmax()) + 1
            body[index] = ndimage.binary_fill_holes(pieces == largest)
    if not body.any():
        raise RegionError(
            "no-body",
            f"The CT has no voxel above {_SKIN_HU:g} HU, so there is no skin to clip rings at: "
            "expected a patient. Check the rescale slope and intercept.",
        )
    return body
