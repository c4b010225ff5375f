"""The rule by which the contours of one slice make its mask, each part with several of its kind.

All values are counted by hand: a rectangle from 1.5 to 5.5 encloses the centres 2, 3, 4 and 5.
"""

from __future__ import annotations

from dataclasses import fields
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from feature_store.imaging.contour_combination import (
    CombinedSlice,
    OverlappingContours,
    SliceFacts,
    SliceRefusal,
    combine,
)
from feature_store.imaging.contour_relations import XOR, SliceContour

Polygon = npt.NDArray[np.float64]
SHAPE = (40, 48)


def box(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=float)


def circle(x: float, y: float, radius: float, points: int = 90) -> Polygon:
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    around = [x + radius * np.cos(angle), y + radius * np.sin(angle)]
    return np.asarray(np.round(np.column_stack(around), 6), dtype=np.float64)


def pixels(x0: int, y0: int, x1: int, y1: int) -> npt.NDArray[np.bool_]:
    """Return the mask of the pixels from (x0, y0) to (x1, y1), both included."""
    mask = np.zeros(SHAPE, dtype=bool)
    mask[y0 : y1 + 1, x0 : x1 + 1] = True
    return mask


OUTER, OUTER_MASK = box(1.5, 1.5, 21.5, 21.5), pixels(2, 2, 21, 21)  # 400 pixels
HOLE, HOLE_MASK = box(5.5, 5.5, 17.5, 17.5), pixels(6, 6, 17, 17)  # 144
ISLAND, ISLAND_MASK = box(9.5, 9.5, 13.5, 13.5), pixels(10, 10, 13, 13)  # 16
APART, APART_MASK = box(30.5, 3.5, 40.5, 9.5), pixels(31, 4, 40, 9)  # 60
SPECK = np.array([[44.0, 30], [44.5, 30], [44.5, 30.5]])


def of(
    *polygons: Polygon,
    kinds: str | tuple[str, ...] = "CLOSED_PLANAR",
    offsets_mm: tuple[float, ...] | None = None,
    union: bool = False,
) -> CombinedSlice:
    kinds = (kinds,) * len(polygons) if isinstance(kinds, str) else kinds
    offsets_mm = offsets_mm or (0.0,) * len(polygons)
    contours = [
        SliceContour(number, *parts)
        for number, parts in enumerate(zip(polygons, kinds, offsets_mm, strict=True), start=1)
    ]
    rule = OverlappingContours.UNION if union else OverlappingContours.REFUSE
    return combine(contours, SHAPE, rule)


def check(found: CombinedSlice, mask: npt.NDArray[np.bool_], **facts: Any) -> None:
    """Check the mask, and that exactly these facts are recorded."""
    assert found.refusal is None
    np.testing.assert_array_equal(found.mask, mask)
    assert found.facts.pixels == int(mask.sum())
    check_facts(found.facts, **facts)


def check_facts(found: SliceFacts, **facts: Any) -> None:
    counted = {"contours", "pixels", "filled_pixels", "depths_mm"}
    recorded = {f.name: getattr(found, f.name) for f in fields(found) if f.name not in counted}
    assert {name: value for name, value in recorded.items() if value} == facts


def resampled(polygon: Polygon, parts: int = 3) -> Polygon:
    """Return the same line with more points."""
    edges = np.roll(polygon, -1, axis=0) - polygon
    return np.concatenate(
        [
            corner + edge * np.arange(parts)[:, None] / parts
            for corner, edge in zip(polygon, edges, strict=True)
        ]
    )


def jittered(polygon: Polygon) -> Polygon:
    """Return a line with other points, each at most 0.05 pixel off."""
    points = resampled(polygon, 5)
    return np.asarray(points + np.random.default_rng(3).uniform(-0.035, 0.035, points.shape))


SAME_AGAIN = {
    "as it is": lambda p: p.copy(),
    "reversed": lambda p: p[::-1],
    "from another point": lambda p: np.roll(p, 2, axis=0),
    "closed by its first point": lambda p: np.concatenate([p, p[:1]]),
    "with more points": resampled,
    "reversed, with more points, from another": lambda p: np.roll(resampled(p)[::-1], 5, axis=0),
    "moved by less than a tenth of a pixel": lambda p: p + np.array([0.06, -0.07]),
    "with other points nearby": jittered,
}


