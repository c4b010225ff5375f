"""Which voxels a contour encloses: a voxel belongs to it when its centre does (even-odd rule)."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from feature_store.errors import ContourError
from feature_store.imaging.ct_volume import CtVolume
from feature_store.imaging.gtv_rules import GTV_RULES, gtv_facts
from feature_store.imaging.structure_set import Roi
from feature_store.rules import refuse

PLANE_TOLERANCE = 0.25
"""How far a contour's plane may be from its slice's, in slice spacings: more is another CT's
contour.
"""


def rasterize(roi: Roi, volume: CtVolume) -> npt.NDArray[np.bool_]:
    """Return the voxels whose centres the contours enclose.

    Contours are mapped along the normal of the slices, so oblique series need no special case.
    Contours of one slice are combined by exclusive or: a contour within another is a hole (PS3.3
    C.8.8.6.3).

    Parameters
    ----------
    roi : Roi
        Closed planar contours, points (x, y, z) in mm.
    volume : CtVolume
        The CT that they were drawn on.

    Returns
    -------
    ndarray of bool, shape (z, y, x)
        The mask on the grid of `volume`.

    Raises
    ------
    ContourError
        If the contours enclose nothing, or cannot have been drawn on this CT: another Frame of
        Reference, outside the CT, not within a slice plane, between the slices, or slices left out.
    """
    refuse(GTV_RULES, gtv_facts((roi,), volume.extent))
    mask = np.zeros(volume.hu.shape, dtype=np.bool_)
    by_slice: dict[int, list[npt.NDArray[np.float64]]] = defaultdict(list)
    for number, points in enumerate(roi.contours, start=1):
        index = np.round(
            volume.to_index(points), 6
        )  # ties are decided by the rule, not by the last bit
        by_slice[_slice_of(index, roi, number, volume)].append(index[:, :2])
    for z, polygons in by_slice.items():
        for polygon in polygons:
            _toggle(mask[z], polygon)
    _check_sequence(mask, sorted(by_slice), roi, volume)
    return mask


def _slice_of(index: npt.NDArray[np.float64], roi: Roi, number: int, volume: CtVolume) -> int:
    """Return the slice of a contour, given as continuous indices (x, y, z), or say why it has
    none.
    """
    where = f"Contour {number} of {len(roi.contours)} of ROI {roi.name!r}"
    low, high = index.min(axis=0), index.max(axis=0)
    spacing = volume.spacing_mm[2]
    if high[2] - low[2] > PLANE_TOLERANCE:
        raise ContourError(
            "not-in-plane",
            f"{where} extends {(high[2] - low[2]) * spacing:.2f} mm across the slices of "
            f"{spacing:.2f} mm: expected it within one slice plane. Redraw it on the axial slices "
            "of this CT.",
        )
    middle = float(index[:, 2].mean())
    z = round(middle)
    if abs(middle - z) > PLANE_TOLERANCE:
        raise ContourError(
            "off-slice",
            f"{where} lies {abs(middle - z) * spacing:.2f} mm off the nearest slice, at a slice "
            f"spacing of {spacing:.2f} mm: expected at most {PLANE_TOLERANCE * spacing:.2f} mm. "
            "Send the CT that was contoured.",
        )
    return min(max(z, 0), len(volume.hu) - 1)


def _toggle(plane: npt.NDArray[np.bool_], polygon: npt.NDArray[np.float64]) -> None:
    """Invert the pixels of `plane` whose centres are within `polygon`, shape (n, 2), continuous
    indices (x, y).

    Along each row, a pixel is inside when an odd number of edges crosses the row at or left of its
    centre; an edge takes its lower end and leaves its upper end out, so that a vertex on a row
    counts once.
    """
    height, width = plane.shape
    low, high = (
        max(int(np.ceil(polygon[:, 1].min())), 0),
        min(int(np.floor(polygon[:, 1].max())), height - 1),
    )
    if high < low:
        return
    rows = np.arange(low, high + 1, dtype=np.float64)[:, None]
    x0, y0 = polygon.T
    x1, y1 = np.roll(polygon, -1, axis=0).T
    row, edge = np.nonzero((y0 <= rows) != (y1 <= rows))
    crossing = x0[edge] + (rows[row, 0] - y0[edge]) * (x1 - x0)[edge] / (y1 - y0)[edge]
    first = np.clip(np.ceil(np.round(crossing, 6)), 0, width).astype(np.intp)
    crossings = np.zeros((rows.size, width + 1), dtype=np.intp)
    np.add.at(crossings, (row, first), 1)
    plane[low : high + 1] ^= (np.cumsum(crossings, axis=1)[:, :width] % 2).astype(np.bool_)


def _check_sequence(
    mask: npt.NDArray[np.bool_], slices: list[int], roi: Roi, volume: CtVolume
) -> None:
    """Refuse a gap between contoured slices through which the contours evidently go on."""
    for below, above in pairwise(slices):
        smaller = min(int(mask[below].sum()), int(mask[above].sum()))
        shared = int((mask[below] & mask[above]).sum())
        if above - below > 1 and shared > 0.5 * smaller:
            start, end = ((z - below) * volume.spacing_mm[2] for z in (below, above))
            raise ContourError(
                "contours-skip-slices",
                f"ROI {roi.name!r} has no contour on {above - below - 1} slice(s) between its "
                f"contours on slices {below + 1} and {above + 1} ({end - start:.1f} mm apart), "
                "which lie on top of each other: expected a contour on every slice. Interpolate "
                "the missing contours in the planning system.",
            )
