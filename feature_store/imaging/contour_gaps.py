"""Slices on which contours lack: left out by mistake, or the space between two lesions.

A ROI falls into bodies, connected through faces, edges or corners of voxels. A slice on which less
than a tenth remains of what the slices below and above it share counts as empty here: a click is no
cross-section. Bodies whose largest cross-section is less than a tenth of the ROI's largest are
specks and do not matter.

There is a *gap* where one body ends and another begins two or more slices further along the normal,
in line: their facing cross-sections share more than half of the pixels of the smaller, and more
than half of what they share has no voxel of the ROI in between. Bodies that are out of line are
lesions apart, with no gap. A gap is

between lesions
    when both bodies shrink towards it: each facing cross-section has at most half of the pixels of
    its body's largest;
between lesions
    when the facing cross-sections are unlike: the smaller has less than half of the pixels of the
    larger;
left out
    when it is one of a regular pattern: a body lies between two gaps that lack equally many
    slices, as where every second slice is contoured;
between lesions
    when it is long: it lacks at least 2 slices, and a quarter of the extent from the one body's
    start to the other's end; where one of the bodies has a single slice, at least as many as both
    bodies have, and these are more than two;
left out
    otherwise: a body as large beyond a slice or two as before them has not ended in between.

The rules are tried in this order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects, label

from feature_store.imaging.polygon import Pixels

Voxels = npt.NDArray[np.bool_]

_IN_LINE, _CLEAR, _SHRUNK, _ALIKE = 0.5, 0.5, 0.5, 0.5
_LONG = 0.25
_SPECK = 0.1
_FEW = _SPECK * _SHRUNK * _ALIKE * _IN_LINE * _CLEAR
"""A gap that is left out has more lines along the normal than this share of the largest
cross-section.
"""


@dataclass(frozen=True)
class Gap:
    """Slices on which contours lack between two bodies of a ROI in line.

    Parameters
    ----------
    below, above : int
        The slices that face it, counted from 0 along the normal.
    is_left_out : bool
        Whether contours were left out here; otherwise it is the space between two lesions.
    """

    below: int
    above: int
    is_left_out: bool

    @property
    def lacking(self) -> int:
        """Number of slices on which contours lack."""
        return self.above - self.below - 1


@dataclass(frozen=True, eq=False)
class _Body:
    """A connected part of a ROI: its slices, and its cross-sections within a box along (y, x)."""

    first: int
    last: int
    box: tuple[slice, slice]
    voxels: Voxels

    @property
    def slices(self) -> int:
        return self.last - self.first + 1

    @property
    def largest(self) -> int:
        return int(np.count_nonzero(self.voxels, axis=(1, 2)).max())

    def face(self, at: int, shape: tuple[int, int]) -> Pixels:
        """Return its lowest (0) or highest (-1) cross-section on the whole slice."""
        plane = np.zeros(shape, dtype=np.bool_)
        plane[self.box] = self.voxels[at]
        return plane


def find_gaps(mask: Voxels) -> tuple[Gap, ...]:
    """Find the gaps of a ROI, and tell which are left out.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        The voxels of the ROI.

    Returns
    -------
    tuple of Gap
        From low to high; none for a ROI of one body, or of bodies out of line.
    """
    slices = np.flatnonzero(mask.any(axis=(1, 2)))
    if not slices.size:
        return ()
    start = int(slices[0])
    mask = mask[start : slices[-1] + 1]
    rows, columns = np.nonzero(np.any(mask, axis=0))
    mask = mask[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].copy()
    _empty_what_counts_as_empty(mask)
    bodies = _bodies(mask)
    facing = [
        (lower, upper)
        for lower in bodies
        for upper in bodies
        if upper.first - lower.last > 1 and _are_in_line(lower, upper, mask)
    ]
    gaps = {
        Gap(start + lower.last, start + upper.first, _is_left_out(lower, upper, facing))
        for lower, upper in facing
    }
    return tuple(sorted(gaps, key=lambda gap: (gap.below, gap.above, gap.is_left_out)))


def empty_slices(mask: Voxels) -> tuple[int, ...]:
    """Return the slices without a voxel between the first and the last that have some."""
    found = np.flatnonzero(mask.any(axis=(1, 2)))
    if not found.size:
        return ()
    return tuple(sorted(set(range(found[0], found[-1])) - set(found.tolist())))


def _empty_what_counts_as_empty(mask: Voxels) -> None:
    shared = np.count_nonzero(mask[:-2] & mask[2:], axis=(1, 2))
    remains = np.count_nonzero(mask[:-2] & mask[1:-1] & mask[2:], axis=(1, 2))
    mask[1:-1][remains < _SPECK * shared] = False


def _bodies(mask: Voxels) -> list[_Body]:
    """Return the bodies that are no specks; none if too little lies beyond a gap."""
    if _count_resumed(mask) <= _FEW * max(np.count_nonzero(plane) for plane in mask):
        return []
    labels, _ = label(mask, structure=np.ones((3, 3, 3), dtype=np.int8))
    bodies = [
        _Body(box[0].start, box[0].stop - 1, (box[1], box[2]), labels[box] == n)
        for n, box in enumerate(find_objects(labels), start=1)
    ]
    largest = max((body.largest for body in bodies), default=0)
    return [body for body in bodies if body.largest >= _SPECK * largest]


def _count_resumed(mask: Voxels) -> int:
    """Return along how many lines in z the mask ends and begins again; soon seen, and few."""
    seen, resumed = (np.zeros(mask.shape[1:], dtype=np.bool_) for _ in range(2))
    for below, above in pairwise(mask):
        seen |= below
        resumed |= seen & above & ~below
    return int(np.count_nonzero(resumed))


def _are_in_line(lower: _Body, upper: _Body, mask: Voxels) -> bool:
    if any(
        a.start >= b.stop or b.start >= a.stop for a, b in zip(lower.box, upper.box, strict=True)
    ):
        return False
    shape = mask.shape[1], mask.shape[2]
    below, above = lower.face(-1, shape), upper.face(0, shape)
    shared = below & above
    count = np.count_nonzero(shared)
    if count <= _IN_LINE * min(np.count_nonzero(below), np.count_nonzero(above)):
        return False
    between = mask[lower.last + 1 : upper.first].any(axis=0)
    return bool(np.count_nonzero(shared & ~between) > _CLEAR * count)


def _is_left_out(lower: _Body, upper: _Body, facing: Sequence[tuple[_Body, _Body]]) -> bool:
    below, above = np.count_nonzero(lower.voxels[-1]), np.count_nonzero(upper.voxels[0])
    if below <= _SHRUNK * lower.largest and above <= _SHRUNK * upper.largest:
        return False
    if min(below, above) < _ALIKE * max(below, above):
        return False
    lacking = upper.first - lower.last - 1
    regular = any(b.first - a.last - 1 == lacking and (b is lower or a is upper) for a, b in facing)
    if regular:
        return True
    both = lower.slices + upper.slices
    if min(lower.slices, upper.slices) == 1:
        return lacking < both or both == 2
    return lacking < 2 or lacking < _LONG * (both + lacking)