class TestRepeated:
    """The same contour again, as several, or within one."""

    @pytest.mark.parametrize("again", SAME_AGAIN.values(), ids=SAME_AGAIN)
    @pytest.mark.parametrize("first", [OUTER, circle(20, 18, 11.3), circle(10, 10, 1.2)])
    def test_the_same_contour_again_counts_once(self, first: Polygon, again: Any) -> None:
        once = of(first).mask
        assert once is not None
        check(of(first, again(first)), once, repeated=(2,))
        check(of(first, again(first), first), once, repeated=(2, 3))

    @pytest.mark.parametrize("again", SAME_AGAIN.values(), ids=SAME_AGAIN)
    def test_a_hole_exported_twice_is_one_hole(self, again: Any) -> None:
        check(of(OUTER, HOLE, again(HOLE)), OUTER_MASK & ~HOLE_MASK, repeated=(3,), holes=(2,))

    @pytest.mark.parametrize("again", SAME_AGAIN.values(), ids=SAME_AGAIN)
    def test_every_contour_twice_is_every_contour_once(self, again: Any) -> None:
        drawn = [OUTER, HOLE, ISLAND, APART]
        check(
            of(*drawn, *map(again, drawn)),
            (OUTER_MASK & ~HOLE_MASK) | ISLAND_MASK | APART_MASK,
            repeated=(5, 6, 7, 8),
            holes=(2,),
            islands=(3,),
        )

    def test_a_tenth_of_a_pixel_is_where_a_contour_becomes_another(self) -> None:
        # both enclose other pixels: centres at 5 lie just right of the first one's edge
        first = box(1.5, 1.5, 4.95, 9.5)
        check(of(first, first + np.array([0.1, 0])), pixels(2, 2, 4, 9), repeated=(2,))
        moved = of(first, first + np.array([0.12, 0]))
        assert moved.refusal is SliceRefusal.NEARLY_REPEATED

    def test_the_same_pixels_are_the_same_contour_whatever_their_lines(self) -> None:
        spike = np.insert(OUTER, 2, [21.6, 30.5], axis=0)  # between two columns of centres
        check(of(OUTER, spike), OUTER_MASK, repeated=(2,))

    @pytest.mark.parametrize("rounds", [2, 3, 4])
    @pytest.mark.parametrize(
        "polygon",
        [OUTER, circle(20, 18, 11.3), circle(10, 10, 2.2, 12)],
        ids=["box", "disc", "dot"],
    )
    def test_twice_round_within_one_contour_counts_once(
        self, polygon: Polygon, rounds: int
    ) -> None:
        once = of(polygon).mask
        assert once is not None
        check(of(np.concatenate([polygon] * rounds)), once, retraced=(1,))
        closed = np.concatenate([polygon, polygon[:1]])
        check(of(np.concatenate([closed] * rounds)), once, retraced=(1,))
        other_points = [polygon, *(resampled(polygon, n) for n in range(2, rounds + 1))]
        check(of(np.concatenate(other_points)), once, retraced=(1,))

    def test_a_second_round_beside_the_first_counts_once_within_a_tenth_of_a_pixel(self) -> None:
        polygon = circle(20, 18, 11.3)
        once = of(polygon).mask
        found = of(np.concatenate([polygon, jittered(polygon)]))
        assert found.mask is not None
        assert once is not None
        assert found.facts.retraced == (1,)
        assert int((found.mask ^ once).sum()) <= 2  # centres within a tenth of a pixel of the line
        far = of(np.concatenate([polygon, circle(20, 18, 10.3)]))
        assert far.refusal is SliceRefusal.OVERLAPS_ITSELF

    def test_twice_round_a_contour_that_is_a_hole(self) -> None:
        twice = np.concatenate([HOLE, HOLE])
        check(of(OUTER, twice), OUTER_MASK & ~HOLE_MASK, retraced=(2,), holes=(2,))


