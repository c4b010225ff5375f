"""How the contours of one slice make its mask.

PS3.3 C.8.8.6.3 has two ways to leave an inner part out: a keyhole within one CLOSED_PLANAR contour,
and contours of type CLOSEDPLANAR_XOR, which are combined by exclusive or with the others. Several
CLOSED_PLANAR contours on one slice it does not combine. Planning systems draw their union, most
converters take their exclusive or; both agree as long as no pixel centre is enclosed twice. For
those that are, this is the rule here, and whatever it does is recorded:

remnant
    A contour of fewer than 3 points, of points on one line, or that encloses less area than a
    pixel is skipped.
depth
    Contours that are more than 0.1 mm apart along the normal are of neighbouring planes of another
    CT: refused.
repeated
    A contour that encloses the same pixels as an earlier one, or whose line is within 0.1 pixel of
    an earlier one's (symmetric Hausdorff distance), counts once; so does one that goes round more
    than once.
nested
    A contour within another is a hole, one within a hole an island, and so on. It is within when
    it encloses none but pixels of the other and a wall of a pixel stays around it; the wall may
    lack along a third of its line, if no point lies more than 3/4 pixel outside the other.
nearly repeated
    Contours that enclose a pixel together and whose lines are within one pixel of each other
    everywhere leave no wall between them to be a hole's, yet are not the same: treated as an
    overlap.
overlap
    Contours that enclose pixels together in any other way: refused, or united where
    `OverlappingContours` says so. Contours that enclose no pixel together do not overlap, whether
    they touch or not.
CLOSEDPLANAR_XOR
    Combined by exclusive or with all others, as declared. Two that are the same (or nearly) would
    cancel each other, which nobody draws a contour for: refused.
crossing itself
    A contour that crosses itself encloses its pixels by the even-odd rule. Lobes (a figure of
    eight) are enclosed by every rule. Pixels that it goes round twice are lost: a single one is no
    matter, up to 5 % of all that it encloses are recorded, more are treated as an overlap. A
    keyhole is told from it by the points that it comes back to, and by its loops, which lie apart
    or within each other as contours do.
empty
    A slice none of whose pixels remains although a contour encloses some: refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from feature_store.imaging.contour_relations import (
    SAME_WITHIN,
    Region,
    Relation,
    Relations,
    SliceContour,
    relate,
)
from feature_store.imaging.polygon import Pixels, Turns, loops, near_line, turns

DEPTH_TOLERANCE_MM = 0.1
"""Positions are often rounded to a tenth of a millimetre."""
LOST_AT_MOST = 0.05
"""The share of a contour's pixels that it may lose by crossing itself."""


class OverlappingContours(StrEnum):
    """What becomes of CLOSED_PLANAR contours of one slice that overlap in part."""

    REFUSE = "refuse"
    UNION = "union"


class SliceRefusal(StrEnum):
    """Why the contours of a slice have no mask."""

    DIFFERENT_DEPTHS = "contours-at-different-depths"
    OVERLAP = "overlapping-contours"
    NEARLY_REPEATED = "nearly-repeated-contours"
    OVERLAPS_ITSELF = "contour-overlaps-itself"
    CANCEL = "contours-cancel"
    NOTHING_LEFT = "contours-leave-nothing"


@dataclass(frozen=True)
class SliceFacts:
    """What happened to the contours of a slice, by their numbers.

    Parameters
    ----------
    contours : int
        How many there are.
    pixels : int
        How many pixels the mask has; 0 where it was refused.
    filled_pixels : int
        How many it would have without its holes.
    remnants : tuple of int
        Skipped.
    without_pixels : tuple of int
        No remnants, but so thin that they enclose no pixel centre.
    repeated : tuple of int
        The same as an earlier one.
    retraced : tuple of int
        Go round more than once, counted once.
    keyholes : tuple of int
        Go round a hole in the direction in which they go round all; other keyholes leave no trace.
    crossing_themselves : tuple of int
        Cross themselves and are taken as they are.
    overlapping_themselves : tuple of int
        Cross themselves and lose more than 5 % of their pixels.
    holes, islands : tuple of int
        Within another; within a hole.
    overlapping, nearly_repeated, cancelling, touching : tuple of pairs of int
        Which contours do so; `overlapping` leaves out those declared as exclusive or.
    depths_mm : tuple of 2 float
        Least and greatest offset from the slice's plane, of those that are no remnants.
    """

    contours: int
    pixels: int = 0
    filled_pixels: int = 0
    remnants: tuple[int, ...] = ()
    without_pixels: tuple[int, ...] = ()
    repeated: tuple[int, ...] = ()
    retraced: tuple[int, ...] = ()
    keyholes: tuple[int, ...] = ()
    crossing_themselves: tuple[int, ...] = ()
    overlapping_themselves: tuple[int, ...] = ()
    holes: tuple[int, ...] = ()
    islands: tuple[int, ...] = ()
    overlapping: tuple[tuple[int, int], ...] = ()
    nearly_repeated: tuple[tuple[int, int], ...] = ()
    cancelling: tuple[tuple[int, int], ...] = ()
    touching: tuple[tuple[int, int], ...] = ()
    depths_mm: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, eq=False)
