"""Where features are measured: within the GTV, and in rings of tissue around it (paper, regions of interest)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK

from feature_store.errors import RegionError

LEAST_VOXELS = 27
"""Fewer voxels than a cube of 3 x 3 x 3 have no neighbourhood in every direction, hence no texture."""
_DISTANCE_TOLERANCE = 1e-6


class Region(StrEnum):
    """A region of the paper; the value is the prefix of its feature columns."""

    GTV = "gtv"
    RING_3MM = "ring_3mm"
    RING_6MM = "ring_6mm"
    RING_9MM = "ring_9mm"

    @classmethod
    def ring(cls, width_mm: float) -> Region:
        """Return the ring of a width in mm; `RegionError` if there is no such region."""
        name = f"ring_{width_mm:g}mm"
        known = [region for region in cls if region != cls.GTV]
        if name not in known:
            raise RegionError(
                "unknown-ring", f"There is no ring of {width_mm:g} mm: expected one of {', '.join(known)}."
            )
        return cls(name)


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of one patient.

    Parameters
    ----------
    masks : mapping of Region to ndarray of bool, shape (z, y, x)
        Voxels of each region.
    beyond_image : mapping of Region to int
        Voxels of each region that the field of view cuts off.
    """

    masks: Mapping[Region, npt.NDArray[np.bool_]]
    beyond_image: Mapping[Region, int]

    @property
    def cut_by_field_of_view(self) -> bool:
        """Whether a ring would extend beyond the image."""
        return any(self.beyond_image.values())


def make_regions(
    gtv_mask: npt.NDArray[np.bool_], spacing_mm: Sequence[float], ring_widths_mm: Sequence[float] = (6.0,)
) -> Regions:
    """Make the GTV and its rings.

    A ring holds the voxels outside the GTV whose centres are at most its width away from the centre of a GTV voxel:
    the dilation by that physical distance, minus the GTV.

    Parameters
    ----------
    gtv_mask : ndarray of bool, shape (z, y, x)
        The GTV.
    spacing_mm : sequence of 3 float
        Distance of voxel centres along (x, y, z) in mm.
    ring_widths_mm : sequence of float
        Widths in mm: 3, 6 or 9.

    Returns
    -------
    Regions
        The GTV first, then the rings in the order of the widths.

    Raises
    ------
    RegionError
        If the GTV or a ring has fewer than 27 voxels, or there is no ring of a width.
    """
    rings = {Region.ring(width): float(width) for width in ring_widths_mm}
    _check_size(Region.GTV, gtv_mask)
    masks = {Region.GTV: gtv_mask}
    beyond = {Region.GTV: 0}
    if rings:
        box, distance = _distance_mm(gtv_mask, spacing_mm, max(rings.values()))
        inside = tuple(slice(max(0, -start), n - start) for (start, _), n in zip(box, gtv_mask.shape, strict=True))
        target = tuple(slice(max(0, start), min(stop, n)) for (start, stop), n in zip(box, gtv_mask.shape, strict=True))
        for region, width in rings.items():
            ring = (distance > 0) & (distance <= width + _DISTANCE_TOLERANCE)
            masks[region] = np.zeros_like(gtv_mask)
            masks[region][target] = ring[inside]
            beyond[region] = int(ring.sum()) - int(ring[inside].sum())
            _check_size(region, masks[region])
    return Regions(masks, beyond)


def bounding_box(mask: npt.NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """Return the smallest box (z, y, x) that holds all voxels of `mask`, which must have some."""
    z, y, x = (np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    return slice(z[0], z[-1] + 1), slice(y[0], y[-1] + 1), slice(x[0], x[-1] + 1)


def _check_size(region: Region, mask: npt.NDArray[np.bool_]) -> None:
    found = int(np.count_nonzero(mask))
    if found < LEAST_VOXELS:
        raise RegionError(
            "region-too-small",
            f"Region {region} has {found} voxel(s): expected at least {LEAST_VOXELS}. "
            "Check that the contour is the tumour, in the scale of this CT.",
        )


def _distance_mm(
    mask: npt.NDArray[np.bool_], spacing_mm: Sequence[float], reach_mm: float
) -> tuple[list[tuple[int, int]], npt.NDArray[np.float32]]:
    """Return the box (start, stop along z, y, x; may leave the image) within reach, and there the distance in mm."""
    margins = [int(np.floor(reach_mm / s + _DISTANCE_TOLERANCE)) + 1 for s in reversed(spacing_mm)]
    tight = bounding_box(mask)
    box = [(int(s.start) - margin, int(s.stop) + margin) for s, margin in zip(tight, margins, strict=True)]
    image: Any = SimpleITK.GetImageFromArray(np.pad(mask[tight], [(m, m) for m in margins]).astype(np.uint8))
    image.SetSpacing(tuple(float(s) for s in spacing_mm))
    distance_map: Any = SimpleITK.SignedMaurerDistanceMap
    squared = distance_map(image, squaredDistance=True, useImageSpacing=True)
    return box, np.sqrt(np.maximum(SimpleITK.GetArrayFromImage(squared), 0))