class TestNested:
    """Holes, and islands in them."""

    def test_hole_island_hole_to_any_depth(self) -> None:
        rings = [circle(20, 20, 19 - 3 * n) for n in range(6)]
        masks = [mask for ring in rings if (mask := of(ring).mask) is not None]
        expected = np.logical_xor.reduce(masks)
        found = of(*rings)
        check(found, expected, holes=(2, 4, 6), islands=(3, 5))
        assert found.facts.filled_pixels == int(np.count_nonzero(masks[0]))

    def test_the_order_of_the_contours_does_not_matter(self) -> None:
        drawn = {1: OUTER, 2: HOLE, 3: ISLAND, 4: APART}
        expected = (OUTER_MASK & ~HOLE_MASK) | ISLAND_MASK | APART_MASK
        for order in permutations(drawn):
            found = combine([SliceContour(n, drawn[n]) for n in order], SHAPE)
            check(found, expected, holes=(2,), islands=(3,))

    def test_two_holes_in_one_and_one_hole_in_each_of_two(self) -> None:
        left, right = box(3.5, 3.5, 8.5, 19.5), box(12.5, 3.5, 17.5, 19.5)
        check(
            of(OUTER, left, right),
            OUTER_MASK & ~pixels(4, 4, 8, 19) & ~pixels(13, 4, 17, 19),
            holes=(2, 3),
        )
        inner = box(33.5, 5.5, 36.5, 7.5)
        check(
            of(OUTER, APART, HOLE, inner),
            (OUTER_MASK & ~HOLE_MASK) | (APART_MASK & ~pixels(34, 6, 36, 7)),
            holes=(3, 4),
        )

    def test_a_hole_that_touches_its_outer_contour_from_within(self) -> None:
        edge = box(1.5, 5.5, 9.5, 12.5)  # along 7 of the 30 of its line
        check(of(OUTER, edge), OUTER_MASK & ~pixels(2, 6, 9, 12), holes=(2,))
        point = np.array([[1.5, 9.5], [6.5, 5.5], [11.5, 9.5], [6.5, 13.5]])
        without = of(point).mask
        assert without is not None
        check(of(OUTER, point), OUTER_MASK & ~without, holes=(2,))

    @pytest.mark.parametrize(
        "inner",
        [
            box(1.5, 1.5, 11.5, 21.5),  # half of it
            box(1.5, 1.5, 21.5, 19.5),  # all but a strip
            box(1.5, 1.5, 7.5, 7.5),  # a corner of it
            np.delete(np.insert(OUTER, 2, [[21.5, 16.5], [16.5, 21.5]], axis=0), 4, axis=0),
        ],
    )
    def test_what_runs_along_its_outer_contour_is_no_hole(self, inner: Polygon) -> None:
        assert of(OUTER, inner).refusal is SliceRefusal.OVERLAP
        check(of(inner, OUTER, union=True), OUTER_MASK, overlapping=((1, 2),))

    def test_a_hole_may_leave_its_outer_contour_by_less_than_a_voxel_only(self) -> None:
        for x in (1.05, 1.5):  # up to 0.45 pixel outside, no centre there
            little = box(x, 5.5, 9.5, 12.5)
            check(of(OUTER, little), OUTER_MASK & ~pixels(2, 6, 9, 12), holes=(2,))
        far = np.array([[0.55, 9.4], [9.5, 5.5], [9.5, 12.5], [0.55, 9.6]])  # 0.95, no centre
        assert of(OUTER, far).refusal is SliceRefusal.OVERLAP

    @pytest.mark.parametrize("wall", [0.2, 0.5, 0.9])
    def test_a_wall_thinner_than_a_pixel_all_around_is_no_wall(self, wall: float) -> None:
        found = of(circle(20.2, 18.1, 12.4), circle(20.2, 18.1, 12.4 - wall))
        assert found.refusal is SliceRefusal.NEARLY_REPEATED
        assert found.at_fault == (1, 2)

    def test_a_wall_of_more_than_a_pixel_is_one(self) -> None:
        outer, inner = circle(20.2, 18.1, 12.4), circle(20.2, 18.1, 11.2)
        one, two = of(outer).mask, of(inner).mask
        assert one is not None
        assert two is not None
        check(of(outer, inner), one & ~two, holes=(2,))


KEYHOLE = np.concatenate([OUTER, OUTER[:1], HOLE, HOLE[:1]])