class CombinedSlice:
    """The mask of a slice, or why there is none, and what happened.

    Parameters
    ----------
    mask : ndarray of bool, shape (y, x), or None
        The pixels that the contours enclose; without pixels where there are none but remnants.
    refusal : SliceRefusal or None
        Why there is no mask.
    facts : SliceFacts
        What happened to which contour.
    """

    mask: Pixels | None
    refusal: SliceRefusal | None
    facts: SliceFacts

    def __post_init__(self) -> None:
        if (self.mask is None) == (self.refusal is None):
            raise ValueError("A slice has either a mask or a reason why it has none.")

    @property
    def at_fault(self) -> tuple[int, ...]:
        """Numbers of the first contours for which it was refused; none where all of them are."""
        pairs = {
            SliceRefusal.OVERLAP: self.facts.overlapping,
            SliceRefusal.NEARLY_REPEATED: self.facts.nearly_repeated,
            SliceRefusal.CANCEL: self.facts.cancelling,
        }
        if self.refusal is SliceRefusal.OVERLAPS_ITSELF:
            return self.facts.overlapping_themselves[:1]
        return pairs[self.refusal][0] if self.refusal in pairs else ()


def combine(
    contours: Sequence[SliceContour],
    shape: tuple[int, int],
    overlapping: OverlappingContours = OverlappingContours.REFUSE,
) -> CombinedSlice:
    """Make the mask of one slice from its contours, by the rule at the head of this module.

    Parameters
    ----------
    contours : sequence of SliceContour
        In any order: only which of two equal ones is called the repetition depends on it.
    shape : tuple of 2 int
        Rows and columns of the slice.
    overlapping : OverlappingContours
        What becomes of an overlap.

    Returns
    -------
    CombinedSlice
        The mask or the refusal, and the facts.
    """
    sound = [contour for contour in contours if not contour.is_remnant]
    depths = [contour.offset_mm for contour in sound] or [0.0]
    united = overlapping is OverlappingContours.UNION
    regions = [_region(contour, shape, united=united) for contour in sound]
    related = relate(regions)
    mask, filled, depth = _combined(related, shape)
    refusal = _refusal(regions, related, depths, united=united, is_empty=not mask.any())
    number = [region.contour.number for region in related.regions]
    facts = SliceFacts(
        contours=len(contours),
        pixels=0 if refusal else int(np.count_nonzero(mask)),
        filled_pixels=0 if refusal else filled,
        remnants=tuple(contour.number for contour in contours if contour.is_remnant),
        without_pixels=tuple(r.contour.number for r in regions if not r.count),
        repeated=tuple(related.repeated),
        retraced=tuple(r.contour.number for r in regions if r.retraced),
        keyholes=tuple(r.contour.number for r in regions if r.is_keyhole),
        crossing_themselves=tuple(r.contour.number for r in regions if r.crosses_itself),
        overlapping_themselves=tuple(r.contour.number for r in regions if r.overlaps_itself),
        holes=tuple(n for n, d in zip(number, depth, strict=True) if d % 2),
        islands=tuple(n for n, d in zip(number, depth, strict=True) if d and not d % 2),
        overlapping=related.numbers(related.pairs[Relation.OVERLAPPING]),
        nearly_repeated=related.numbers(related.pairs[Relation.NEARLY_SAME]),
        cancelling=related.numbers(related.cancelling),
        touching=related.numbers(related.pairs[Relation.TOUCHING]),
        depths_mm=(min(depths), max(depths)),
    )
    return CombinedSlice(None if refusal else mask, refusal, facts)


