"""How two contours of a slice lie to each other: by the pixels that they enclose, and where those
leave it open by their lines.

Lengths are in pixels; points are continuous indices (x, y).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property

import numpy as np
from scipy.ndimage import binary_dilation

from feature_store.imaging.polygon import (
    Pixels,
    Points,
    are_within,
    enclosed_area,
    near_line,
    share_along,
    signed_area,
)
from feature_store.imaging.structure_set import CLOSED_TYPES

XOR = "CLOSEDPLANAR_XOR"
"""The Contour Geometric Type that declares the exclusive or (PS3.3 C.8.8.6.3)."""
SAME_WITHIN = 0.1
"""Contours whose lines are nowhere further apart are the same."""
NEARLY_WITHIN = 1.0
"""Contours whose lines are nowhere further apart have no wall between them."""
ALONG_WITHIN, ALONG_AT_MOST = 0.5, 1 / 3
"""A contour within another may run so near to it along this share of its line: there it has no
wall.
"""
OUTSIDE_BY = 0.75
"""How far outside another contour a point of one within it may lie. Beyond sqrt(1/2) a point is on
the same side of a line as the pixel centre nearest to it.
"""


@dataclass(frozen=True, eq=False)
class SliceContour:
    """One closed contour on a slice.

    Parameters
    ----------
    number : int
        By which the facts name it.
    points : ndarray of float64, shape (n, 2)
        Continuous pixel indices (x, y), finite.
    geometric_type : str
        ``CLOSED_PLANAR`` or ``CLOSEDPLANAR_XOR``.
    offset_mm : float
        How far it lies from the slice's plane along the normal.

    Raises
    ------
    ValueError
        If the points have another shape or the contour is not closed.
    """

    number: int
    points: Points
    geometric_type: str = "CLOSED_PLANAR"
    offset_mm: float = 0.0

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.points.shape[1] != 2:
            raise ValueError(f"A contour needs points (n, 2), found {self.points.shape}.")
        if self.geometric_type not in CLOSED_TYPES:
            raise ValueError(f"Expected a closed contour, found {self.geometric_type!r}.")

    @cached_property
    def is_remnant(self) -> bool:
        """Whether it encloses less than a pixel's area, as a forgotten click does."""
        if len(self.points) < 3:
            return True
        # four times: a contour may go round a part of a pixel more than once
        return abs(signed_area(self.points)) < 4 and enclosed_area(self.points) < 1 - 1e-6


class Relation(Enum):
    """How one contour lies to another."""

    APART = auto()
    TOUCHING = auto()
    SAME = auto()
    NEARLY_SAME = auto()
    INSIDE = auto()
    AROUND = auto()
    OVERLAPPING = auto()


@dataclass(frozen=True, eq=False)
class Region:
    """The pixels that one contour encloses, within a box of the slice.

    Parameters
    ----------
    contour : SliceContour
        The contour.
    pixels : ndarray of bool, shape of the box
        What it encloses.
    box : tuple of 2 slice
        Where the box lies, along (y, x).
    retraced, is_keyhole, crosses_itself, overlaps_itself : bool
        Whether it goes round more than once; comes back to its own points and goes round a hole
        again; crosses itself and is taken as it is; crosses itself and loses more than that.
    """

    contour: SliceContour
    pixels: Pixels
    box: tuple[slice, slice]
    retraced: bool = False
    is_keyhole: bool = False
    crosses_itself: bool = False
    overlaps_itself: bool = False

    @cached_property
    def count(self) -> int:
        """How many pixels it encloses."""
        return int(np.count_nonzero(self.pixels))

    @property
    def is_xor(self) -> bool:
        """Whether it is declared to be combined by exclusive or."""
        return self.contour.geometric_type == XOR