class TestKeyhole:
    """One contour with a channel to its inner part (PS3.3 C.8.8.6.3)."""

    @pytest.mark.parametrize("inner", [HOLE, HOLE[::-1]], ids=["same direction", "other direction"])
    def test_a_channel_without_width(self, inner: Polygon) -> None:
        keyhole = np.concatenate([OUTER, OUTER[:1], inner, inner[:1]])
        facts = {"keyholes": (1,)} if inner is HOLE else {}
        for drawn in (keyhole, keyhole[::-1], np.roll(keyhole, 3, axis=0)):
            check(of(drawn), OUTER_MASK & ~HOLE_MASK, **facts)

    def test_a_narrow_channel(self) -> None:
        outer = [[1.5, 10.3], [1.5, 1.5], [21.5, 1.5], [21.5, 21.5], [1.5, 21.5], [1.5, 10.4]]
        inner = [[5.5, 10.4], [5.5, 17.5], [17.5, 17.5], [17.5, 5.5], [5.5, 5.5], [5.5, 10.3]]
        check(of(np.array(outer + inner)), OUTER_MASK & ~HOLE_MASK)

    def test_a_hole_that_is_gone_round_twice_is_one_hole(self) -> None:
        for inner in (HOLE, HOLE[::-1]):
            keyhole = np.concatenate([OUTER, OUTER[:1], inner, inner, inner[:1]])
            found = of(keyhole)
            np.testing.assert_array_equal(found.mask, OUTER_MASK & ~HOLE_MASK)
            assert found.facts.retraced == (1,)

    def test_a_keyhole_that_is_gone_round_twice(self) -> None:
        for drawn in (KEYHOLE, np.concatenate([OUTER, OUTER[:1], HOLE[::-1], HOLE[-1:]])):
            found = of(np.concatenate([drawn, drawn]))
            np.testing.assert_array_equal(found.mask, OUTER_MASK & ~HOLE_MASK)
            assert found.facts.retraced == (1,)

    def test_an_island_in_a_keyhole_and_a_keyhole_that_is_repeated(self) -> None:
        ring = OUTER_MASK & ~HOLE_MASK
        check(of(KEYHOLE, ISLAND), ring | ISLAND_MASK, keyholes=(1,))
        check(of(KEYHOLE, KEYHOLE[::-1]), ring, keyholes=(1, 2), repeated=(2,))


class TestOverlap:
    """Contours that enclose pixels together, and those that only touch."""

    SHIFTED = box(11.5, 11.5, 31.5, 31.5)
    SHIFTED_MASK = pixels(12, 12, 31, 31)

    @pytest.mark.parametrize(
        ("other", "mask"),
        [
            (SHIFTED, SHIFTED_MASK),
            (SHIFTED[::-1], SHIFTED_MASK),
            (box(20.5, 20.5, 25.5, 25.5), pixels(21, 21, 25, 25)),  # one pixel in common
            (box(0.5, 8.5, 30.5, 12.5), pixels(1, 9, 30, 12)),  # crosses it
            (OUTER + np.array([2, 0]), pixels(4, 2, 23, 21)),
        ],
    )
    def test_a_partial_overlap_is_refused_or_united(
        self, other: Polygon, mask: npt.NDArray[np.bool_]
    ) -> None:
        refused = of(OUTER, other)
        assert refused.refusal is SliceRefusal.OVERLAP
        assert refused.mask is None
        assert refused.at_fault == (1, 2)
        assert refused.facts.pixels == 0
        check(of(OUTER, other, union=True), OUTER_MASK | mask, overlapping=((1, 2),))

    def test_nearly_the_same_is_refused_or_united(self) -> None:
        other = OUTER + np.array([0.7, 0.3])
        assert of(OUTER, other).refusal is SliceRefusal.NEARLY_REPEATED
        united = OUTER_MASK | pixels(3, 2, 22, 21)
        check(of(OUTER, other, union=True), united, nearly_repeated=((1, 2),))

    def test_a_hole_in_two_that_are_united(self) -> None:
        inside = box(13.5, 13.5, 18.5, 18.5)  # within both
        check(
            of(OUTER, self.SHIFTED, inside, union=True),
            (OUTER_MASK | self.SHIFTED_MASK) & ~pixels(14, 14, 18, 18),
            overlapping=((1, 2),),
            holes=(3,),
        )

    def test_a_chain_of_overlaps_is_one_region(self) -> None:
        chain = [box(1.5 + 8 * n, 1.5, 11.5 + 8 * n, 9.5) for n in range(4)]
        check(
            of(*chain, box(3.5, 3.5, 7.5, 7.5), union=True),
            pixels(2, 2, 35, 9) & ~pixels(4, 4, 7, 7),
            overlapping=((1, 2), (2, 3), (3, 4)),
            holes=(5,),
        )

    def test_overlapping_holes_are_united_too(self) -> None:
        one, two = box(3.5, 3.5, 12.5, 9.5), box(8.5, 5.5, 18.5, 15.5)
        assert of(OUTER, one, two).refusal is SliceRefusal.OVERLAP
        check(
            of(OUTER, one, two, union=True),
            OUTER_MASK & ~pixels(4, 4, 12, 9) & ~pixels(9, 6, 18, 15),
            overlapping=((2, 3),),
            holes=(2, 3),
        )

    @pytest.mark.parametrize(
        ("other", "mask"),
        [
            (box(21.5, 1.5, 31.5, 21.5), pixels(22, 2, 31, 21)),  # a whole edge
            (box(21.5, 8.5, 31.5, 12.5), pixels(22, 9, 31, 12)),  # part of an edge
            (box(21.5, 21.5, 31.5, 31.5), pixels(22, 22, 31, 31)),  # a corner
            (box(21.2, 1.5, 31.5, 21.5), pixels(22, 2, 31, 21)),  # lines cross, pixels do not
        ],
    )
    def test_contours_that_only_touch_do_not_overlap(
        self, other: Polygon, mask: npt.NDArray[np.bool_]
    ) -> None:
        check(of(OUTER, other), OUTER_MASK | mask, touching=((1, 2),))

    def test_an_edge_through_pixel_centres_gives_them_to_one_side(self) -> None:
        check(of(box(2, 2, 10, 10), box(10, 2, 20, 10)), pixels(2, 2, 19, 9), touching=((1, 2),))

    def test_two_apart_are_both(self) -> None:
        check(of(OUTER, APART), OUTER_MASK | APART_MASK)


