"""Which voxels a contour encloses: a voxel belongs to it when its centre does (even-odd rule)."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from feature_store.errors import ContourError
from feature_store.imaging.contour_combination import (
    CombinedSlice,
    OverlappingContours,
    SliceRefusal,
    combine,
)
from feature_store.imaging.contour_relations import XOR, SliceContour
from feature_store.imaging.ct_volume import CtVolume
from feature_store.imaging.structure_set import Roi, check_contours

PLANE_TOLERANCE = 0.25
"""How far a contour's plane may be from its slice's, in slice spacings: more is another CT's
contour.
"""
_EDGE_TOLERANCE = 0.5 + 1e-3
_UNITE = "or set overlapping_contours to 'union'"
_REFUSALS = {
    SliceRefusal.DIFFERENT_DEPTHS: (
        "contours {apart:.2f} mm apart along the normal: expected one plane",
        "Send the CT that was contoured",
    ),
    SliceRefusal.OVERLAP: (
        "contours that overlap in part, so that what lies in both is meant twice or not at all",
        f"Unite them in the planning system, {_UNITE}",
    ),
    SliceRefusal.NEARLY_REPEATED: (
        "contours that are nearly the same, within one pixel of each other everywhere",
        f"Delete one of them, {_UNITE}",
    ),
    SliceRefusal.OVERLAPS_ITSELF: (
        "a contour that crosses itself and goes round a part of its area twice",
        f"Redraw it, {_UNITE}",
    ),
    SliceRefusal.CANCEL: (
        f"contours of type {XOR} that are the same and cancel each other",
        "Export the ROI again, with each contour once",
    ),
    SliceRefusal.NOTHING_LEFT: (
        "contours that together leave no voxel of what they enclose",
        "Redraw them, without what is drawn twice",
    ),
}


def rasterize(
    roi: Roi,
    volume: CtVolume,
    overlapping: OverlappingContours = OverlappingContours.REFUSE,
) -> npt.NDArray[np.bool_]:
    """Return the voxels whose centres the contours enclose.

    Contours are mapped along the normal of the slices, so oblique series need no special case.
    How contours of one slice are combined: see `contour_combination`.

    Parameters
    ----------
    roi : Roi
        Closed planar contours, points (x, y, z) in mm.
    volume : CtVolume
        The CT that they were drawn on.
    overlapping : OverlappingContours
        What becomes of contours of one slice that overlap in part.

    Returns
    -------
    ndarray of bool, shape (z, y, x)
        The mask on the grid of `volume`.

    Raises
    ------
    ContourError
        If the contours cannot have been drawn on this CT: another Frame of Reference, outside the
        CT, not within a slice plane, between the slices, or slices left out. If those of a slice
        have no mask, or none encloses a voxel.
    """
    check_contours(roi)
    _check_frame(roi, volume)
    mask = np.zeros(volume.hu.shape, dtype=np.bool_)
    by_slice = contours_by_slice(roi, volume)
    for z, contours in by_slice.items():
        combined = combine(contours, mask[z].shape, overlapping)
        if combined.mask is None:
            raise _refused(combined, z, roi)
        mask[z] = combined.mask
    if not mask.any():
        raise ContourError(
            "only-remnants",
            f"ROI {roi.name!r} has {len(roi.contours)} contour(s), none of which encloses a voxel: "
            "expected a drawn tumour. Delete the remnants, and draw it.",
        )
    _check_sequence(mask, sorted(by_slice), roi, volume)
    return mask


def contours_by_slice(roi: Roi, volume: CtVolume) -> dict[int, list[SliceContour]]:
    """Return the contours of each slice in pixel indices, numbered from 1 in the order of the ROI.

    Raises
    ------
    ContourError
        If one lies outside the CT, not within a slice plane, or between the slices.
    """
    by_slice: dict[int, list[SliceContour]] = defaultdict(list)
    drawn = zip(roi.contours, roi.geometric_types, strict=True)
    for number, (points, kind) in enumerate(drawn, start=1):
        # ties are decided by the rule, not by the last bit
        index = np.round(volume.to_index(points), 6)
        z = _slice_of(index, roi, number, volume)
        offset_mm = (float(index[:, 2].mean()) - z) * volume.spacing_mm[2]
        by_slice[z].append(SliceContour(number, index[:, :2], kind, offset_mm))
    return by_slice


def _check_frame(roi: Roi, volume: CtVolume) -> None:
    if (
        roi.frame_of_reference_uid is None
        or roi.frame_of_reference_uid != volume.frame_of_reference_uid
    ):
        raise ContourError(
            "frame-of-reference",
            f"ROI {roi.name!r} is not in the Frame of Reference of the CT: expected the same, "
            "found another or none. Send the CT that was contoured.",
        )


def _slice_of(index: npt.NDArray[np.float64], roi: Roi, number: int, volume: CtVolume) -> int:
    """Return the slice of a contour, given as continuous indices (x, y, z), or say why it has
    none.
    """
    where = f"Contour {number} of {len(roi.contours)} of ROI {roi.name!r}"
    low, high = index.min(axis=0), index.max(axis=0)
    last = np.array(volume.hu.shape[::-1]) - 1
    if np.any(low < -_EDGE_TOLERANCE) or np.any(high > last + _EDGE_TOLERANCE):
        beyond_mm = float(((np.maximum(-low, high - last) - 0.5) * volume.spacing_mm).max())
        raise ContourError(
            "outside-ct",
            f"{where} leaves the CT by up to {beyond_mm:.1f} mm: expected every point within the "
            "outermost voxels. Send the CT that was contoured, with all its slices.",
        )
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
    return min(max(z, 0), int(last[2]))


def _refused(combined: CombinedSlice, z: int, roi: Roi) -> ContourError:
    """Say why the contours of a slice have no mask."""
    refusal = combined.refusal or SliceRefusal.NOTHING_LEFT
    what, mend = _REFUSALS[refusal]
    low, high = combined.facts.depths_mm
    which = " and ".join(map(str, combined.at_fault))
    return ContourError(
        refusal.value,
        f"ROI {roi.name!r} has on slice {z + 1} {what.format(apart=high - low)}"
        + (f" (number {which} of its {len(roi.contours)})" if which else "")
        + f". {mend}.",
    )


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