@dataclass(frozen=True, eq=False)
class Relations:
    """How the contours of a slice lie to each other.

    Parameters
    ----------
    regions : list of Region
        Those that count; the pairs hold places in this list.
    repeated : list of int
        Numbers of the contours that repeat one of them.
    pairs : dict of Relation to list of pairs of int
        Which of them are TOUCHING, OVERLAPPING, or NEARLY_SAME, apart from those declared as
        exclusive or.
    cancelling : list of pairs of int
        Which are the same, or nearly, and declared as exclusive or.
    around : dict of int to set of int
        Which lie around each.
    """

    regions: list[Region] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)
    pairs: dict[Relation, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    cancelling: list[tuple[int, int]] = field(default_factory=list)
    around: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))

    @property
    def overlaps(self) -> list[tuple[int, int]]:
        """Pairs that enclose pixels together though none lies within the other, or nearly so."""
        return self.pairs[Relation.OVERLAPPING] + self.pairs[Relation.NEARLY_SAME]

    def numbers(self, pairs: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        """Return pairs of places as pairs of contour numbers."""
        number = [region.contour.number for region in self.regions]
        return tuple((number[a], number[b]) for a, b in pairs)


def relate(regions: Sequence[Region]) -> Relations:
    """Relate every contour that encloses a pixel to those before it."""
    regions = [region for region in regions if region.count]
    found = Relations()
    boxes = np.array([[(p.start, p.stop) for p in region.box] for region in regions])
    kept: list[int] = []
    for n, region in enumerate(regions):
        place = len(found.regions)
        others = boxes[kept]
        near = (others[:, :, 0] <= boxes[n, :, 1]) & (others[:, :, 1] >= boxes[n, :, 0])
        relations = {
            int(other): relation(found.regions[other], region)
            for other in np.flatnonzero(near.all(axis=1))
        }
        declared = {o for o in relations if region.is_xor or found.regions[o].is_xor}
        if any(r is Relation.SAME and o not in declared for o, r in relations.items()):
            found.repeated.append(region.contour.number)
            continue
        kept.append(n)
        found.regions.append(region)
        for other, how in relations.items():
            if other in declared and how in {Relation.SAME, Relation.NEARLY_SAME}:
                found.cancelling.append((other, place))
            elif how is Relation.INSIDE:
                found.around[place].add(other)
            elif how is Relation.AROUND:
                found.around[other].add(place)
            elif not (other in declared and how is Relation.OVERLAPPING):
                found.pairs[how].append((other, place))
    return found


def relation(earlier: Region, later: Region) -> Relation:
    """Say how a contour lies to an earlier one; both enclose pixels."""
    shared = _shared(earlier, later)
    a, b = earlier.contour.points, later.contour.points
    if shared == 0:
        return Relation.TOUCHING if _shared(_grown(earlier), later) else Relation.APART
    if shared == earlier.count == later.count or are_within(a, b, SAME_WITHIN):
        return Relation.SAME
    if are_within(a, b, NEARLY_WITHIN):
        return Relation.NEARLY_SAME
    if shared == later.count and _lies_within(later, earlier):
        return Relation.INSIDE
    if shared == earlier.count and _lies_within(earlier, later):
        return Relation.AROUND
    return Relation.OVERLAPPING


def _shared(a: Region, b: Region) -> int:
    """Return how many pixels two regions have in common."""
    box = [
        slice(max(p.start, q.start), min(p.stop, q.stop)) for p, q in zip(a.box, b.box, strict=True)
    ]
    if any(part.stop <= part.start for part in box):
        return 0
    cut = [
        region.pixels[
            tuple(
                slice(part.start - own.start, part.stop - own.start)
                for part, own in zip(box, region.box, strict=True)
            )
        ]
        for region in (a, b)
    ]
    return int(np.count_nonzero(cut[0] & cut[1]))


def _grown(region: Region) -> Region:
    """Return a region with the neighbours of its pixels, diagonals included."""
    pixels = binary_dilation(np.pad(region.pixels, 1), np.ones((3, 3), dtype=np.bool_))
    rows, columns = (slice(part.start - 1, part.stop + 1) for part in region.box)
    return Region(region.contour, pixels, (rows, columns))


def _lies_within(inner: Region, outer: Region) -> bool:
    """Whether a contour that encloses none but pixels of another is within it, rather than along
    it or across it.
    """
    grown = _grown(inner)
    if _shared(grown, outer) == grown.count:
        return True  # a wall of a pixel all around
    a, b = inner.contour.points, outer.contour.points
    return not _leaves(a, outer) and share_along(a, b, ALONG_WITHIN) <= ALONG_AT_MOST


def _leaves(points: Points, region: Region) -> bool:
    """Whether a point lies more than 3/4 pixel outside the contour of a region."""
    nearest = np.round(points).astype(np.intp)[:, ::-1] - [part.start for part in region.box]
    within = ((nearest >= 0) & (nearest < region.pixels.shape)).all(axis=1)
    inside = np.zeros(len(points), dtype=np.bool_)
    inside[within] = region.pixels[tuple(nearest[within].T)]
    outside = points[~inside]
    if not len(outside):
        return False
    return not bool(near_line(outside, region.contour.points, OUTSIDE_BY).all())