class TestDepths:
    """Contours of several planes on one slice."""

    @pytest.mark.parametrize("offsets_mm", [(0.0, 0.11), (-0.6, 0.6), (0.7, 0.0)])
    def test_contours_of_neighbouring_planes_are_refused(
        self, offsets_mm: tuple[float, float]
    ) -> None:
        found = of(OUTER, APART, offsets_mm=offsets_mm)
        assert found.refusal is SliceRefusal.DIFFERENT_DEPTHS
        assert found.facts.depths_mm == (min(offsets_mm), max(offsets_mm))
        same = of(OUTER, OUTER, offsets_mm=offsets_mm)
        assert same.refusal is SliceRefusal.DIFFERENT_DEPTHS

    def test_a_tenth_of_a_millimetre_is_rounding_and_a_common_offset_is_no_matter(self) -> None:
        check(of(OUTER, APART, offsets_mm=(0.0, 0.1)), OUTER_MASK | APART_MASK)
        found = of(OUTER, APART, offsets_mm=(0.7, 0.7))
        check(found, OUTER_MASK | APART_MASK)
        assert found.facts.depths_mm == (0.7, 0.7)

    def test_a_remnant_at_another_depth_is_no_matter(self) -> None:
        check(of(OUTER, SPECK, offsets_mm=(0.0, 0.6)), OUTER_MASK, remnants=(2,))


REMNANTS = {
    "no point": np.empty((0, 2)),
    "one point": np.array([[30.0, 30]]),
    "two points": np.array([[30.0, 30], [35, 35]]),
    "two points, one twice": np.array([[30.0, 30], [35, 35], [30, 30]]),
    "on a slanted line": np.array([[30.0, 30], [33, 33], [36, 36], [31, 31]]),
    "on a row": np.array([[30.0, 30], [33, 30], [36, 30]]),
    "on a column": np.array([[30.0, 30], [30, 33], [30, 37]]),
    "out and back": np.array([[30.0, 30], [35, 30], [35, 36], [35, 30]]),
    "less than a voxel": SPECK,
    "less than a voxel round a centre": box(29.6, 29.6, 30.5, 30.5),
    "a sliver over many centres": box(25.5, 29.98, 41.5, 30.02),
    "less than a voxel, twice round": np.concatenate([box(29.6, 29.6, 30.5, 30.5)] * 2),
}


