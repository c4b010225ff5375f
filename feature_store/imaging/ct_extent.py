"""Where a CT lies in the patient, and how far points lie beyond it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class CtExtent:
    """The box of a CT's voxels.

    Parameters
    ----------
    frame_of_reference_uids : frozenset of str or None
        Frames of Reference of the slices; `None` stands for slices without one.
    origin_mm : ndarray, shape (3,)
        Centre of the first voxel in patient coordinates (LPS), in mm.
    axes : ndarray, shape (3, 3)
        Unit axes of the grid as columns: along a row, along a column, along the slices' normal.
    spacing_mm : ndarray, shape (3,)
        Distances of voxel centres along these axes, in mm.
    size : ndarray of int, shape (3,)
        Voxels along these axes.
    """

    frame_of_reference_uids: frozenset[str | None]
    origin_mm: npt.NDArray[np.float64]
    axes: npt.NDArray[np.float64]
    spacing_mm: npt.NDArray[np.float64]
    size: npt.NDArray[np.int64]

    def to_index(self, points_mm: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return continuous grid indices (x, y, z) of points (x, y, z) in mm, both of shape (n,
        3).
        """
        return np.asarray((points_mm - self.origin_mm) @ self.axes / self.spacing_mm)

    def beyond_mm(self, points_mm: npt.NDArray[np.float64]) -> float:
        """Return how far the farthest of some points lies beyond the outer faces of the voxels.

        Parameters
        ----------
        points_mm : ndarray, shape (n, 3)
            Points (x, y, z) in patient coordinates, in mm.

        Returns
        -------
        float
            In mm along the axis where it is most; not above 0 when all points are within.
        """
        along = (points_mm - self.origin_mm) @ self.axes
        span = (self.size - 1) * self.spacing_mm
        return float((np.maximum(-along, along - span) - self.spacing_mm / 2).max())
