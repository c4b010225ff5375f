"""Where the patient is in a CT, and where in the patient the lungs: what a ring may be kept to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from feature_store.errors import RegionError
from feature_store.imaging.ct_volume import CtVolume
from feature_store.imaging.hounsfield import NOT_MEASURED_HU

Mask = npt.NDArray[np.bool_]

_SKIN_HU = -300.0
"""Halfway between the air around and the fat beneath the skin."""
_AIR_HU = -950.0
"""Between aerated lung and air: emphysema is counted below it in CT at full inspiration (Gevenois
PA, de Maertelaer V, De Vuyst P, et al. Am J Respir Crit Care Med 1995;152:653-657).
"""
_AROUND = np.ones((3, 3), dtype=np.bool_)
_WIDEST_AIRWAY_MM = 30.0
"""A trachea is narrower; air that meets the edge over a longer stretch is around the patient."""
_NEAR = 7
"""Pixels of the edge that decide together, so that noise opens no gap."""
LUNG_HU = (-1000.0, -400.0)
"""Lung in the body: the usual threshold between lung and the tissue around it (Hu S, Hoffman EA,
Reinhardt JM. IEEE Trans Med Imaging 2001;20:490-498, whose optimal thresholds lie near it).
"""


def body_mask(volume: CtVolume) -> Mask:
    """Return the voxels of the patient: in each slice the largest piece above -300 HU, with what it
    encloses.

    The lungs are enclosed, the couch is another piece. The edge of the image is no skin: where the
    field of view ends within the patient, lung that reaches it is closed there by the edge itself.

    Parameters
    ----------
    volume : CtVolume
        HU, shape (z, y, x); axial slices, as `in_lps_order` leaves them.

    Returns
    -------
    ndarray of bool, shape (z, y, x)
        Empty in slices without anything above -300 HU.

    Raises
    ------
    RegionError
        If nothing is above -300 HU.
    """
    body = body_on(volume, slice(None))
    if not body.any():
        raise RegionError(
            "no-body",
            f"The CT has no voxel above {_SKIN_HU:g} HU, expected a patient: without one there is "
            "no body to keep rings to or to normalise over. Check Rescale Slope and Intercept.",
        )
    return body


def body_on(volume: CtVolume, slices: slice) -> Mask:
    """Return `body_mask` as far as some slices go, shape (z, y, x) of the whole CT; without a
    patient on them it is empty.
    """
    body = np.zeros(volume.hu.shape, dtype=np.bool_)
    for index in range(*slices.indices(len(body))):
        plane = volume.hu[index]
        tissue = plane > _SKIN_HU
        filled = _filled(tissue, plane, min(volume.spacing_mm[:2]))
        if tissue.any():
            box = _box(filled)
            pieces, count = ndimage.label(filled[box])
            sizes = np.bincount(pieces[tissue[box]], minlength=count + 1)
            body[index][box] = pieces == int(sizes[1:].argmax()) + 1
    return body


def lung_mask(volume: CtVolume) -> Mask:
    """Return the voxels of the body from -1000 to -400 HU, shape (z, y, x); errors as of
    `body_mask`.
    """
    low, high = LUNG_HU
    return np.asarray(body_mask(volume) & (volume.hu >= low) & (volume.hu <= high), dtype=np.bool_)


def _filled(tissue: Mask, plane: npt.NDArray[np.float32], pixel_mm: float) -> Mask:
    """Return tissue with what it encloses, the edge of the image closing it where lung, or an
    airway, reaches the edge.
    """
    image = np.pad(plane > NOT_MEASURED_HU, 1)
    edge = image[1:-1, 1:-1] & _grown(~image)[1:-1, 1:-1]
    aerated, near = (_counted_around(one, edge) for one in (edge & (plane > _AIR_HU), edge))
    open_air = edge.copy()
    open_air[edge] = 2 * aerated <= near
    filled = _without_holes(tissue | (edge & ~_long_runs(open_air, pixel_mm)))
    # The wall itself is the patient only where there is patient behind it.
    behind = _grown(filled & ~edge)
    return np.asarray(filled & (tissue | ~edge | behind), dtype=np.bool_)


def _long_runs(mask: Mask, pixel_mm: float) -> Mask:
    """Return the runs of a mask of the edge that no airway is wide enough for."""
    if np.count_nonzero(mask) * pixel_mm <= _WIDEST_AIRWAY_MM:
        return np.zeros_like(mask)
    runs, count = ndimage.label(mask, _AROUND)
    long = np.bincount(runs.ravel(), minlength=count + 1) * pixel_mm > _WIDEST_AIRWAY_MM
    long[0] = False
    return np.asarray(long[runs], dtype=np.bool_)


def _counted_around(mask: Mask, edge: Mask) -> npt.NDArray[np.int64]:
    """Count a plane's mask within `_NEAR` pixels square around each pixel of an edge, beyond the
    plane as mirrored.
    """
    padded = np.pad(mask, _NEAR // 2, mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (_NEAR, _NEAR))
    return np.asarray(np.count_nonzero(windows[edge], axis=(1, 2)), dtype=np.int64)


def _without_holes(mask: Mask) -> Mask:
    """Return a mask of a plane with what it encloses; scipy's own takes several times as long."""
    if not mask.any():
        return mask
    box, filled = _box(mask), np.zeros_like(mask)
    around, _ = ndimage.label(np.pad(~mask[box], 1, constant_values=True))
    filled[box] = around[1:-1, 1:-1] != around[0, 0]
    return filled


def _box(mask: Mask) -> tuple[slice, slice]:
    """Return the smallest box (y, x) that holds a mask of a plane, which must have some pixels."""
    y, x = (np.flatnonzero(mask.any(axis=other)) for other in (1, 0))
    return slice(int(y[0]), int(y[-1]) + 1), slice(int(x[0]), int(x[-1]) + 1)


def _grown(mask: Mask) -> Mask:
    """Return a mask of a plane and the pixels around it, diagonal ones too."""
    for axis in (0, 1):
        grown = mask.copy()
        first, last = np.swapaxes(grown, 0, axis), np.swapaxes(mask, 0, axis)
        first[1:] |= last[:-1]
        first[:-1] |= last[1:]
        mask = grown
    return mask
