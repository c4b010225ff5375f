"""How far two contours of one tumour differ: overlap, volume, distance of their surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from feature_store.imaging.boxed_mask import BoxedMask, Mask, union

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ContourDifference:
    """How far a contour differs from another.

    Parameters
    ----------
    dice : float
        Sorensen-Dice coefficient of the two: 1 where they are the same.
    volume_ratio : float
        Volume of this one over that of the other.
    surface_mm : float
        Mean distance of each surface from the other, weighted by area, of both directions.
    surface_95_mm : float
        Distance that 95 % of both surfaces are within.
    """

    dice: float
    volume_ratio: float
    surface_mm: float
    surface_95_mm: float


def contour_difference(
    one: BoxedMask, other: BoxedMask, spacing_mm: tuple[float, float, float]
) -> ContourDifference:
    """Compare two masks on one grid, both with some voxels.

    A surface is that of the voxels: its points are the middles of their outer faces.

    Parameters
    ----------
    one, other : BoxedMask
        The masks.
    spacing_mm : tuple of 3 float
        Distance of voxel centres along (x, y, z), in mm.
    """
    box = union(one.box, other.box)
    first, second = one.cut(box), other.cut(box)
    both, voxels = int((first & second).sum()), (one.count, other.count)
    spacing = np.asarray(spacing_mm[::-1], dtype=np.float64)
    surfaces = [_faces(mask, spacing) for mask in (first, second)]
    away, areas = [], []
    for (points, area), (others, _) in (surfaces, surfaces[::-1]):
        away.append(KDTree(others).query(points)[0])
        areas.append(area / area.sum())
    distances, weights = np.concatenate(away), np.concatenate(areas) / 2
    order = np.argsort(distances, kind="stable")
    within = int(np.searchsorted(np.cumsum(weights[order]), 0.95))
    return ContourDifference(
        dice=2 * both / sum(voxels),
        volume_ratio=voxels[0] / voxels[1],
        surface_mm=float((distances * weights).sum()),
        surface_95_mm=float(distances[order][min(within, len(order) - 1)]),
    )


def _faces(mask: Mask, spacing: Sequence[float] | Floats) -> tuple[Floats, Floats]:
    """Return the middles (z, y, x) of a mask's outer faces in mm, and their areas in mm2."""
    padded = np.pad(mask, 1)
    points, areas = [], []
    for axis in range(3):
        found = np.argwhere(np.diff(padded, axis=axis)).astype(np.float64)
        found[:, axis] += 0.5
        points.append(found * spacing)
        areas.append(np.full(len(found), float(np.prod(np.delete(spacing, axis)))))
    return np.concatenate(points), np.concatenate(areas)
