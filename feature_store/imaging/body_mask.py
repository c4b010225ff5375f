"""Where the patient is in a CT, and where in the patient the lungs: what a ring may be kept to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from feature_store.compiled import compiled
from feature_store.cores import side_by_side
from feature_store.errors import RegionError
from feature_store.imaging.ct_volume import CtVolume
from feature_store.imaging.hounsfield import NOT_MEASURED_HU
from feature_store.imaging.plane_pieces import largest_piece, long_pieces, without_holes

Mask = npt.NDArray[np.bool_]

_SKIN_HU = -300.0
"""Halfway between the air around and the fat beneath the skin."""
_AIR_HU = -950.0
"""Between aerated lung and air: emphysema is counted below it in CT at full inspiration (Gevenois
PA, de Maertelaer V, De Vuyst P, et al. Am J Respir Crit Care Med 1995;152:653-657).
"""
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
    """Return `body_mask` on some slices, shape (slices, y, x); without a patient on them it is
    empty.
    """
    hu = volume.hu[slices]
    body = np.empty(hu.shape, dtype=np.bool_)

    def find(index: int) -> None:
        plane = hu[index]
        tissue = plane > _SKIN_HU
        body[index] = largest_piece(_filled(tissue, plane, min(volume.spacing_mm[:2])), tissue)

    side_by_side(find, range(len(hu)))
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
    open_air = np.zeros(plane.shape, dtype=np.bool_)
    _find_open_air(edge, plane > _AIR_HU, open_air)
    open_air = long_pieces(open_air, pixel_mm, _WIDEST_AIRWAY_MM)
    filled = without_holes(tissue | (edge & ~open_air))
    # The wall itself is the patient only where there is patient behind it.
    behind = _grown(filled & ~edge)
    return np.asarray(filled & (tissue | ~edge | behind), dtype=np.bool_)


@compiled
def _find_open_air(edge: Mask, aerated: Mask, open_air: Mask) -> None:
    """Find where at most half of the edge within `_NEAR` pixels square is aerated, the plane going
    on as mirrored.
    """
    height, width = edge.shape
    reach = _NEAR // 2
    for y in range(height):
        for x in range(width):
            if not edge[y, x]:
                continue
            near = near_aerated = 0
            for v in range(y - reach, y + reach + 1):
                v_within = _mirrored(v, height)
                for u in range(x - reach, x + reach + 1):
                    u_within = _mirrored(u, width)
                    if edge[v_within, u_within]:
                        near += 1
                        near_aerated += aerated[v_within, u_within]
            open_air[y, x] = 2 * near_aerated <= near


@compiled
def _mirrored(at: int, n: int) -> int:
    """Return the place within 0 to `n` that is mirrored to a place near it."""
    at = -1 - at if at < 0 else at
    return 2 * n - 1 - at if at >= n else at


def _grown(mask: Mask) -> Mask:
    """Return a mask of a plane and the pixels around it, diagonal ones too."""
    for axis in (0, 1):
        grown = mask.copy()
        first, last = np.swapaxes(grown, 0, axis), np.swapaxes(mask, 0, axis)
        first[1:] |= last[:-1]
        first[:-1] |= last[1:]
        mask = grown
    return mask
