"""One closed polygon on a pixel grid: which pixel centres it goes round and how often, its area,
and how far another one is from it.

Points are continuous indices (x, y): pixel centres are whole numbers, a pixel has the area 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

Points = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.bool_]

_EDGES_AT_ONCE = 4096
"""Edges whose crossings are held at once: memory stays small however many points there are."""
_AREA_ROWS = 256
_SAMPLES_AT_MOST = 400_000
_ROUNDING = 2e-6
"""Points are rounded to a millionth of a pixel."""


@dataclass(frozen=True, eq=False)
class Turns:
    """How often a polygon goes round the pixel centres of a box, outside of which it goes round
    none.

    Parameters
    ----------
    counts : ndarray of int, shape (rows, columns) of the box
        Turns from x to y, less those the other way round (the winding number).
    box : tuple of 2 slice
        Where the box lies in the grid, along (y, x).
    """

    counts: npt.NDArray[np.int32]
    box: tuple[slice, slice]

    @property
    def odd(self) -> Pixels:
        """The pixels that the polygon encloses by the even-odd rule."""
        return (self.counts & 1).astype(np.bool_)

    @property
    def is_plain(self) -> bool:
        """Whether no pixel is gone round more than once, and none the other way than another."""
        low, high = int(self.counts.min(initial=0)), int(self.counts.max(initial=0))
        return high - low <= 1


def turns(polygon: Points, shape: tuple[int, int]) -> Turns:
    """Count how often a polygon goes round each pixel centre of a grid.

    Along each row, an edge counts for the pixels whose centres are right of where it crosses the
    row, or on it; an edge takes its lower end and leaves its upper end out, so that a vertex on a
    row counts once, and polygons that share an edge share no pixel.

    Parameters
    ----------
    polygon : ndarray of float64, shape (n, 2)
        Its vertices; the last is joined to the first.
    shape : tuple of 2 int
        Rows and columns of the grid.

    Returns
    -------
    Turns
        Within the polygon's bounding box.
    """
    if not len(polygon):
        return Turns(np.zeros((0, 0), dtype=np.int32), (slice(0, 0), slice(0, 0)))
    low, high = np.floor(polygon.min(axis=0)), np.ceil(polygon.max(axis=0)) + 1
    left, top = (int(max(value, 0)) for value in low)
    right, bottom = (
        int(max(start, min(value, n)))
        for start, value, n in zip((left, top), high, shape[::-1], strict=True)
    )
    steps = np.zeros((bottom - top, right - left + 1), dtype=np.int32)
    for row, x, sign in _crossings(polygon, top, bottom):
        # ties are decided by the rule, not by the last bit
        first = np.clip(np.ceil(np.round(x, 6)), left, right).astype(np.intp)
        np.add.at(steps, (row - top, first - left), sign)
    counts = np.cumsum(steps, axis=1, dtype=np.int32)[:, :-1]
    return Turns(counts, (slice(top, bottom), slice(left, right)))


def signed_area(polygon: Points) -> float:
    """Return the area of a polygon in pixels, positive from x to y, each part times its turns."""
    x, y = (polygon - polygon[:1]).T
    return 0.5 * float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def enclosed_area(polygon: Points) -> float:
    """Return the area that a polygon goes round, in pixels, each part once however often it is
    gone round; measured on 256 lines.
    """
    if len(polygon) < 3 or (height := float(np.ptp(polygon[:, 1]))) == 0:
        return 0.0
    y = (polygon[:, 1] - polygon[:, 1].min()) / height * _AREA_ROWS - 0.5
    parts = list(_crossings(np.column_stack([polygon[:, 0], y]), 0, _AREA_ROWS))
    row, x, sign = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((x, row))
    inside = np.cumsum(sign[order])[:-1] != 0
    return float(np.diff(x[order])[inside].sum()) * height / _AREA_ROWS


def loops(polygon: Points) -> list[Points]:
    """Cut a polygon wherever it comes back to one of its own points, and return the pieces of at
    least 3 points.

    The pieces have the edges of the whole, so that it is their exclusive or: a keyhole gives its
    outer and its inner contour, and a contour that goes round twice the same contour twice.
    """
    found: list[list[tuple[float, float]]] = []
    path: list[tuple[float, float]] = []
    place: dict[tuple[float, float], int] = {}
    for point in map(tuple, polygon.tolist()):
        if (start := place.get(point)) is not None:
            found.append(path[start:])
            for passed in path[start:]:
                del place[passed]
            del path[start:]
        place[point] = len(path)
        path.append(point)
    return [np.array(loop) for loop in (*found, path) if len(loop) >= 3]


def are_within(a: Points, b: Points, limit: float) -> bool:
    """Whether the symmetric Hausdorff distance of the lines of two polygons is at most `limit`
    pixels, found from points on both at every half of it; not if they are too long to compare.
    """
    ends = np.abs([a.min(axis=0) - b.min(axis=0), a.max(axis=0) - b.max(axis=0)])
    if ends.max() > limit + _ROUNDING:
        return False
    first, second = _points_along(a, limit / 2), _points_along(b, limit / 2)
    if first is None or second is None:
        return False
    return bool(_near(first, second, limit).all() and _near(second, first, limit).all())


def share_along(a: Points, b: Points, limit: float) -> float:
    """Return the share of the line of one polygon that is at most `limit` pixels from that of
    another; 1 if they are too long to compare.
    """
    first, second = _points_along(a, limit / 2), _points_along(b, limit / 2)
    if first is None or second is None:
        return 1.0
    return float(_near(first, second, limit).mean())


def near_line(points: Points, polygon: Points, limit: float) -> Pixels:
    """Return which points, shape (n, 2), are at most `limit` pixels from the line of a polygon;
    none if it is too long to compare.
    """
    along = _points_along(polygon, limit / 2)
    return np.zeros(len(points), dtype=np.bool_) if along is None else _near(points, along, limit)


def _crossings(
    polygon: Points, top: int, bottom: int
) -> Iterator[tuple[npt.NDArray[np.intp], Points, npt.NDArray[np.int32]]]:
    """Yield where edges cross the rows from `top` up to `bottom`: row, x, and the turns that begin
    right of there.
    """
    following = np.roll(polygon, -1, axis=0)
    for part in range(0, len(polygon), _EDGES_AT_ONCE):
        x0, y0 = polygon[part : part + _EDGES_AT_ONCE].T
        x1, y1 = following[part : part + _EDGES_AT_ONCE].T
        start = np.clip(np.ceil(np.minimum(y0, y1)), top, bottom).astype(np.intp)
        stop = np.clip(np.ceil(np.maximum(y0, y1)), top, bottom).astype(np.intp)
        count = stop - start
        edge = np.repeat(np.arange(len(count)), count)
        row = start[edge] + np.arange(len(edge)) - (np.cumsum(count) - count)[edge]
        x = x0[edge] + (row - y0[edge]) * (x1 - x0)[edge] / (y1 - y0)[edge]
        yield row, x, np.where(y1 > y0, -1, 1).astype(np.int32)[edge]


def _points_along(polygon: Points, step: float) -> Points | None:
    """Return points on the line of a polygon at most `step` apart, or None if they were too
    many.
    """
    edges = np.roll(polygon, -1, axis=0) - polygon
    count = np.ceil(np.linalg.norm(edges, axis=1) / step).astype(np.intp)
    count = np.maximum(count, 1)
    if count.sum() > _SAMPLES_AT_MOST:
        return None
    edge = np.repeat(np.arange(len(count)), count)
    share = (np.arange(len(edge)) - (np.cumsum(count) - count)[edge]) / count[edge]
    return np.asarray(polygon[edge] + share[:, None] * edges[edge])


def _near(points: Points, along: Points, limit: float) -> Pixels:
    """Return which points are at most `limit` from a line, given by points at every half of it."""
    reach = float(np.hypot(limit, limit / 4)) + _ROUNDING  # the nearest may be half a step on
    tree = KDTree(along, balanced_tree=False, compact_nodes=False)
    return np.isfinite(tree.query(points, distance_upper_bound=reach)[0])


def is_click(points: npt.NDArray[np.float64]) -> bool:
    """Say whether the points of a contour, shape (n, 3), cannot enclose an area: fewer than 3, or
    all on one line.
    """
    if len(points) < 3:
        return True
    if not np.isfinite(points).all():
        return False
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return bool(spread[1] < 1e-6)


def is_upright(index: npt.NDArray[np.float64]) -> bool:
    """Say whether a contour, continuous indices (x, y, z) of shape (n, 3), encloses a voxel's face
    or more in a plane across the slices, as one that was drawn on sagittal or coronal images does.
    """
    area = np.cross(index, np.roll(index, -1, axis=0)).sum(axis=0) / 2
    return bool(np.linalg.norm(area[:2]) >= 1)
