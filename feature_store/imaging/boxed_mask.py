"""Boxes of a voxel grid, and masks that are kept only within theirs: a tumour is a small part of a
planning CT.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feature_store.errors import RegionError

Box = tuple[slice, slice, slice]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class BoxedMask:
    """A mask on a grid, kept within a box outside of which it is empty.

    Parameters
    ----------
    voxels : ndarray of bool, shape of the box
        Which voxels of the box belong to it.
    box : tuple of 3 slice
        Where the box lies in the grid, along (z, y, x).
    grid_shape : tuple of 3 int
        Voxels of the grid along (z, y, x).

    Raises
    ------
    RegionError
        If the box does not lie in the grid or has another shape than its voxels.
    """

    voxels: Mask
    box: Box
    grid_shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        shape = tuple(part.stop - part.start for part in self.box)
        if self.voxels.shape != shape or any(
            part.start < 0 or part.stop > n
            for part, n in zip(self.box, self.grid_shape, strict=True)
        ):
            raise RegionError(
                "box-outside-grid",
                f"A mask of shape {self.voxels.shape} was placed at {self.box} of a grid of "
                f"{self.grid_shape}: expected equal shapes and a box within the grid.",
            )

    @classmethod
    def of(cls, mask: Mask) -> BoxedMask:
        """Keep a copy of a mask of a whole grid within its bounding box; it must have some
        voxels.
        """
        box = bounding_box(mask)
        depth, height, width = mask.shape
        return cls(mask[box].copy(), box, (depth, height, width))

    @property
    def count(self) -> int:
        """Number of voxels that belong to the mask."""
        return int(np.count_nonzero(self.voxels))

    def tight(self) -> BoxedMask:
        """Return the same mask within its bounding box; it must have some voxels."""
        inner = bounding_box(self.voxels)
        z, y, x = (
            slice(b.start + i.start, b.start + i.stop) for b, i in zip(self.box, inner, strict=True)
        )
        return BoxedMask(self.voxels[inner], (z, y, x), self.grid_shape)

    def cut(self, box: Box) -> Mask:
        """Return the mask in a box of the grid."""
        found = np.zeros([part.stop - part.start for part in box], dtype=np.bool_)
        shared = [
            slice(max(a.start, b.start), min(a.stop, b.stop))
            for a, b in zip(self.box, box, strict=True)
        ]
        if all(part.start < part.stop for part in shared):
            z, y, x = shared
            found[relative((z, y, x), box)] = self.voxels[relative((z, y, x), self.box)]
        return found

    def whole(self) -> Mask:
        """Return the mask on the whole grid."""
        return self.cut(whole_box(self.grid_shape))


def bounding_box(mask: Mask) -> Box:
    """Return the smallest box (z, y, x) that holds all voxels of `mask`, which must have some."""
    planes = np.flatnonzero(mask.any(axis=(1, 2)))
    within = mask[planes[0] : planes[-1] + 1]
    rows, columns = np.flatnonzero(within.any(axis=(0, 2))), np.flatnonzero(within.any(axis=(0, 1)))
    z, y, x = (slice(int(found[0]), int(found[-1]) + 1) for found in (planes, rows, columns))
    return z, y, x


def whole_box(grid_shape: tuple[int, ...]) -> Box:
    """Return the box that is the whole grid."""
    z, y, x = (slice(0, n) for n in grid_shape)
    return z, y, x


def union(first: Box, *others: Box) -> Box:
    """Return the smallest box that holds all the boxes."""
    z, y, x = (
        slice(
            min(box[axis].start for box in (first, *others)),
            max(box[axis].stop for box in (first, *others)),
        )
        for axis in range(3)
    )
    return z, y, x


def relative(box: Box, outer: Box) -> Box:
    """Return where `box` lies in `outer`."""
    z, y, x = (slice(b.start - o.start, b.stop - o.start) for b, o in zip(box, outer, strict=True))
    return z, y, x


def with_margin(box: Box, margin: int, grid_shape: tuple[int, ...]) -> Box:
    """Return the box enlarged by a margin in voxels, as far as the grid goes."""
    z, y, x = (
        slice(max(0, part.start - margin), min(n, part.stop + margin))
        for part, n in zip(box, grid_shape, strict=True)
    )
    return z, y, x
