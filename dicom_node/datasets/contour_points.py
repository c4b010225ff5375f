"""The points of a contour, of which only the bounds and the first one are kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from dicom_node.datasets.dataset_window import DatasetWindow
from dicom_node.datasets.manifest import Bounds, Point

# Shorter pieces starve other threads: a read lets the interpreter go sooner than they ask.
_AT_A_TIME: Final = 1 << 17
_LONGEST_NUMBER: Final = 1024
_PADDING: Final = b" \0"
_FLAT_MM: Final = 0.01


@dataclass(frozen=True)
class ContourPoints:
    """What is kept of a contour's points.

    Parameters
    ----------
    count : int
        Points.
    bounds_mm : tuple of float
        Their bounds.
    first_mm : tuple of float
        The first of them.
    """

    count: int
    bounds_mm: Bounds
    first_mm: Point

    def moved(self, offset_mm: Sequence[float]) -> ContourPoints:
        """Return them moved by an offset along x, y and z (Contour Offset Vector)."""
        x, y, z = (self.first_mm[axis] + offset_mm[axis] for axis in range(3))
        x0, x1, y0, y1, z0, z1 = (
            bound + offset_mm[at // 2] for at, bound in enumerate(self.bounds_mm)
        )
        return ContourPoints(self.count, (x0, x1, y0, y1, z0, z1), (x, y, z))

    @property
    def is_finite(self) -> bool:
        """Whether their bounds are numbers."""
        return all(map(math.isfinite, self.bounds_mm))

    @property
    def plane_mm(self) -> Point:
        """The point that stands for their plane: that of one across a patient axis has zeros along
        the other two.
        """
        bounds = self.bounds_mm
        flat = [axis for axis in range(3) if bounds[2 * axis + 1] - bounds[2 * axis] <= _FLAT_MM]
        kept = flat if len(flat) == 1 else range(3)
        x, y, z = (round(self.first_mm[axis], 2) if axis in kept else 0.0 for axis in range(3))
        return (x, y, z)


def read_points(window: DatasetWindow, at: int, length: int) -> ContourPoints | None:
    """Read Contour Data (3006,0050) piece by piece.

    Parameters
    ----------
    window : DatasetWindow
        The dataset.
    at, length : int
        Where the value lies in it, in bytes.

    Returns
    -------
    ContourPoints or None
        `None` if it holds no triplets of finite numbers.
    """
    lowest, highest = [math.inf] * 3, [-math.inf] * 3
    first: list[float] = []
    count = 0
    for parts in _parts(window, at, length):
        try:
            values = list(map(float, parts))
        except ValueError:
            return None
        if not all(map(math.isfinite, values)):
            return None
        for axis in range(3):
            along = values[(axis - count) % 3 :: 3]
            lowest[axis] = min((lowest[axis], *along))
            highest[axis] = max((highest[axis], *along))
        first += values[: 3 - len(first)]
        count += len(values)
    if not count or count % 3:
        return None
    x, y, z = first
    (x0, y0, z0), (x1, y1, z1) = lowest, highest
    return ContourPoints(count // 3, (x0, x1, y0, y1, z0, z1), (x, y, z))


def moved_by(points: ContourPoints | None, offset: str) -> ContourPoints | None:
    """Return points moved by a written Contour Offset Vector; `None` for no finite numbers."""
    if points is None or not offset:
        return points
    try:
        along = [float(part) for part in offset.split("\\")]
    except ValueError:
        return None
    if len(along) != 3:
        return None
    moved = points.moved(along)
    return moved if moved.is_finite else None


def _parts(window: DatasetWindow, at: int, length: int) -> Iterator[list[bytes]]:
    """Return what backslashes part, some of it at a time; a part that is too long for a number is
    empty, and the last.
    """
    rest = b""
    for begin in range(0, length, _AT_A_TIME):
        piece = window.at(at + begin, min(_AT_A_TIME, length - begin))
        is_last = begin + _AT_A_TIME >= length
        if not begin:
            piece = piece.lstrip(_PADDING)
        piece = rest + piece
        *parts, rest = (piece.rstrip(_PADDING) if is_last else piece).split(b"\\")
        if is_last:
            parts.append(rest)
        elif len(rest) > _LONGEST_NUMBER:
            yield [b""]
            return
        if parts:
            yield parts
