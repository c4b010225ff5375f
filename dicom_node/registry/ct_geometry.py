"""Where the slices of a CT series lie, what they hold, and whether one is missing. Pure
functions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from statistics import median

from dicom_node.datasets.instance import Plane
from dicom_node.datasets.manifest import Bounds, Point

_COSINE_TOLERANCE = 1e-3
_EDGE_TOLERANCE_MM = 0.01
_GAP_RATIO = 1.5
_GRID_TOLERANCE_MM = 0.1


@dataclass(frozen=True)
class Stack:
    """Parallel slices along their normal.

    Parameters
    ----------
    normal : tuple of float
        The unit vector across the slices.
    depths_mm : tuple of float
        Where they lie along it, ascending, each once.
    """

    normal: Point
    depths_mm: tuple[float, ...]

    @property
    def spacing_mm(self) -> float:
        """The usual distance of neighbours; 1 mm for a slice alone."""
        gaps = [after - before for before, after in pairwise(self.depths_mm)]
        return median(gaps) if gaps else 1.0

    @property
    def has_gap(self) -> bool:
        """Whether neighbours lie so far apart that a slice is missing between them."""
        return any(
            after - before > _GAP_RATIO * self.spacing_mm
            for before, after in pairwise(self.depths_mm)
        )

    def depth_mm(self, point: Point) -> float:
        """Return how far along the normal a point lies."""
        return _dot(point, self.normal)

    def bare(self, planes: Iterable[Plane], contoured: Iterable[Point]) -> int:
        """Return how many of some slices have no contour.

        Parameters
        ----------
        planes : iterable of Plane
            The slices; a contour belongs to each that it lies within half a distance of.
        contoured : iterable of Point
            A point of each contour's plane.
        """
        drawn = sorted({round(self.depth_mm(point), 2) for point in contoured})
        reach = self.spacing_mm / 2 + _EDGE_TOLERANCE_MM
        bare = 0
        for plane in planes:
            depth = self.depth_mm(plane.position)
            at = bisect_left(drawn, depth)
            bare += all(abs(depth - one) > reach for one in drawn[max(at - 1, 0) : at + 1])
        return bare

    def reach_mm(self, bounds: Bounds) -> float:
        """Return how far the slices go on beyond a box, in mm, on the side where it is less."""
        corners = [
            self.depth_mm(corner) for corner in product(bounds[0:2], bounds[2:4], bounds[4:6])
        ]
        half = self.spacing_mm / 2
        return min(
            min(corners) - (self.depths_mm[0] - half), self.depths_mm[-1] + half - max(corners)
        )


def stack_of(planes: Sequence[Plane | None]) -> Stack | None:
    """Return the slices of a series along their normal; `None` if they are not parallel, or one
    does not say where it lies.

    Parameters
    ----------
    planes : sequence of Plane or None
        The slices, in any order.
    """
    known = [plane for plane in planes if plane is not None]
    if not known or len(known) != len(planes):
        return None
    normal = known[0].normal
    if any(abs(_dot(plane.normal, normal) - 1) > _COSINE_TOLERANCE for plane in known):
        return None
    return Stack(normal, tuple(sorted({round(_dot(one.position, normal), 3) for one in known})))


def are_one_stack(series: Iterable[Sequence[Plane | None]]) -> bool:
    """Say whether several series go on where another ends, at one distance of slices and on one
    grid: a CT that was split into series.

    Parameters
    ----------
    series : iterable of sequence of Plane or None
        The slices of each.
    """
    parts = list(series)
    planes = [plane for part in parts for plane in part]
    stack = stack_of(planes)
    if stack is None:
        return False
    reaches = sorted(
        (min(depths), max(depths))
        for part in parts
        if (depths := [stack.depth_mm(plane.position) for plane in part if plane is not None])
    )
    if any(after[0] - before[1] < _EDGE_TOLERANCE_MM for before, after in pairwise(reaches)):
        return False
    gaps = [after - before for before, after in pairwise(stack.depths_mm)]
    grids = [_grid(plane, stack.normal) for plane in planes if plane is not None]
    return max(gaps, default=0.0) <= _GAP_RATIO * min(gaps, default=0.0) and all(
        abs(one - other) <= _GRID_TOLERANCE_MM
        for grid in grids
        for one, other in zip(grid, grids[0], strict=True)
    )


def nearest_first(series: Mapping[str, Sequence[Plane | None]], middle: str) -> tuple[str, ...]:
    """Return the other series by how far they lie from one of them along its normal.

    Parameters
    ----------
    series : mapping of str to sequence of Plane or None
        The slices of each, by its name.
    middle : str
        From which one.
    """
    known = {name: [one for one in planes if one is not None] for name, planes in series.items()}
    if not known[middle]:
        return ()
    normal = known[middle][0].normal
    depths = {
        name: [_dot(plane.position, normal) for plane in planes]
        for name, planes in known.items()
        if planes
    }
    low, high = min(depths[middle]), max(depths[middle])
    away = {
        name: max(min(found) - high, low - max(found))
        for name, found in depths.items()
        if name != middle
    }
    return tuple(sorted(away, key=lambda name: (away[name], name)))


def _grid(plane: Plane, normal: Point) -> tuple[float, ...]:
    """Return the size of a slice's pixels, how many it has, and where it lies within its plane."""
    depth = _dot(plane.position, normal)
    within = (plane.position[axis] - depth * normal[axis] for axis in range(3))
    return (*within, *plane.spacing, plane.rows, plane.columns)


def holds(planes: Sequence[Plane | None], bounds: Bounds | None) -> bool:
    """Say whether the voxels of a series hold a box of contours whole."""
    if bounds is None or stack_of(planes) is None:
        return False
    extent = series_extent_mm([plane for plane in planes if plane is not None])
    return extent is not None and all(
        extent[low] - _EDGE_TOLERANCE_MM <= bounds[low]
        and bounds[low + 1] <= extent[low + 1] + _EDGE_TOLERANCE_MM
        for low in (0, 2, 4)
    )


def series_extent_mm(planes: Sequence[Plane]) -> Bounds | None:
    """Return the bounds of a series: whole pixels, and half a slice beyond the outermost slices.

    Parameters
    ----------
    planes : sequence of Plane
        The slices, in any order.

    Returns
    -------
    tuple of float or None
        x0, x1, y0, y1, z0, z1 in mm; `None` without slices.
    """
    if not planes:
        return None
    normal = planes[0].normal
    depths = sorted({round(_dot(plane.position, normal), 3) for plane in planes})
    half = Stack(normal, tuple(depths)).spacing_mm / 2
    corners = [corner for plane in planes for corner in _corners(plane)]
    lows = [min(corner[axis] for corner in corners) - half * abs(normal[axis]) for axis in range(3)]
    highs = [
        max(corner[axis] for corner in corners) + half * abs(normal[axis]) for axis in range(3)
    ]
    return (lows[0], highs[0], lows[1], highs[1], lows[2], highs[2])


def _corners(plane: Plane) -> list[Point]:
    """Return the outer corners of a slice's corner pixels (PS3.3 equation C.7.6.2.1-1)."""
    along_row, along_column = plane.orientation[:3], plane.orientation[3:]
    corners = []
    for column in (-0.5, plane.columns - 0.5):
        for row in (-0.5, plane.rows - 0.5):
            x, y, z = (
                plane.position[axis]
                + along_row[axis] * plane.spacing[1] * column
                + along_column[axis] * plane.spacing[0] * row
                for axis in range(3)
            )
            corners.append((x, y, z))
    return corners


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