def _refusal(
    regions: Sequence[Region],
    related: Relations,
    depths_mm: Sequence[float],
    *,
    united: bool,
    is_empty: bool,
) -> SliceRefusal | None:
    if max(depths_mm) - min(depths_mm) > DEPTH_TOLERANCE_MM + 1e-6:
        return SliceRefusal.DIFFERENT_DEPTHS
    if related.cancelling:
        return SliceRefusal.CANCEL
    if not united:
        if related.pairs[Relation.NEARLY_SAME]:
            return SliceRefusal.NEARLY_REPEATED
        if related.pairs[Relation.OVERLAPPING]:
            return SliceRefusal.OVERLAP
        if any(region.overlaps_itself for region in regions):
            return SliceRefusal.OVERLAPS_ITSELF
    return SliceRefusal.NOTHING_LEFT if related.regions and is_empty else None


def _region(contour: SliceContour, shape: tuple[int, int], *, united: bool) -> Region:
    """Return what one contour encloses."""
    found = turns(contour.points, shape)
    if found.is_plain:
        return Region(contour, found.odd, found.box)
    if (keyhole := _keyhole(contour, found, shape)) is not None:
        return keyhole
    enclosed = found.counts != 0
    rounds = _rounds(contour, found)
    odd = (-(-np.abs(found.counts) // rounds) & 1).astype(np.bool_)
    lost = int(np.count_nonzero(enclosed & ~odd))
    much = lost > LOST_AT_MOST * int(np.count_nonzero(enclosed))
    return Region(
        contour,
        enclosed if much and united else odd,
        found.box,
        retraced=rounds > 1,
        crosses_itself=not much and (lost > 1 or _goes_both_ways(found)),
        overlaps_itself=much,
    )


def _rounds(contour: SliceContour, found: Turns) -> int:
    """Return how often a contour goes round all that it encloses, apart from pixels so near to its
    line that its rounds may disagree on them.
    """
    rows, columns = np.nonzero(found.counts)
    times = np.abs(found.counts[rows, columns])
    centres = np.column_stack([columns + found.box[1].start, rows + found.box[0].start])
    near = near_line(centres, contour.points, SAME_WITHIN)
    return int(times.max() if near.all() else times[~near].min())


def _keyhole(contour: SliceContour, found: Turns, shape: tuple[int, int]) -> Region | None:
    """Return what a contour encloses that comes back to its own points, if its loops are plain and
    lie within each other, apart, or repeat each other.
    """
    pieces = [SliceContour(n, loop) for n, loop in enumerate(loops(contour.points))]
    counted = [turns(piece.points, shape) for piece in pieces]
    if len(pieces) < 2 or not all(piece.is_plain for piece in counted):
        return None
    related = relate([Region(p, c.odd, c.box) for p, c in zip(pieces, counted, strict=True)])
    if related.overlaps:
        return None
    pixels = _combined(related, shape)[0][found.box]
    retraced = bool(related.repeated)
    left_out = (found.counts != 0) & ~pixels
    return Region(
        contour,
        pixels,
        found.box,
        retraced=retraced,
        is_keyhole=bool(left_out.any()),
        crosses_itself=not retraced and _goes_both_ways(found),
    )


def _goes_both_ways(found: Turns) -> bool:
    ways = [int(np.count_nonzero(found.counts > 0)), int(np.count_nonzero(found.counts < 0))]
    return min(ways) > 1


def _combined(related: Relations, shape: tuple[int, int]) -> tuple[Pixels, int, list[int]]:
    """Return the mask, how many pixels it would have without holes, and within how many others
    each contour lies.

    Contours that overlap are one; what remains lies apart or within each other, and exclusive or
    leaves holes out and puts islands in.
    """
    count = len(related.regions)
    group: npt.NDArray[np.signedinteger] = np.arange(count)
    if related.overlaps:
        a, b = np.array(related.overlaps).T
        joined = coo_array((np.ones(len(a), dtype=np.bool_), (a, b)), shape=(count, count))
        group = connected_components(joined, directed=False)[1]
    mask = np.zeros(shape, dtype=np.bool_)
    for members in (np.flatnonzero(group == name) for name in np.unique(group)):
        if len(members) == 1:
            region = related.regions[members[0]]
            mask[region.box] ^= region.pixels
        else:
            mask ^= _union([related.regions[n] for n in members], shape)
    depth = [len({group[m] for m in related.around[n]} - {group[n]}) for n in range(count)]
    filled = mask if not any(depth) else _union(related.regions, shape)
    return mask, int(np.count_nonzero(filled)), depth


def _union(regions: Sequence[Region], shape: tuple[int, int]) -> Pixels:
    mask = np.zeros(shape, dtype=np.bool_)
    for region in regions:
        mask[region.box] |= region.pixels
    return mask
