"""Which voxels the contours of a ROI enclose, and what happened to contours on the way.

A voxel belongs to a contour when its centre does (even-odd rule); how contours of one slice make
its mask is said in `contour_combination`, what a slice without contours means in `contour_gaps`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feature_store.errors import ContourError
from feature_store.imaging.contour_combination import (
    CombinedSlice,
    OverlappingContours,
    SliceFacts,
    SliceRefusal,
    combine,
)
from feature_store.imaging.contour_gaps import Gap, find_gaps
from feature_store.imaging.contour_relations import XOR, SliceContour
from feature_store.imaging.ct_volume import CtVolume
from feature_store.imaging.gtv_rules import GTV_RULES, gtv_facts
from feature_store.imaging.polygon import is_upright
from feature_store.imaging.structure_set import CLOSED_TYPES, Roi
from feature_store.rules import refuse
from feature_store.wording import counted

PLANE_TOLERANCE = 0.25
"""How far a contour's plane may be from its slice's, in slice spacings: more is another CT's
contour.
"""
_UNITE = "or set overlapping_contours to 'union'"
_REFUSALS = {
    SliceRefusal.DIFFERENT_DEPTHS: (
        "contours {apart:.2f} mm apart along the normal: expected one plane",
        "Send the CT that was contoured",
    ),
    SliceRefusal.OVERLAP: (
        (
            "contours that overlap in part, so that what lies in both is meant twice or not at "
            "all: expected contours apart or within each other"
        ),
        f"Unite them in the planning system, {_UNITE}",
    ),
    SliceRefusal.NEARLY_REPEATED: (
        (
            "contours that are nearly the same, within one pixel of each other everywhere: "
            "expected one of them"
        ),
        f"Delete one of them, {_UNITE}",
    ),
    SliceRefusal.OVERLAPS_ITSELF: (
        (
            "a contour that crosses itself and goes round a part of its area twice: expected one "
            "that goes round once"
        ),
        f"Redraw it, {_UNITE}",
    ),
    SliceRefusal.CANCEL: (
        f"contours of type {XOR} that are the same and cancel each other: expected each once",
        "Export the ROI again, with each contour once",
    ),
    SliceRefusal.NOTHING_LEFT: (
        "contours that together leave no voxel of what they enclose: expected some",
        "Redraw them, without what is drawn twice",
    ),
}


@dataclass(frozen=True, eq=False)
class RasterizedRoi:
    """The voxels of a ROI, and what happened to its contours.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        On the grid of the CT.
    slices : mapping of int to SliceFacts
        By slice, counted from 0 along the normal: what happened to the contours on it.
    gaps : tuple of Gap
        Slices without contours that are the space between two lesions.
    """

    mask: npt.NDArray[np.bool_]
    slices: Mapping[int, SliceFacts]
    gaps: tuple[Gap, ...]


def rasterize(
    roi: Roi,
    volume: CtVolume,
    overlapping: OverlappingContours = OverlappingContours.REFUSE,
) -> RasterizedRoi:
    """Find the voxels whose centres the contours enclose.

    Contours are mapped along the normal of the slices, so oblique series need no special case.

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
    RasterizedRoi
        The mask on the grid of `volume`, and what happened.

    Raises
    ------
    ContourError
        If the contours cannot have been drawn on this CT: another Frame of Reference, outside the
        CT, not within a slice plane, between the slices, or slices left out. If those of a slice
        have no mask, or none encloses a voxel.
    """
    refuse(GTV_RULES, gtv_facts((roi,), volume.extent))
    mask = np.zeros(volume.hu.shape, dtype=np.bool_)
    facts = {}
    for z, contours in sorted(contours_by_slice(roi, volume).items()):
        combined = combine(contours, mask[z].shape, overlapping)
        if combined.mask is None:
            raise _refused(combined, z, roi)
        mask[z], facts[z] = combined.mask, combined.facts
    if not mask.any():
        raise ContourError(
            "only-remnants",
            f"ROI {roi.name!r} has {counted(len(roi.contours), 'contour')}, none of which encloses "
            "a voxel: expected a drawn tumour. Delete the remnants, and draw it.",
        )
    gaps = find_gaps(mask)
    for gap in gaps:
        if gap.is_left_out:
            raise _left_out(gap, roi, volume)
    return RasterizedRoi(mask, facts, gaps)


def contours_by_slice(roi: Roi, volume: CtVolume) -> dict[int, list[SliceContour]]:
    """Return the contours of each slice in pixel indices, numbered from 1 in the order of the ROI.

    A remnant lies on the slice that is nearest, wherever it was left; one without points lies on
    the first that has others.

    Raises
    ------
    ContourError
        If one that is no remnant lies outside the CT, not within a slice plane, or between the
        slices.
    """
    by_slice: dict[int, list[SliceContour]] = defaultdict(list)
    nowhere = []
    drawn = zip(roi.contours, roi.geometric_types, strict=True)
    for number, (points, kind) in enumerate(drawn, start=1):
        # ties are decided by the rule, not by the last bit
        index = np.round(volume.to_index(points), 6)
        # what is open and no click has been refused by GTV_RULES
        closed = kind if kind in CLOSED_TYPES else "CLOSED_PLANAR"
        contour = SliceContour(number, index[:, :2], closed)
        if not len(points):
            nowhere.append(contour)
        elif contour.is_remnant and not is_upright(index):
            z = min(max(round(float(index[:, 2].mean())), 0), len(volume.hu) - 1)
            by_slice[z].append(contour)
        else:
            z = _slice_of(index, roi, number, volume)
            offset_mm = (float(index[:, 2].mean()) - z) * volume.spacing_mm[2]
            by_slice[z].append(SliceContour(number, index[:, :2], closed, offset_mm))
    if nowhere:
        by_slice[min(by_slice, default=0)] += nowhere
    return by_slice


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
            "Send the CT that was contoured, or export the contours on its slices alone, without "
            "those that were interpolated between them.",
        )
    return min(max(z, 0), len(volume.hu) - 1)


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


def _left_out(gap: Gap, roi: Roi, volume: CtVolume) -> ContourError:
    apart_mm = (gap.above - gap.below) * volume.spacing_mm[2]
    return ContourError(
        "contours-skip-slices",
        f"ROI {roi.name!r} has no contour on {counted(gap.lacking, 'slice')} between its "
        f"contours on slices "
        f"{gap.below + 1} and {gap.above + 1} ({apart_mm:.1f} mm apart), which lie on top of each "
        "other: expected a contour on every slice. Interpolate the missing contours in the "
        "planning system.",
    )
