"""Two contours: equal, apart by a known distance, and the same whichever comes first."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.imaging.boxed_mask import BoxedMask
from feature_store.imaging.contour_difference import contour_difference

SPACING = (1.0, 1.0, 3.0)


def block(z: slice, y: slice, x: slice) -> BoxedMask:
    mask = np.zeros((12, 30, 30), dtype=np.bool_)
    mask[z, y, x] = True
    return BoxedMask.of(mask)


DRAWN = block(slice(3, 9), slice(5, 25), slice(5, 25))


def test_a_contour_does_not_differ_from_itself() -> None:
    found = contour_difference(DRAWN, DRAWN, SPACING)
    assert (found.dice, found.volume_ratio, found.surface_mm, found.surface_95_mm) == (1, 1, 0, 0)


def test_one_slice_more_is_a_face_that_moved_by_its_spacing() -> None:
    more = block(slice(3, 10), slice(5, 25), slice(5, 25))
    found = contour_difference(more, DRAWN, SPACING)
    assert found.volume_ratio == pytest.approx(7 / 6)
    assert found.dice == pytest.approx(2 * 6 / 13)
    assert found.surface_95_mm == 3.0
    whole = 4 * 20 * 6 * 3 + 2 * 400
    # the new face is 3 mm from the old surface, or as near as its sides
    assert 0.5 * 3.0 * 400 * 0.8 / whole < found.surface_mm < 3.0 * 400 / whole * 1.2


def test_the_difference_is_the_same_from_both_sides() -> None:
    other = block(slice(2, 8), slice(7, 26), slice(5, 22))
    there = contour_difference(other, DRAWN, SPACING)
    back = contour_difference(DRAWN, other, SPACING)
    assert there.dice == back.dice
    assert there.surface_mm == pytest.approx(back.surface_mm)
    assert there.volume_ratio == pytest.approx(1 / back.volume_ratio)


def test_contours_apart_share_nothing() -> None:
    one, other = (
        block(slice(3, 5), slice(2, 6), slice(2, 6)),
        block(slice(3, 5), slice(2, 6), slice(12, 16)),
    )
    found = contour_difference(one, other, SPACING)
    assert found.dice == 0
    assert found.volume_ratio == 1
    assert found.surface_95_mm == pytest.approx(10)