class TestRemnants:
    """What a forgotten click leaves."""

    @pytest.mark.parametrize("remnant", REMNANTS.values(), ids=REMNANTS)
    def test_a_remnant_beside_a_sound_contour_is_skipped(self, remnant: Polygon) -> None:
        check(of(OUTER, remnant), OUTER_MASK, remnants=(2,))
        check(of(remnant, OUTER, remnant), OUTER_MASK, remnants=(1, 3))

    @pytest.mark.parametrize("remnant", REMNANTS.values(), ids=REMNANTS)
    def test_nothing_but_remnants_leaves_a_slice_empty_and_says_so(self, remnant: Polygon) -> None:
        check(of(remnant, remnant), np.zeros(SHAPE, dtype=bool), remnants=(1, 2))

    @pytest.mark.parametrize(
        "polygon",
        [
            box(29.5, 29.5, 30.5, 30.5),  # a voxel
            np.array([[29.3, 29.4], [30.9, 29.4], [30.1, 30.8]]),  # 1.12 pixels
            box(25.5, 29.96, 41.5, 30.04),  # 1.28 pixels
        ],
    )
    def test_a_voxel_is_no_remnant(self, polygon: Polygon) -> None:
        found = of(OUTER, polygon)
        assert found.facts.remnants == ()
        assert found.facts.pixels > int(OUTER_MASK.sum())

    def test_a_contour_between_the_centres_is_recorded(self) -> None:
        thin = box(25.5, 29.1, 41.5, 29.9)
        check(of(OUTER, thin), OUTER_MASK, without_pixels=(2,))
        check(of(thin), np.zeros(SHAPE, dtype=bool), without_pixels=(1,))


class TestDeclaredAsExclusiveOr:
    """Contours of type CLOSEDPLANAR_XOR (PS3.3 C.8.8.6.3)."""

    def test_an_overlap_is_left_out(self) -> None:
        shifted = box(11.5, 11.5, 31.5, 31.5)
        check(of(OUTER, shifted, kinds=XOR), OUTER_MASK ^ pixels(12, 12, 31, 31))
        check(of(OUTER, shifted, kinds=XOR, union=True), OUTER_MASK ^ pixels(12, 12, 31, 31))

    def test_holes_islands_and_what_is_apart(self) -> None:
        check(
            of(OUTER, HOLE, ISLAND, APART, kinds=XOR),
            (OUTER_MASK & ~HOLE_MASK) | ISLAND_MASK | APART_MASK,
            holes=(2,),
            islands=(3,),
        )

    @pytest.mark.parametrize("again", SAME_AGAIN.values(), ids=SAME_AGAIN)
    @pytest.mark.parametrize("kinds", [(XOR, XOR), ("CLOSED_PLANAR", XOR), (XOR, "CLOSED_PLANAR")])
    def test_two_that_cancel_each_other_are_refused(
        self, again: Any, kinds: tuple[str, str]
    ) -> None:
        found = of(OUTER, again(OUTER), APART, kinds=(*kinds, kinds[1]))
        assert found.refusal is SliceRefusal.CANCEL
        assert found.at_fault == (1, 2)

    def test_a_hole_twice_would_be_filled_and_is_refused(self) -> None:
        for union in (False, True):
            found = of(OUTER, HOLE, HOLE, kinds=XOR, union=union)
            assert found.refusal is SliceRefusal.CANCEL
            assert found.facts.cancelling == ((2, 3),)

    def test_a_declared_hole_in_one_that_is_not(self) -> None:
        check(of(OUTER, HOLE, kinds=("CLOSED_PLANAR", XOR)), OUTER_MASK & ~HOLE_MASK, holes=(2,))

    def test_only_overlaps_between_undeclared_ones_are_refused(self) -> None:
        planar = "CLOSED_PLANAR"
        one, two, three = (box(1.5 + 8 * n, 1.5, 11.5 + 8 * n, 9.5) for n in range(3))
        check(of(one, two, kinds=(planar, XOR)), pixels(2, 2, 11, 9) ^ pixels(10, 2, 19, 9))
        assert of(one, two, three, kinds=(XOR, planar, planar)).refusal is SliceRefusal.OVERLAP


class TestCrossingItself:
    """Lobes, small loops, and large ones."""

    @pytest.mark.parametrize(
        ("polygon", "pixel_count"),
        [
            # two triangles of 20 x 10: the columns 2..21 of each row between the diagonals
            (np.array([[1.5, 1.5], [21.5, 21.5], [21.5, 1.5], [1.5, 21.5]]), 200),
            (
                np.array(
                    [[1.5, 1.5], [11.5, 11.5], [21.5, 21.5], [21.5, 1.5], [11.5, 11.5], [1.5, 21.5]]
                ),
                200,
            ),
        ],
        ids=["between its points", "at a point"],
    )
    def test_both_lobes_of_a_figure_of_eight_count(
        self, polygon: Polygon, pixel_count: int
    ) -> None:
        for drawn in (polygon, polygon[::-1]):
            found = of(drawn)
            assert found.mask is not None
            assert found.facts.crossing_themselves == (1,)
            # the centres on the diagonals belong to either side
            assert abs(found.facts.pixels - pixel_count) <= 20
            assert found.mask[10, 2:5].all()
            assert found.mask[10, 19:21].all()
            assert not found.mask[3, 10:13].any()

    def test_a_small_loop_is_left_out_and_recorded(self) -> None:
        # the end overshoots the start and goes round 2 x 2 pixels again
        end = [[1.5, 1.2], [3.7, 1.2], [3.7, 3.5], [1.8, 3.5], [1.8, 1.5]]
        drawn = np.concatenate([OUTER, end])
        found = of(drawn)
        assert found.refusal is None
        assert found.facts.crossing_themselves == (1,)
        assert found.facts.pixels == 400 - 4

    def test_a_large_loop_is_refused_or_filled(self) -> None:
        # two rounds, the second shifted: what lies in both is gone round twice
        drawn = np.concatenate(
            [OUTER, OUTER[:1], OUTER + np.array([8, 0]), OUTER[:1] + np.array([8, 0])]
        )
        refused = of(drawn)
        assert refused.refusal is SliceRefusal.OVERLAPS_ITSELF
        assert refused.at_fault == (1,)
        check(of(drawn, union=True), pixels(2, 2, 29, 21), overlapping_themselves=(1,))

    def test_one_of_its_pixels_in_twenty_may_be_lost(self) -> None:
        for side, refused in ((4, False), (5, True)):  # 16 and 25 of 400
            inner = box(1.5, 1.5, 1.5 + side, 1.5 + side) + np.array([8, 8])
            drawn = np.concatenate([OUTER, [[9.4, 9.3]], inner, [[9.5, 9.6]]])
            found = of(drawn)
            assert (found.refusal is SliceRefusal.OVERLAPS_ITSELF) == refused
            assert found.facts.crossing_themselves == (() if refused else (1,))


class TestNothingLeft:
    """Slices that come out empty."""

    def test_holes_that_fill_their_outer_contour_are_refused(self) -> None:
        left, right = box(1.5, 1.5, 11.5, 21.5), box(11.5, 1.5, 21.5, 21.5)
        assert of(OUTER, left, right).refusal is SliceRefusal.OVERLAP
        assert of(OUTER, left, right, kinds=XOR).refusal is SliceRefusal.NOTHING_LEFT

    def test_a_slice_without_contours_is_empty_and_no_matter(self) -> None:
        check(of(), np.zeros(SHAPE, dtype=bool))


def test_what_cannot_be_is_not_made() -> None:
    with pytest.raises(ValueError, match=r"points \(n, 2\), found \(4, 3\)"):
        SliceContour(1, np.zeros((4, 3)))
    with pytest.raises(ValueError, match="found 'OPEN_PLANAR'"):
        SliceContour(1, OUTER, "OPEN_PLANAR")
    with pytest.raises(ValueError, match="either a mask or a reason"):
        CombinedSlice(None, None, SliceFacts(0))


def test_many_contours_on_one_slice() -> None:
    dots = [
        box(x - 0.5, y - 0.5, x + 0.5, y + 0.5) for x in range(0, 48, 2) for y in range(0, 40, 2)
    ]
    found = of(*dots)
    assert found.facts.pixels == len(dots) == 480
    assert found.facts.touching == ()
